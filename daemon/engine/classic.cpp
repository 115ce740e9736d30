// The classic builder's stream: text for people, with the image of each stage as a field beside it.
// The text is read only to show steps; whether the build went well is never taken from it.
#include <charconv>
#include <utility>

#include "core/colors.hpp"
#include "engine/progress.hpp"

namespace lighterman::engine {
namespace {

constexpr std::string_view errors_begin = "\x1b[91m";
constexpr std::string_view arrow = " ---> ";

bool is_short_id(std::string_view text) {
  return text.size() == 12 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

struct Step {
  unsigned number = 0, count = 0;
  std::string_view text;
};

/// "Step 3/8 : RUN make".
std::optional<Step> parse_step(std::string_view text) {
  constexpr std::string_view mark = "Step ", colon = " : ";
  if (!text.starts_with(mark)) return std::nullopt;
  text.remove_prefix(mark.size());
  Step step;
  const char* end = text.data() + text.size();
  const auto number = std::from_chars(text.data(), end, step.number);
  if (number.ec != std::errc{} || number.ptr == end || *number.ptr != '/') return std::nullopt;
  const auto count = std::from_chars(number.ptr + 1, end, step.count);
  if (count.ec != std::errc{}) return std::nullopt;
  const std::string_view rest(count.ptr, static_cast<std::size_t>(end - count.ptr));
  if (!rest.starts_with(colon)) return std::nullopt;
  step.text = trim(rest.substr(colon.size()));
  return step;
}

class Classic final : public Progress {
 public:
  explicit Classic(const BuildRequest& request)
      : Progress(request),
        output_([this](std::string line) { tell_output(step_, std::move(line), false); }),
        errors_([this](std::string line) { tell_output(step_, std::move(line), true); }) {}

  void finish() override {
    output_.finish();
    errors_.finish();
    if (error().empty()) end_step();
  }
  unsigned steps() const noexcept override { return steps_; }
  unsigned cached_steps() const noexcept override { return cached_; }

 protected:
  void take_stream(std::string_view text) override {
    if (const std::optional<Step> step = parse_step(text)) {
      end_step();
      begin_step(*step);
    } else if (text.starts_with(arrow)) {
      take_arrow(trim(text.substr(arrow.size())));
    } else if (text.starts_with(errors_begin)) {
      // The red is the builder's own.
      errors_.write(without_colors(text));
    } else if (trim(text).empty() && !running_) {
      // The empty lines between steps.
    } else {
      running_ = true;
      output_.write(text);
    }
  }
  void take_aux(const boost::json::object& line) override {
    // One for each stage: the last is the image.
    const boost::json::object* aux = object_of(line, "aux");
    if (aux && !text_of(*aux, "ID").empty()) image_id_ = text_of(*aux, "ID");
  }
  void take_status(std::string_view status) override {
    constexpr std::string_view mark = "Downloaded newer image for ";
    const std::size_t at = status.find(mark);
    if (at != std::string_view::npos) pulled_ = trim(status.substr(at + mark.size()));
  }
  Place place_of_failure() const override { return {step_, line_}; }
  std::optional<int> exit_code_in(std::string_view) const override { return std::nullopt; }

 private:
  /// Behind " ---> ": "Using cache", "Running in 51d0295d1610" or the image after the step.
  void take_arrow(std::string_view text) {
    constexpr std::string_view running = "Running in ";
    if (text == "Using cache" && !step_.empty() && !told_) {
      ++cached_;
      told_ = true;
      tell({BuildNews::Kind::step_cached, step_, {}, false, line_});
    } else if (text.starts_with(running) && is_short_id(text.substr(running.size()))) {
      // A step may print the same words, but only after the builder's own.
      if (!std::exchange(contained_, true)) {
        leave(Leaving::Kind::container, text.substr(running.size()));
      }
    } else if (is_short_id(text)) {
      leave(from_ && !pulled_.empty() ? Leaving::Kind::pulled
            : from_ || told_          ? Leaving::Kind::used
                                      : Leaving::Kind::made,
            text);
    }
  }
  void leave(Leaving::Kind kind, std::string_view id) {
    if (request_.leaves) request_.leaves({kind, std::string(id), pulled_});
  }
  void begin_step(const Step& step) {
    step_ = concat('[', step.number, '/', step.count, "] ", one_line(step.text));
    line_ = dockerfile_.line_of_instruction(step.number, step.text);
    told_ = running_ = contained_ = false;
    pulled_.clear();
    from_ = lower(step.text).starts_with("from ");
    ++steps_;
    tell({BuildNews::Kind::step_started, step_, {}, false, line_});
  }
  void end_step() {
    output_.finish();
    errors_.finish();
    if (!step_.empty() && !told_) tell({BuildNews::Kind::step_done, step_, {}, false, line_});
    told_ = true;
  }

  OutputLines output_, errors_;
  std::string step_;
  std::string pulled_;  ///< the base that the step fetched
  int line_ = 0;
  bool from_ = false;       ///< the step begins a stage
  bool told_ = false;       ///< how the step ended
  bool running_ = false;    ///< it wrote something of its own
  bool contained_ = false;  ///< its container was named
  unsigned steps_ = 0, cached_ = 0;
};

}  // namespace

std::unique_ptr<Progress> follow_classic(const BuildRequest& request) {
  return std::make_unique<Classic>(request);
}

}  // namespace lighterman::engine
