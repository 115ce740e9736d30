#include "intake/cron.hpp"

#include <array>
#include <charconv>
#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::intake {
namespace {

constexpr std::array<std::string_view, 12> month_names{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekday_names{"sun", "mon", "tue", "wed",
                                                        "thu", "fri", "sat"};

struct FieldRules {
  std::string_view name;
  int least, most;
  std::span<const std::string_view> names;
};

class Field {
 public:
  Field(std::string_view text, FieldRules rules) : text_(text), rules_(rules) {}

  std::vector<int> values() const {
    std::vector<int> found;
    for (const std::string& part : split(text_, ',')) add(part, found);
    return found;
  }

 private:
  [[noreturn]] void refuse(std::string_view why) const {
    throw Error(ErrorKind::invalid, concat("cron: ", rules_.name, " \"", text_, "\": ", why));
  }

  int number(std::string_view given) const {
    const std::string wanted = lower(given);
    for (std::size_t at = 0; at < rules_.names.size(); ++at)
      if (rules_.names[at] == wanted) return static_cast<int>(at) + rules_.least;
    int value = 0;
    const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
    if (given.empty() || error != std::errc() || end != given.data() + given.size())
      refuse(concat("\"", given, "\" is not a number"));
    if (value < rules_.least || value > rules_.most)
      refuse(concat(value, " is not within ", rules_.least, " and ", rules_.most));
    return value;
  }

  void add(std::string_view part, std::vector<int>& found) const {
    const std::size_t slash = part.find('/');
    const std::string_view range = part.substr(0, slash);
    int from = rules_.least, to = rules_.most, step = 1;
    const std::size_t dash = range.find('-');
    if (range != "*") {
      from = number(range.substr(0, dash));
      if (dash != std::string_view::npos) {
        to = number(range.substr(dash + 1));
      } else if (slash == std::string_view::npos) {
        to = from;
      }
    }
    if (slash != std::string_view::npos) {
      const std::string_view given = part.substr(slash + 1);
      const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), step);
      if (given.empty() || error != std::errc() || end != given.data() + given.size() || step < 1)
        refuse(concat("\"/", given, "\" is not a step"));
    }
    if (from > to) refuse(concat(from, "-", to, " goes backwards"));
    for (int value = from; value <= to; value += step) found.push_back(value);
  }

  std::string_view text_;
  FieldRules rules_;
};

std::string_view unfolded(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> nicknames{{
      {"@hourly", "0 * * * *"},
      {"@daily", "0 0 * * *"},
      {"@midnight", "0 0 * * *"},
      {"@weekly", "0 0 * * 0"},
      {"@monthly", "0 0 1 * *"},
      {"@yearly", "0 0 1 1 *"},
      {"@annually", "0 0 1 1 *"},
  }};
  for (const auto& [nickname, meaning] : nicknames)
    if (nickname == text) return meaning;
  return text;
}

}  // namespace

Cron Cron::parse(std::string_view text) {
  std::vector<std::string> fields;
  std::string spaced(unfolded(trim(text)));
  for (char& letter : spaced)
    if (letter == '\t') letter = ' ';
  for (const std::string& field : split(spaced, ' '))
    if (!field.empty()) fields.push_back(field);
  if (fields.size() != 5) {
    throw Error(ErrorKind::invalid,
                concat("cron: \"", text, "\" has ", fields.size(),
                       " fields, not five: minute, hour, day of month, month, day of week"));
  }
  Cron cron;
  for (const int value : Field(fields[0], {"minute", 0, 59, {}}).values()) cron.minutes.set(value);
  for (const int value : Field(fields[1], {"hour", 0, 23, {}}).values()) cron.hours.set(value);
  for (const int value : Field(fields[2], {"day of month", 1, 31, {}}).values())
    cron.days.set(value);
  for (const int value : Field(fields[3], {"month", 1, 12, month_names}).values())
    cron.months.set(value);
  for (const int value : Field(fields[4], {"day of week", 0, 7, weekday_names}).values())
    cron.weekdays.set(value % 7);
  cron.any_day = fields[2].starts_with('*');
  cron.any_weekday = fields[4].starts_with('*');
  return cron;
}

std::optional<Instant> next(const Cron& cron, Instant after) {
  using namespace std::chrono;
  const auto start = floor<minutes>(after) + minutes(1);
  // Leap days come back after eight years at most.
  const auto last = floor<days>(start) + days(366 * 9);
  for (auto day = floor<days>(start); day < last; day += days(1)) {
    const year_month_day date(day);
    if (!cron.months.test(unsigned(date.month()))) continue;
    const bool on_day = cron.days.test(unsigned(date.day()));
    const bool on_weekday = cron.weekdays.test(weekday(day).c_encoding());
    const bool either = !cron.any_day && !cron.any_weekday;
    if (either ? !on_day && !on_weekday : !on_day || !on_weekday) continue;
    for (int minute = 0; minute < 24 * 60; ++minute) {
      if (!cron.hours.test(minute / 60) || !cron.minutes.test(minute % 60)) continue;
      const auto when = day + minutes(minute);
      if (when >= start) return time_point_cast<milliseconds>(when);
    }
  }
  return {};
}

}  // namespace lighterman::intake
