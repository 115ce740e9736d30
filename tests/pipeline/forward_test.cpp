#include "pipeline/forward.hpp"

#include <gtest/gtest.h>

namespace lighterman::pipeline {
namespace {

const Digest any_digest = Digest::parse("sha256:" + std::string(64, 'a'));

/// One line of history: "a" before "b" before "c"; "x" is not on it.
bool in_line(const std::string& older, const std::string& newer) {
  return older == newer || (older != "x" && newer != "x" && older < newer);
}

store::TagRecord held_by(const std::string& commit, const std::string& ref, RunId run) {
  return {commit, ref, any_digest, run};
}

TEST(MovingTags, GoForwardAlongHistory) {
  EXPECT_FALSE(
      why_held_back({2, "b", "refs/heads/main"}, held_by("a", "refs/heads/main", 1), in_line));
}

TEST(MovingTags, StayWithTheNewerCommitThoughTheOlderOnesRunEndsLater) {
  EXPECT_EQ(why_held_back({2, "a", "refs/heads/main"}, held_by("b", "refs/heads/main", 1), in_line),
            "it holds the newer commit b");
}

TEST(MovingTags, FollowTheLaterRunAfterAForcePush) {
  EXPECT_FALSE(
      why_held_back({2, "x", "refs/heads/main"}, held_by("b", "refs/heads/main", 1), in_line));
  EXPECT_TRUE(
      why_held_back({1, "b", "refs/heads/main"}, held_by("x", "refs/heads/main", 2), in_line));
}

TEST(MovingTags, OfVersionsGoByVersionNotByHistory) {
  EXPECT_TRUE(
      why_held_back({9, "c", "refs/tags/v1.2.3"}, held_by("a", "refs/tags/v1.2.10", 1), in_line));
  EXPECT_FALSE(
      why_held_back({9, "a", "refs/tags/v1.2.10"}, held_by("c", "refs/tags/v1.2.9", 1), in_line));
}

TEST(MovingTags, BehindAPrefixGoByTheVersionThatAPluginTells) {
  store::TagRecord holder = held_by("a", "refs/tags/shop-v1.4.0", 1);
  holder.version = "1.4.0";
  EXPECT_EQ(why_held_back({9, "c", "refs/tags/shop-v1.3.9", "1.3.9"}, holder, in_line),
            "it holds 1.4.0, which is newer than 1.3.9");
  EXPECT_FALSE(why_held_back({9, "x", "refs/tags/shop-v1.4.1", "1.4.1"}, holder, in_line));
  // One that tells none goes by history.
  EXPECT_FALSE(why_held_back({9, "c", "refs/heads/main"}, holder, in_line));
}

TEST(MovingTags, AreNotTakenBackByAnEarlierRunOfTheSameCommit) {
  EXPECT_TRUE(
      why_held_back({1, "a", "refs/heads/main"}, held_by("a", "refs/heads/main", 2), in_line));
  EXPECT_FALSE(
      why_held_back({2, "a", "refs/heads/main"}, held_by("a", "refs/heads/main", 1), in_line));
}

}  // namespace
}  // namespace lighterman::pipeline
