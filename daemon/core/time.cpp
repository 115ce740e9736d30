#include "core/time.hpp"

#include <array>
#include <charconv>
#include <cstdio>

#include "core/error.hpp"

namespace lighterman {
namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view name;
  milliseconds length;
};
constexpr std::array<Unit, 5> units{{{"d", std::chrono::hours(24)},
                                     {"h", std::chrono::hours(1)},
                                     {"m", std::chrono::minutes(1)},
                                     {"s", std::chrono::seconds(1)},
                                     {"ms", milliseconds(1)}}};

[[noreturn]] void refuse_time(std::string_view given) {
  throw Error(ErrorKind::invalid, concat("\"", shortened(valid_utf8(given), 64),
                                         "\" is not a time (like 2026-01-31T12:00:00Z)"));
}

[[noreturn]] void refuse_duration(std::string_view given) {
  throw Error(ErrorKind::invalid, concat("\"", shortened(valid_utf8(given), 64),
                                         "\" is not a duration (like 90s, 5m, 1h30m or 250ms)"));
}

}  // namespace

Instant system_now() { return std::chrono::floor<milliseconds>(std::chrono::system_clock::now()); }

std::string render_time(Instant when) {
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(when - day);
  std::array<char, 64> text{};
  (void)std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                      static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                      static_cast<int>(time.minutes().count()),
                      static_cast<int>(time.seconds().count()),
                      static_cast<int>(time.subseconds().count()));
  return text.data();
}

Instant parse_time(std::string_view given) {
  const auto number = [&](std::size_t at, std::size_t length) {
    int value = 0;
    if (given.size() < at + length) refuse_time(given);
    const char* const end = given.data() + at + length;
    const auto [stop, error] = std::from_chars(given.data() + at, end, value);
    if (error != std::errc() || stop != end || given[at] == '-') refuse_time(given);
    return value;
  };
  const auto expect = [&](std::size_t at, std::string_view choices) {
    if (at >= given.size() || choices.find(given[at]) == std::string_view::npos) refuse_time(given);
  };
  expect(4, "-");
  expect(7, "-");
  expect(10, "Tt ");
  expect(13, ":");
  expect(16, ":");
  const std::chrono::year_month_day date{std::chrono::year(number(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) refuse_time(given);
  Instant when = std::chrono::sys_days(date) + std::chrono::hours(hour) +
                 std::chrono::minutes(minute) + std::chrono::seconds(second);
  std::size_t at = 19;
  if (at < given.size() && given[at] == '.') {
    int scale = 100;
    const std::size_t point = at;
    for (++at; at < given.size() && given[at] >= '0' && given[at] <= '9'; ++at, scale /= 10) {
      when += milliseconds((given[at] - '0') * scale);
    }
    if (at == point + 1) refuse_time(given);
  }
  expect(at, "Zz+-");
  if (given[at] == 'Z' || given[at] == 'z') {
    if (given.size() != at + 1) refuse_time(given);
    return when;
  }
  expect(at + 3, ":");
  if (given.size() != at + 6) refuse_time(given);
  const int hours = number(at + 1, 2), minutes = number(at + 4, 2);
  if (hours > 23 || minutes > 59) refuse_time(given);
  const auto offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  return given[at] == '+' ? when - offset : when + offset;
}

milliseconds parse_duration(std::string_view given) {
  std::string_view rest = given;
  milliseconds length{0};
  // Far below what the clocks can count, so that nobody's sum overflows.
  constexpr milliseconds longest = std::chrono::hours(24 * 365 * 1000);
  if (rest.empty()) refuse_duration(given);
  while (!rest.empty()) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc() || length > longest) refuse_duration(given);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const std::string_view name = rest.substr(0, rest.find_first_of("0123456789"));
    const Unit* found = nullptr;
    for (const Unit& unit : units) {
      if (unit.name == name) found = &unit;
    }
    // "0" needs no unit.
    if (found == nullptr && !(name.empty() && number == 0)) refuse_duration(given);
    if (found != nullptr) length += found->length * number;
    rest.remove_prefix(name.size());
  }
  if (length > longest) refuse_duration(given);
  return length;
}

std::string render_duration(milliseconds length) {
  if (length.count() < 0) return concat('-', render_duration(-length));
  if (length.count() == 0) return "0s";
  std::string text;
  int parts = 0;
  for (const Unit& unit : units) {
    const auto count = length / unit.length;
    if (count == 0) continue;
    // Two units are enough for people; milliseconds matter only when there is nothing else.
    if (parts == 2 || (parts > 0 && unit.name == "ms")) break;
    text += concat(count, unit.name);
    length -= unit.length * count;
    ++parts;
  }
  return text;
}

}  // namespace lighterman
