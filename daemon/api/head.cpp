#include "api/head.hpp"

#include <algorithm>
#include <charconv>

#include "core/text.hpp"

namespace lighterman::api {
namespace {

constexpr char lower_of(char letter) noexcept {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

/// RFC 9110, section 5.6.2.
bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, [](char letter) {
    return (letter >= '0' && letter <= '9') ||
           (lower_of(letter) >= 'a' && lower_of(letter) <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(letter) != std::string_view::npos;
  });
}

bool has_control(std::string_view text) noexcept {
  return std::ranges::any_of(text, [](char letter) {
    const auto code = static_cast<unsigned char>(letter);
    return (code < 0x20 && letter != '\t') || code == 0x7f;
  });
}

std::optional<std::uint64_t> natural(std::string_view text) noexcept {
  std::uint64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || fault != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

void take(Head& head, RawHeader header) {
  head.headers.push_back(header);
  if (equal_without_case(header.name, "content-length")) {
    if (head.length) head.fault = "two lengths";
    head.length = natural(header.value);
    if (!head.length) head.fault = "its Content-Length is not a number";
  } else if (equal_without_case(header.name, "transfer-encoding")) {
    if (head.chunked || !equal_without_case(header.value, "chunked"))
      head.fault = "its Transfer-Encoding is not \"chunked\"";
    head.chunked = true;
  } else if (equal_without_case(header.name, "expect")) {
    head.awaits_continue = equal_without_case(header.value, "100-continue");
  }
}

}  // namespace

bool equal_without_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, {}, lower_of, lower_of);
}

std::string_view Head::find(std::string_view name) const noexcept {
  const auto found = std::ranges::find_if(
      headers, [&](const RawHeader& header) { return equal_without_case(header.name, name); });
  return found == headers.end() ? std::string_view() : found->value;
}

std::optional<Head> find_head(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return {};
  Head head;
  head.size = end + 4;
  std::string_view lines = bytes.substr(0, end + 2);
  const std::string_view first = lines.substr(0, lines.find("\r\n"));
  if (has_control(first)) head.fault = "control characters in its first line";
  lines.remove_prefix(first.size() + 2);
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find("\r\n"));
    lines.remove_prefix(line.size() + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) || has_control(line)) {
      head.fault = "a header line that is none";
      continue;
    }
    take(head, {line.substr(0, colon), trim(line.substr(colon + 1))});
  }
  if (head.chunked && head.length) head.fault = "a length beside chunks";
  return head;
}

}  // namespace lighterman::api
