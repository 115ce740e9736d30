// BuildKit's stream: moby.buildkit.v1.StatusResponse in base64 as "aux" of lines with the id
// "moby.buildkit.trace"; the image as "moby.image.id".
#include <charconv>
#include <map>
#include <set>

#include "engine/progress.hpp"
#include "proto/status.pb.h"

namespace lighterman::engine {
namespace {

namespace moby = ::moby::buildkit::v1;

/// "[build 3/4] RUN make" and "[3/4] RUN make" come from the Dockerfile; "[internal] ..." does not.
bool is_step(std::string_view name) {
  const std::size_t close = name.find(']');
  return name.starts_with('[') && close != std::string_view::npos &&
         name.substr(0, close).find('/') != std::string_view::npos &&
         !name.starts_with("[internal]") && !name.starts_with("[auth]");
}

class BuildKit final : public TracedProgress {
 public:
  explicit BuildKit(const BuildRequest& request) : TracedProgress(request) {}

  void take_trace(const moby::StatusResponse& status) override {
    for (const moby::Vertex& vertex : status.vertexes()) take_vertex(vertex);
    for (const moby::VertexLog& log : status.logs()) take_log(log);
    for (const moby::VertexWarning& warning : status.warnings()) take_warning(warning);
  }

  void finish() override {
    for (auto& [key, lines] : output_) lines.finish();
  }
  unsigned steps() const noexcept override {
    return count([](const Vertex&) { return true; });
  }
  unsigned cached_steps() const noexcept override {
    return count([](const Vertex& vertex) { return vertex.cached; });
  }

 protected:
  void take_stream(std::string_view text) override {
    // Only "Successfully tagged", from older engines.
    if (!trim(text).empty()) tell_output({}, one_line(trim(text)), false);
  }

  void take_aux(const boost::json::object& line) override {
    const std::string_view id = text_of(line, "id");
    if (id == "moby.image.id") {
      const boost::json::object* aux = object_of(line, "aux");
      if (aux) image_id_ = text_of(*aux, "ID");
      return;
    }
    if (id != "moby.buildkit.trace") return;
    const std::optional<std::string> bytes = parse_base64(text_of(line, "aux"));
    moby::StatusResponse status;
    if (!bytes || !status.ParseFromString(*bytes)) {
      throw Error(ErrorKind::invalid, "the engine sent a build trace that cannot be read");
    }
    take_trace(status);
  }

  Place place_of_failure() const override {
    // A vertex's error is for display; only the stream's error line says that the build failed. The
    // vertex that failed is the one whose error that line repeats.
    const Vertex* found = nullptr;
    for (const auto& [digest, vertex] : vertexes_) {
      if (vertex.error.empty()) continue;
      const bool repeated = error().find(vertex.error) != std::string::npos;
      if (repeated) return {vertex.name, vertex.line};
      if (vertex.error.find("context canceled") == std::string::npos) found = &vertex;
    }
    if (found) return {found->name, found->line};
    // Stopped from outside: whatever runs is where it stands.
    for (const auto& [digest, vertex] : vertexes_) {
      if (vertex.step && vertex.started && !vertex.ended) return {vertex.name, vertex.line};
    }
    return {};
  }

  std::optional<int> exit_code_in(std::string_view error) const override {
    // BuildKit has no field for it.
    constexpr std::string_view mark = "exit code: ";
    const std::size_t at = error.rfind(mark);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view rest = error.substr(at + mark.size());
    int code = 0;
    const auto [end, wrong] = std::from_chars(rest.data(), rest.data() + rest.size(), code);
    return wrong == std::errc{} ? std::optional<int>(code) : std::nullopt;
  }

 private:
  struct Vertex {
    std::string name, error;
    int line = 0;
    bool step = false, started = false, ended = false, cached = false;
  };

  template <class Which>
  unsigned count(Which which) const noexcept {
    unsigned number = 0;
    for (const auto& [digest, vertex] : vertexes_) {
      if (vertex.step && vertex.ended && which(vertex)) ++number;
    }
    return number;
  }

  void take_vertex(const moby::Vertex& sent) {
    // The same vertex comes many times, even finished and started again: the last word counts, but
    // each piece of news is told once.
    const auto [at, fresh] = vertexes_.try_emplace(sent.digest());
    Vertex& vertex = at->second;
    if (fresh) {
      vertex.name = one_line(sent.name());
      vertex.step = is_step(vertex.name);
      vertex.line = dockerfile_.line_of_vertex(vertex.name);
    }
    // Whoever exports the cache may start steps again that were taken from it.
    if (!vertex.ended) vertex.cached = sent.cached();
    vertex.error = one_line(sent.error());
    const bool shown = !vertex.name.starts_with("[internal]");
    if (sent.has_started() && !vertex.started) {
      vertex.started = true;
      if (shown && !sent.cached()) {
        tell({BuildNews::Kind::step_started, vertex.name, {}, false, vertex.line});
      }
    }
    if (!sent.has_completed()) return;
    for (const std::int64_t stream : {1, 2}) {
      const auto lines = output_.find({sent.digest(), stream});
      if (lines != output_.end()) lines->second.finish();
    }
    // A build goes on without its cache, so nothing else tells.
    if (vertex.name.find("ing cache ") != std::string::npos && !vertex.error.empty() &&
        warned_.insert(vertex.error).second) {
      const std::string why = concat(vertex.name, ": ", shortened(vertex.error, 500));
      tell({BuildNews::Kind::warning, vertex.name, why, false, 0});
    }
    if (vertex.ended || !vertex.error.empty()) return;
    vertex.ended = true;
    if (!shown) return;
    const auto kind = sent.cached() ? BuildNews::Kind::step_cached : BuildNews::Kind::step_done;
    tell({kind, vertex.name, {}, false, vertex.line});
  }

  std::string name_of(const std::string& digest) const {
    const auto found = vertexes_.find(digest);
    return found == vertexes_.end() ? std::string() : found->second.name;
  }

  void take_log(const moby::VertexLog& log) {
    const bool errors = log.stream() == 2;
    const std::string& digest = log.vertex();
    const auto [lines, fresh] = output_.try_emplace(
        std::pair(digest, log.stream()), [this, digest, errors](std::string line) {
          tell_output(name_of(digest), std::move(line), errors);
        });
    lines->second.write(log.msg());
  }

  void take_warning(const moby::VertexWarning& warning) {
    std::string text = one_line(warning.short_());
    if (!warning.url().empty()) text += concat(" (", one_line(warning.url()), ")");
    if (!warned_.insert(text).second) return;
    const int line = warning.ranges().empty() ? 0 : warning.ranges(0).start().line();
    tell({BuildNews::Kind::warning, name_of(warning.vertex()), std::move(text), false, line});
  }

  std::map<std::string, Vertex> vertexes_;  ///< by digest
  std::map<std::pair<std::string, std::int64_t>, OutputLines> output_;
  std::set<std::string> warned_;
};

}  // namespace

std::unique_ptr<TracedProgress> follow_buildkit(const BuildRequest& request) {
  return std::make_unique<BuildKit>(request);
}

}  // namespace lighterman::engine
