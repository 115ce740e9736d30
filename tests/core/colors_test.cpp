#include "core/colors.hpp"

#include <gtest/gtest.h>

namespace lighterman {
namespace {

TEST(Colors, AreTheSequencesThatOnlyPaint) {
  EXPECT_EQ(color_length("\x1b[m"), 3U);
  EXPECT_EQ(color_length("\x1b[1;38;5;39mblue"), 12U);
  for (const char* other :
       {"", "plain", "\x1b", "\x1b[", "\x1b[31", "\x1b[2J", "\x1b[?25l", "\x1b]0;title\x07"})
    EXPECT_EQ(color_length(other), 0U) << other;
}

TEST(Colors, AreTakenOutAndNothingElse) {
  EXPECT_EQ(without_colors("an \x1b[1;31merror\x1b[0m: no such file"), "an error: no such file");
  EXPECT_EQ(without_colors("\x1b[31m"), "");
  EXPECT_EQ(without_colors("\x1b[2Jgrün\x1b[3"), "\x1b[2Jgrün\x1b[3");
}

}  // namespace
}  // namespace lighterman
