#include "pipeline/tags.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace lighterman::pipeline {
namespace {

const std::string commit = "0123456789abcdef0123456789abcdef01234567";

TagScene scene_at(const std::string& ref) {
  return {7, commit, ref, "main", parse_time("2026-03-04T05:06:07Z")};
}

std::string names(const std::vector<TagPlan>& plans) {
  std::string text;
  for (const TagPlan& plan : plans) text += plan.tag + (plan.moving ? "~ " : " ");
  return text;
}

TEST(Tags, OfTheDefaultBranchAreItsNameItsCommitAndLatest) {
  EXPECT_EQ(names(plan_tags({}, scene_at("refs/heads/main"))), "main~ sha-0123456789ab latest~ ");
}

TEST(Tags, OfAnotherBranchLeaveLatestAlone) {
  EXPECT_EQ(names(plan_tags({}, scene_at("refs/heads/feature/Login"))),
            "feature-Login~ sha-0123456789ab ");
}

TEST(Tags, OfAVersionAreTheVersionAndItsShorterForms) {
  EXPECT_EQ(names(plan_tags({}, scene_at("refs/tags/v1.2.3"))), "1.2.3 1.2~ 1~ ");
}

TEST(Tags, OfAPrereleasePromiseNothingShorter) {
  EXPECT_EQ(names(plan_tags({}, scene_at("refs/tags/v1.2.3-rc.1"))), "1.2.3-rc.1 ");
}

TEST(Tags, OfZeroVersionsDoNotPromiseAMajor) {
  EXPECT_EQ(names(plan_tags({}, scene_at("refs/tags/v0.4.1"))), "0.4.1 0.4~ ");
}

TEST(Tags, OfABareCommitNameTheCommit) {
  EXPECT_EQ(names(plan_tags({}, scene_at(""))), "sha-0123456789ab ");
}

TEST(Tags, FromTemplatesLeaveOutWhatHasNoValueHere) {
  EXPECT_EQ(names(plan_tags({"{tag}", "{branch}-{run}", "{date}", "edge", "{branch}-{run}"},
                            scene_at("refs/heads/main"))),
            "main-7 20260304~ edge~ ");
}

TEST(Tags, ThatAreNoTagsAreRefusedWithTheTemplate) {
  try {
    plan_tags({"a b"}, scene_at("refs/heads/main"));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("\"a b\""), std::string::npos);
  }
}

}  // namespace
}  // namespace lighterman::pipeline
