// The classic builder's stream: text for people, with the image of each stage as a field beside it.
// The text is read only to show steps; whether the build went well is never taken from it.
#include <charconv>

#include "core/colors.hpp"
#include "engine/progress.hpp"

namespace lighterman::engine {
namespace {

constexpr std::string_view errors_begin = "\x1b[91m";

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
    } else if (text.starts_with(" ---> ")) {
      if (trim(text) == "---> Using cache" && !step_.empty() && !told_) {
        ++cached_;
        told_ = true;
        tell({BuildNews::Kind::step_cached, step_, {}, false, line_});
      }
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
  Place place_of_failure() const override { return {step_, line_}; }
  std::optional<int> exit_code_in(std::string_view) const override { return std::nullopt; }

 private:
  void begin_step(const Step& step) {
    step_ = concat('[', step.number, '/', step.count, "] ", one_line(step.text));
    line_ = dockerfile_.line_of_instruction(step.number, step.text);
    told_ = running_ = false;
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
  int line_ = 0;
  bool told_ = false;     ///< how the step ended
  bool running_ = false;  ///< it wrote something of its own
  unsigned steps_ = 0, cached_ = 0;
};

}  // namespace

std::unique_ptr<Progress> follow_classic(const BuildRequest& request) {
  return std::make_unique<Classic>(request);
}

}  // namespace lighterman::engine
