#include "net/answer.hpp"

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::net {
namespace {

constexpr std::size_t longest_line = 64 << 10;

template <class Number>
std::optional<Number> number(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> Headers::find(std::string_view name) const {
  const std::string wanted = lower(name);
  for (const auto& [key, value] : fields_) {
    if (lower(key) == wanted) return value;
  }
  return std::nullopt;
}

std::vector<std::string> Headers::all(std::string_view name) const {
  const std::string wanted = lower(name);
  std::vector<std::string> values;
  for (const auto& [key, value] : fields_) {
    if (lower(key) == wanted) values.push_back(value);
  }
  return values;
}

void Dechunker::take_line() {
  const std::string_view line = trim(line_);
  if (state_ == State::size) {
    const auto size = number<std::uint64_t>(trim(line.substr(0, line.find(';'))), 16);
    if (!size) throw Error(ErrorKind::unavailable, "the answer's chunks are broken");
    left_ = *size;
    state_ = *size == 0 ? State::trailer : State::content;
  } else if (state_ == State::content_end) {
    state_ = State::size;
  } else if (line.empty()) {
    state_ = State::end;
  }
  line_.clear();
}

void Dechunker::feed(std::string_view raw, const Push& sink) {
  while (!raw.empty() && state_ != State::end) {
    if (state_ == State::content) {
      const std::string_view part = raw.substr(0, std::min<std::uint64_t>(left_, raw.size()));
      raw.remove_prefix(part.size());
      left_ -= part.size();
      if (left_ == 0) state_ = State::content_end;
      sink(part);
      continue;
    }
    const auto end = raw.find('\n');
    line_.append(raw.substr(0, end));
    if (line_.size() > longest_line) {
      throw Error(ErrorKind::unavailable, "the answer's chunks are broken");
    }
    if (end == std::string_view::npos) return;
    raw.remove_prefix(end + 1);
    take_line();
  }
}

bool Answer::add_line(std::string_view line) {
  line = trim(line);
  if (headed_) return false;  // a trailer that libcurl passes on
  if (line.starts_with("HTTP/")) {
    response_.headers = Headers();
    http2_ = line.starts_with("HTTP/2") || line.starts_with("HTTP/3");
    const auto space = line.find(' ');
    const auto status =
        space == std::string_view::npos ? std::nullopt : number<int>(line.substr(space + 1, 3));
    if (!status) throw Error(ErrorKind::unavailable, "the answer is not HTTP");
    response_.status = *status;
    return false;
  }
  if (line.empty()) {
    // 100 Continue and 103 Early Hints come before the answer proper; 101 is one.
    if (response_.status == 0 || (response_.status < 200 && response_.status != 101)) return false;
    headed_ = true;
    begin_body();
    return true;
  }
  if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    response_.headers.add(std::string(trim(line.substr(0, colon))),
                          std::string(trim(line.substr(colon + 1))));
  }
  return false;
}

void Answer::begin_body() {
  const int status = response_.status;
  if (to_head_ || status == 204 || status == 304 || status < 200) {
    left_ = 0;
    return;
  }
  const auto coding = response_.headers.find("Transfer-Encoding");
  if (!http2_ && coding && lower(*coding).find("chunked") != std::string::npos) {
    chunked_.emplace();
    return;
  }
  if (const auto length = response_.headers.find("Content-Length")) {
    left_ = number<std::uint64_t>(*length);
    if (!left_) throw Error(ErrorKind::unavailable, "the answer's Content-Length is broken");
  }
}

void Answer::add_body(std::string_view raw, const Push& sink) {
  if (chunked_) {
    chunked_->feed(raw, sink);
    return;
  }
  if (left_) {
    raw = raw.substr(0, std::min<std::uint64_t>(*left_, raw.size()));
    *left_ -= raw.size();
  }
  if (!raw.empty()) sink(raw);
}

void Answer::add(std::string_view raw, const Push& sink, const std::function<void()>& ended) {
  while (!headed_ && !raw.empty()) {
    const auto end = raw.find('\n');
    line_.append(raw.substr(0, end));
    if (line_.size() > longest_line) throw Error(ErrorKind::unavailable, "the answer is not HTTP");
    if (end == std::string_view::npos) return;
    raw.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    if (add_line(line) && ended) ended();
  }
  if (!raw.empty()) add_body(raw, sink);
}

bool Answer::complete() const noexcept {
  if (!headed_) return false;
  if (chunked_) return chunked_->complete();
  return left_ && *left_ == 0;
}

}  // namespace lighterman::net
