#include "core/colors.hpp"

namespace lighterman {

std::size_t color_length(std::string_view text) noexcept {
  if (!text.starts_with("\x1b[")) return 0;
  const std::size_t end = text.find_first_not_of("0123456789;", 2);
  return end != std::string_view::npos && text[end] == 'm' ? end + 1 : 0;
}

std::string without_colors(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = color_length(text);
    if (length == 0) plain += text.front();
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return plain;
}

}  // namespace lighterman
