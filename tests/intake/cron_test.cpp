#include "intake/cron.hpp"

#include <gtest/gtest.h>

#include "core/time.hpp"
#include "support/failure.hpp"

namespace lighterman::intake {
namespace {

std::string next_after(const char* schedule, const char* after) {
  const auto found = next(Cron::parse(schedule), parse_time(after));
  return found ? render_time(*found).substr(0, 16) : "never";
}

TEST(Cron, NamesTheNextMinute) {
  // 2026-11-24 is a Tuesday.
  const char* const now = "2026-11-24T08:30:30Z";
  EXPECT_EQ(next_after("* * * * *", now), "2026-11-24T08:31");
  EXPECT_EQ(next_after("0 3 * * *", now), "2026-11-25T03:00");
  EXPECT_EQ(next_after("*/15 9-17 * * mon-fri", now), "2026-11-24T09:00");
  EXPECT_EQ(next_after("30 8 * * *", now), "2026-11-25T08:30");
  EXPECT_EQ(next_after("0 0 * * 7", now), "2026-11-29T00:00");
  EXPECT_EQ(next_after("0 0 1 jan *", now), "2027-01-01T00:00");
  EXPECT_EQ(next_after("0 0 29 2 *", now), "2028-02-29T00:00");
  EXPECT_EQ(next_after("@hourly", now), "2026-11-24T09:00");
}

TEST(Cron, WithBothDaysRestrictedEitherIsEnough) {
  EXPECT_EQ(next_after("0 0 13 * fri", "2026-11-24T00:00:00Z"), "2026-11-27T00:00");
  EXPECT_EQ(next_after("0 0 25 * fri", "2026-11-24T00:00:00Z"), "2026-11-25T00:00");
}

TEST(Cron, NeverComesOnTheThirtiethOfFebruary) {
  EXPECT_EQ(next_after("0 0 30 2 *", "2026-11-24T00:00:00Z"), "never");
}

TEST(Cron, SaysWhichFieldIsWrong) {
  for (const char* bad :
       {"", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
        "5-1 * * * *", "*/0 * * * *", "a * * * *", "@never", "1,,2 * * * *", "* * * * * *"})
    EXPECT_TRUE(failure_of([&] { Cron::parse(bad); }).starts_with("invalid: ")) << bad;
  expect_refused("hour", [] { Cron::parse("* 24 * * *"); });
}

}  // namespace
}  // namespace lighterman::intake
