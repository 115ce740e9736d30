#include "engine/progress.hpp"

#include <algorithm>
#include <charconv>

#include "core/colors.hpp"

namespace lighterman::engine {
namespace {

constexpr std::size_t shown_lines = 20;
// Steps of BuildKit run side by side, so the failed one's lines are mixed with others'.
constexpr std::size_t kept_lines = 100;

}  // namespace

Progress::Progress(const BuildRequest& request)
    : request_(request), dockerfile_(request.dockerfile_text) {}

void Progress::take(const boost::json::object& line) {
  if (const std::string_view error = text_of(line, "error"); !error.empty()) {
    fail(error);
    const boost::json::object* detail = object_of(line, "errorDetail");
    const std::int64_t code = detail ? number_of(*detail, "code") : 0;
    if (code != 0) exit_code_ = static_cast<int>(code);
  } else if (line.contains("aux")) {
    take_aux(line);
  } else if (const std::string_view text = text_of(line, "stream"); !text.empty()) {
    take_stream(text);
  } else if (const std::string_view status = text_of(line, "status"); !status.empty()) {
    take_status(status);
    // A base that is pulled; its byte counts would drown the rest.
    const boost::json::object* counts = object_of(line, "progressDetail");
    if (counts && !counts->empty()) return;
    const std::string_view id = text_of(line, "id");
    tell_output({}, one_line(id.empty() ? std::string(status) : concat(id, ": ", status)), false);
  }
}

void Progress::fail(std::string_view error) {
  error_ = one_line(error);
  exit_code_ = exit_code_in(error_);
}

BuildFailure Progress::failure(const std::string& reason) {
  Place place = place_of_failure();
  if (place.line == 0) place.line = line_in_complaint(reason);
  std::vector<std::string> output;
  for (auto line = last_.rbegin(); line != last_.rend() && output.size() < shown_lines; ++line) {
    if (line->step == place.step) output.push_back(line->text);
  }
  std::reverse(output.begin(), output.end());

  std::string message;
  if (!place.step.empty()) message = concat("step ", place.step, ": ");
  const std::string& file =
      request_.plan->dockerfile.empty() ? request_.dockerfile_name : request_.plan->dockerfile;
  if (place.line != 0) message = concat(file, ':', place.line, ": ", message);
  message += shortened(reason, 2000);
  tell({BuildNews::Kind::step_failed, place.step, shortened(reason, 2000), true, place.line});
  return {message, place.step, place.line, exit_code_, std::move(output)};
}

void Progress::tell(const BuildNews& news) {
  if (request_.news) request_.news(news);
}

void Progress::tell_output(const std::string& step, std::string text, bool error_stream) {
  if (last_.size() == kept_lines) last_.pop_front();
  last_.push_back({step, without_colors(text)});
  tell({BuildNews::Kind::output, step, std::move(text), error_stream, 0});
}

int line_in_complaint(std::string_view error) {
  const std::size_t parse = error.find("parse error");
  if (parse == std::string_view::npos) return 0;
  constexpr std::string_view mark = "line ";
  const std::size_t at = error.find(mark, parse);
  if (at == std::string_view::npos) return 0;
  int line = 0;
  const std::string_view rest = error.substr(at + mark.size());
  std::from_chars(rest.data(), rest.data() + rest.size(), line);
  return std::max(line, 0);
}

}  // namespace lighterman::engine
