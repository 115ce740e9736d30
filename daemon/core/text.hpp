#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace lighterman {

namespace detail {
template <class T>
void append(std::string& text, const T& part) {
  if constexpr (std::is_same_v<T, char>) {
    text.push_back(part);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    text.append(std::string_view(part));
  } else if constexpr (std::is_arithmetic_v<T>) {
    text.append(std::to_string(part));
  } else {
    text.append(part.text());
  }
}
}  // namespace detail

/// Joins strings, characters, numbers and values that have `text()`.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string text;
  (detail::append(text, parts), ...);
  return text;
}

std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string_view trim(std::string_view text) noexcept;  ///< without ASCII white space at both ends
std::string lower(std::string_view text);               ///< ASCII only

std::string render_hex(std::string_view bytes);
std::optional<std::string> parse_hex(std::string_view text);  ///< empty when not hex
std::string render_base64(std::string_view bytes);            ///< RFC 4648 section 4, padded
std::string render_base64url(std::string_view bytes);         ///< RFC 4648 section 5, padded
/// Both alphabets, padding optional; empty when it is neither.
std::optional<std::string> parse_base64(std::string_view text);

/// Percent-encodes all but RFC 3986 "unreserved" characters.
std::string render_url_part(std::string_view text);

/// The candidate a person most likely meant, if one is near enough.
std::optional<std::string> closest(std::string_view given, std::span<const std::string> candidates);
/// ` (did you mean "x"?)` or nothing.
std::string did_you_mean(std::string_view given, std::span<const std::string> candidates);

/// "512", "64KiB", "10MB", "2GB": decimal (kB, MB, GB) and binary (KiB, MiB, GiB) units, in bytes.
/// Throws Error(invalid).
std::uint64_t parse_size(std::string_view given);
std::string render_size(std::uint64_t bytes);  ///< "1.3 MB", for people

/// Shell-like match of a whole text: `*` and `?` stop at '/', `**` does not, `[a-z]` classes.
bool matches_glob(std::string_view pattern, std::string_view text);

/// The first `length` bytes, cut at a UTF-8 boundary.
std::string shortened(std::string_view text, std::size_t length);
/// Invalid UTF-8 sequences become U+FFFD, so that the text can stand in JSON.
std::string valid_utf8(std::string_view bytes);

}  // namespace lighterman
