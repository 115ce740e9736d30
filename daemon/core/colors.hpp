#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lighterman {

/// Length of the colour sequence (ECMA-48 SGR) that `text` begins with; 0: none. Of all control
/// sequences these alone say something about the text and nothing about a terminal.
std::size_t color_length(std::string_view text) noexcept;
std::string without_colors(std::string_view text);

}  // namespace lighterman
