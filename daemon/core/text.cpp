#include "core/text.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "core/error.hpp"

namespace lighterman {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(separator, begin);
    parts.emplace_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += separator;
    text += parts[i];
  }
  return text;
}

std::string_view trim(std::string_view text) noexcept {
  constexpr std::string_view space = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

namespace {

/// Edits to make one text of the other: insert, remove, replace, swap neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::optional<std::string> closest(std::string_view given,
                                   std::span<const std::string> candidates) {
  constexpr std::size_t longest = 256;  // nobody types that; a stranger might send it
  if (given.size() > longest) return std::nullopt;
  const std::string wanted = lower(given);
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(1, given.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > longest) continue;
    const std::size_t far = distance(wanted, lower(candidate));
    // Replacing every letter is not a typing mistake.
    if (far >= best_distance || far >= std::max(given.size(), candidate.size())) continue;
    best = candidate;
    best_distance = far;
  }
  return best;
}

std::string did_you_mean(std::string_view given, std::span<const std::string> candidates) {
  const std::optional<std::string> near = closest(given, candidates);
  return near ? concat(" (did you mean \"", *near, "\"?)") : std::string();
}

std::uint64_t parse_size(std::string_view given) {
  struct Unit {
    std::string_view name;
    std::uint64_t bytes;
  };
  constexpr std::uint64_t k = 1000, ki = 1024;
  static constexpr Unit units[] = {{"", 1},
                                   {"b", 1},
                                   {"kb", k},
                                   {"mb", k * k},
                                   {"gb", k * k * k},
                                   {"tb", k * k * k * k},
                                   {"kib", ki},
                                   {"mib", ki * ki},
                                   {"gib", ki * ki * ki},
                                   {"tib", ki * ki * ki * ki}};
  const auto refuse = [&](std::string_view why) -> std::uint64_t {
    throw Error(ErrorKind::invalid,
                concat("\"", shortened(valid_utf8(given), 60), "\" is not a size: ", why,
                       " (expected such as 512, 64KiB, 10MB or 2GB)"));
  };
  const std::string_view text = trim(given);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t at = 0;
  std::uint64_t whole = 0, fraction = 0, scale = 1;
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  for (; at < text.size() && is_digit(text[at]); ++at) {
    const auto digit = static_cast<std::uint64_t>(text[at] - '0');
    if (whole > (most - digit) / 10) return refuse("too large");
    whole = whole * 10 + digit;
  }
  if (at == 0) return refuse("it does not begin with a number");
  if (at < text.size() && text[at] == '.') {
    const std::size_t point = at++;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      if (scale >= 1'000'000) continue;  // finer than anyone means
      fraction = fraction * 10 + static_cast<std::uint64_t>(text[at] - '0');
      scale *= 10;
    }
    if (at == point + 1) return refuse("digits are missing after the point");
  }
  const std::string name = lower(trim(text.substr(at)));
  const auto* unit = std::find_if(std::begin(units), std::end(units),
                                  [&](const Unit& u) { return u.name == name; });
  if (unit == std::end(units)) return refuse("unknown unit");
  if (unit->bytes == 1 && fraction != 0) return refuse("a byte has no parts");
  if (whole > most / unit->bytes) return refuse("too large");
  // scale is at most 10^6 and a unit below 2^41, so neither product overflows.
  const std::uint64_t part =
      fraction * (unit->bytes / scale) + fraction * (unit->bytes % scale) / scale;
  if (part > most - whole * unit->bytes) return refuse("too large");
  return whole * unit->bytes + part;
}

std::string render_size(std::uint64_t bytes) {
  if (bytes < 1000) return concat(bytes, " B");
  static constexpr std::string_view names[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 999.95 would show as "1000.0".
  for (value /= 1000; value >= 999.95 && unit + 1 < std::size(names); ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return concat(std::string_view(text), " ", names[unit]);
}

namespace {

/// How many bytes at the front of `text` are one UTF-8 character; 0: none (RFC 3629 section 4).
std::size_t character_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  if (text.empty()) return 0;
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
    if (lead == 0xED && byte(1) > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

}  // namespace

std::string shortened(std::string_view text, std::size_t length) {
  if (text.size() <= length) return std::string(text);
  std::size_t end = length;
  // At most three bytes belong to a character that began before the cut; more is not UTF-8.
  for (std::size_t back = 0; back < 3 && end > 0; ++back, --end)
    if ((static_cast<unsigned char>(text[end]) & 0xC0) != 0x80) break;
  if (end < length && character_length(text.substr(end)) == 0) end = length;
  return std::string(text.substr(0, end));
}

std::string valid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    std::size_t length = character_length(bytes);
    if (length == 0) {
      text += "\xEF\xBF\xBD";
      length = 1;
    } else {
      text += bytes.substr(0, length);
    }
    bytes.remove_prefix(length);
  }
  return text;
}

}  // namespace lighterman
