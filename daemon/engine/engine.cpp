#include "engine/engine.hpp"

#include <boost/json.hpp>
#include <limits>

#include "core/json.hpp"
#include "core/reference.hpp"
#include "core/version.hpp"
#include "engine/about.hpp"
#include "engine/build.hpp"
#include "engine/lines.hpp"
#include "engine/wire.hpp"

namespace lighterman::engine {
namespace {

namespace json = boost::json;

// An engine may be silent while it compresses, or writes an export to its own disk first.
constexpr std::chrono::milliseconds patience = std::chrono::minutes(15);

/// Whether a registry's refusal, which engines pass on as text only, is about credentials.
bool about_credentials(std::string_view error) {
  for (const char* sign : {"denied", "unauthorized", "401 Unauthorized", "403 Forbidden",
                           "no basic auth credentials", "insufficient_scope", "bad creds"}) {
    if (error.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

std::string render_login(const Login& login, const std::string& host) {
  json::object object;
  if (!login.identity_token.empty()) {
    object["identitytoken"] = login.identity_token.reveal();
  } else if (!login.username.empty() || !login.password.empty()) {
    object["username"] = login.username;
    object["password"] = login.password.reveal();
  }
  if (!object.empty()) object["serveraddress"] = host;
  return render_base64url(json::serialize(object));
}

/// From "1.4: digest: sha256:... size: 1234": engines with containerd's store have no field for it.
std::optional<Digest> digest_in(std::string_view status) {
  constexpr std::string_view mark = ": digest: ";
  const std::size_t at = status.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = status.substr(at + mark.size());
  return Digest::parse(rest.substr(0, rest.find(' ')));
}

}  // namespace

struct Engine::Inside {
  explicit Inside(Options options) : wire(std::move(options)) {}

  std::uint64_t prune(const Wire::Greeting& greeting, const Query& query,
                      const std::stop_token& stop);

  Wire wire;
};

Engine::Engine(Options options) : inside_(std::make_unique<Inside>(std::move(options))) {}
Engine::~Engine() = default;

const Options& Engine::options() const noexcept { return inside_->wire.options(); }

About Engine::about(const std::stop_token& stop) {
  return ask_about(inside_->wire, inside_->wire.greet(stop), stop);
}

BuiltImage Engine::build(const BuildRequest& request, const std::stop_token& stop) {
  return engine::build(inside_->wire, request, stop);
}

std::optional<Inspected> Engine::find_image(const std::string& name, const std::stop_token& stop) {
  Wire& wire = inside_->wire;
  const Wire::Greeting greeting = wire.greet(stop);
  const net::Response answer = wire.perform(
      wire.request("GET", greeting, concat("/images/", render_name(name), "/json")), stop);
  if (answer.status == 404) return std::nullopt;
  const json::object image = object_in(answer, concat("inspecting image \"", name, '"'));
  Inspected inspected;
  inspected.id = text_of(image, "Id");
  inspected.bytes = static_cast<std::uint64_t>(number_of(image, "Size"));
  inspected.os = text_of(image, "Os");
  inspected.architecture = text_of(image, "Architecture");
  const json::object* root = object_of(image, "RootFS");
  const json::value* layers = root ? root->if_contains("Layers") : nullptr;
  if (layers && layers->is_array()) {
    for (const json::value& layer : layers->get_array()) {
      if (layer.is_string()) inspected.layers.push_back(DiffId::parse(layer.get_string()));
    }
  }
  const json::value* digests = image.if_contains("RepoDigests");
  if (digests && digests->is_array()) {
    for (const json::value& digest : digests->get_array()) {
      // Engines write "<none>@sha256:..." of images that lost their name.
      if (digest.is_string() && !digest.get_string().starts_with('<'))
        inspected.digests.push_back(Reference::parse(digest.get_string()));
    }
  }
  // Of an image that does not say it, engines make the year 1, or nothing.
  const std::string_view created = text_of(image, "Created");
  if (!created.empty() && !created.starts_with("0001")) inspected.created = parse_time(created);
  return inspected;
}

void Engine::tag(const std::string& image, const std::string& repository, const std::string& tag,
                 const std::stop_token& stop) {
  Wire& wire = inside_->wire;
  const Wire::Greeting greeting = wire.greet(stop);
  const Query query = Query().add("repo", repository).add("tag", tag);
  const net::Response answer = wire.perform(
      wire.request("POST", greeting, concat("/images/", render_name(image), "/tag", query.text())),
      stop);
  if (answer.status != 201) {
    throw refusal(answer, concat("tagging ", image, " as \"", repository, ':', tag, '"'));
  }
}

std::optional<Digest> Engine::push(const std::string& repository, const std::string& tag,
                                   const Login& login, const PushNews& news,
                                   const std::stop_token& stop) {
  Wire& wire = inside_->wire;
  const std::string name = concat(repository, ':', tag);
  const std::string doing = concat("pushing \"", name, "\" from the engine");
  const Wire::Greeting greeting = wire.greet(stop);
  net::Request request =
      wire.request("POST", greeting,
                   concat("/images/", render_name(repository), "/push?tag=", render_url_part(tag)));
  request.headers.add("X-Registry-Auth", render_login(login, Reference::parse(repository).host()));
  request.silence_timeout = patience;
  request.body_limit = std::numeric_limits<std::uint64_t>::max();

  std::string error;
  std::optional<Digest> digest, worded;
  JsonLines lines([&](const json::object& line) {
    if (const std::string_view text = text_of(line, "error"); !text.empty()) {
      error = shortened(one_line(text), 2000);
    } else if (const json::object* aux = object_of(line, "aux")) {
      const std::string_view pushed = text_of(*aux, "Digest");
      if (!pushed.empty()) digest = Digest::parse(pushed);
    } else if (const std::string_view id = text_of(line, "id"); !id.empty()) {
      const json::object* counts = object_of(line, "progressDetail");
      const auto count = [&](std::string_view key) {
        return static_cast<std::uint64_t>(
            counts ? std::max<std::int64_t>(number_of(*counts, key), 0) : 0);
      };
      if (news)
        news(one_line(id), one_line(text_of(line, "status")), count("current"), count("total"));
    } else if (const std::optional<Digest> found = digest_in(text_of(line, "status"))) {
      worded = found;
    }
  });
  const net::Response answer = wire.stream(
      request, [&](std::string_view bytes) { lines.write(bytes); }, stop);
  if (answer.status != 200) throw refusal(answer, doing);
  lines.finish();
  if (error.empty()) return digest ? digest : worded;

  // Engines send all refusals alike, as text; whether the image exists can be asked.
  if (!find_image(name, stop)) {
    throw Error(ErrorKind::not_found, concat(doing, ": the engine has no such image: ", error));
  }
  throw Error(about_credentials(error) ? ErrorKind::denied : ErrorKind::unavailable,
              concat(doing, ": ", error));
}

void Engine::export_image(const std::string& name, const Push& sink, const std::stop_token& stop) {
  Wire& wire = inside_->wire;
  const Wire::Greeting greeting = wire.greet(stop);
  net::Request request =
      wire.request("GET", greeting, concat("/images/", render_name(name), "/get"));
  request.silence_timeout = patience;
  request.body_limit = std::numeric_limits<std::uint64_t>::max();
  const net::Response answer = wire.stream(request, sink, stop);
  if (answer.status != 200) throw refusal(answer, concat("exporting image \"", name, '"'));
}

std::vector<std::string> Engine::names(const std::string& pattern, const std::stop_token& stop) {
  Wire& wire = inside_->wire;
  const Wire::Greeting greeting = wire.greet(stop);
  const std::string filters =
      json::serialize(json::object{{"reference", json::array{json::string(pattern)}}});
  const std::string path = concat("/images/json", Query().add("filters", filters).text());
  const net::Response answer = wire.perform(wire.request("GET", greeting, path), stop);
  if (answer.status != 200) throw refusal(answer, "listing images");
  std::vector<std::string> names;
  const json::value images = parse_json(answer.body, "listing images: the engine's answer");
  if (!images.is_array()) throw Error(ErrorKind::invalid, "listing images: not a list");
  for (const json::value& value : images.get_array()) {
    for (const json::value& name : Fields(value, "image").list("RepoTags"))
      if (name.is_string()) names.emplace_back(name.get_string());
  }
  return names;
}

std::uint64_t Engine::Inside::prune(const Wire::Greeting& greeting, const Query& query,
                                    const std::stop_token& stop) {
  const net::Response answer =
      wire.perform(wire.request("POST", greeting, concat("/build/prune", query.text())), stop);
  if (answer.status != 200) throw refusal(answer, "pruning the build cache");
  const json::value value = parse_json(answer.body, "pruning the build cache: the answer");
  return Fields(value, "the answer").natural_or("SpaceReclaimed", 0);
}

std::uint64_t Engine::prune_old_cache(std::chrono::seconds unused_for,
                                      const std::stop_token& stop) {
  const std::string until = concat(unused_for.count(), 's');
  const Query query =
      Query()
          .add("all", "1")
          .add("filters",
               json::serialize(json::object{{"until", json::array{json::string(until)}}}));
  return inside_->prune(inside_->wire.greet(stop), query, stop);
}

std::uint64_t Engine::prune_cache(std::uint64_t keep, const std::stop_token& stop) {
  const Wire::Greeting greeting = inside_->wire.greet(stop);
  Query query;
  query.add("all", "1");
  // Newer engines have other words for it, which older ones do not heed.
  if (Version::parse(greeting.api + ".0") >= Version::parse("1.48.0")) {
    query.add("reserved-space", std::to_string(keep)).add("max-used-space", std::to_string(keep));
  } else {
    query.add("keep-storage", std::to_string(keep));
  }
  return inside_->prune(greeting, query, stop);
}

void Engine::untag(const std::string& name, const std::stop_token& stop) {
  // By an id, the engine would take all of the image's names away.
  if (!Reference::parse(name).tag()) {
    throw Error(ErrorKind::invalid,
                concat("\"", name, "\" has no tag: only whole names are removed from an engine"));
  }
  Wire& wire = inside_->wire;
  const Wire::Greeting greeting = wire.greet(stop);
  const net::Response answer = wire.perform(
      wire.request("DELETE", greeting, concat("/images/", render_name(name), "?force=0&noprune=1")),
      stop);
  if (answer.status != 200 && answer.status != 404) {
    throw refusal(answer, concat("removing the name \"", name, "\" from the engine"));
  }
}

}  // namespace lighterman::engine
