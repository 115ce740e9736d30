#pragma once

#include <bitset>
#include <optional>
#include <string_view>

#include "core/time.hpp"

namespace lighterman::intake {

/// A schedule of five fields (minute, hour, day of month, month, day of week), in UTC, as
/// crontab(5) has them: numbers, names, *, ranges, lists, steps, @hourly and friends.
struct Cron {
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> days;     ///< 1..31
  std::bitset<13> months;   ///< 1..12
  std::bitset<7> weekdays;  ///< 0 is Sunday
  /// crontab(5): with both days restricted, either of them is enough.
  bool any_day = true, any_weekday = true;

  /// Throws Error(invalid) naming the field and the reason.
  static Cron parse(std::string_view text);
};

/// The first minute after `after` that the schedule names; empty: never (30 February).
std::optional<Instant> next(const Cron& cron, Instant after);

}  // namespace lighterman::intake
