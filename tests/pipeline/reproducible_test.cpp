// A commit that gives the same image whenever it is built, on a real Docker Engine and registry.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <thread>

#include "core/text.hpp"
#include "pipeline/house.hpp"

namespace lighterman::pipeline {
namespace {

class Reproducible : public testing::TestWithParam<std::pair<Builder, StagingWay>> {};

TEST_P(Reproducible, GivesOneDigestForBuildsOfACommitWithoutCache) {
  House house;
  house.git.write(
      "Dockerfile",
      "FROM busybox AS build\nRUN echo made >/made\n"
      "FROM busybox\nCOPY --from=build /made /made\nRUN mkdir -p /a/b && touch /a/b/c\n");
  house.git.commit("One");
  house.image().reproducible = true;
  house.image().no_cache = true;
  house.image().builder = GetParam().first;
  house.image().staging = GetParam().second;
  house.start();
  const lighterman::Run first = house.push();
  ASSERT_EQ(first.state, RunState::succeeded) << first.why << house.log(first.id);
  const std::string digest = house.published(first.id).reference.digest()->text();
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // tar's times are of seconds

  const lighterman::Run second = house.push();
  ASSERT_EQ(second.state, RunState::succeeded) << second.why << house.log(second.id);
  EXPECT_EQ(house.published(second.id).reference.digest()->text(), digest);
  EXPECT_EQ(sent(house.published(second.id)), 0U);
  EXPECT_EQ(house.content("main", "/made"), "made");
  // The base is the base's, whatever its times.
  EXPECT_NE(house.log(first.id).find("times in 2 of 3 layers"), std::string::npos)
      << house.log(first.id);
}

TEST_P(Reproducible, GivesTheSameDigestFromTheCacheOfAnEarlierCommit) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nRUN echo made >/made\nCOPY file /file\n");
  house.git.write("file", "one");
  house.git.commit("One");
  house.image().reproducible = true;
  house.image().reuse = Reuse::never;
  house.image().builder = GetParam().first;
  house.image().staging = GetParam().second;
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  house.git.write("file", "two");
  house.git.commit("Two");
  const lighterman::Run cached = house.push();
  ASSERT_EQ(cached.state, RunState::succeeded) << cached.why << house.log(cached.id);
  EXPECT_EQ(sent(house.published(cached.id)), 1U) << "the layer of RUN is the one before";

  house.image().no_cache = true;
  house.start();
  const lighterman::Run anew = house.push();
  ASSERT_EQ(anew.state, RunState::succeeded) << anew.why << house.log(anew.id);
  EXPECT_EQ(house.published(anew.id).reference, house.published(cached.id).reference);
}

INSTANTIATE_TEST_SUITE_P(Way, Reproducible,
                         testing::Values(std::pair(Builder::buildkit, StagingWay::push),
                                         std::pair(Builder::buildkit, StagingWay::exported),
                                         std::pair(Builder::classic, StagingWay::push)),
                         [](const auto& way) {
                           return concat(
                               way.param.first == Builder::classic ? "Classic" : "BuildKit",
                               way.param.second == StagingWay::push ? "Pushed" : "Exported");
                         });

TEST(ReproducibleBuild, SaysThatSourceDateEpochIsNoTime) {
  House house;
  write_shop(house.git);
  house.git.commit("One");
  house.image().reproducible = true;
  house.image().args["SOURCE_DATE_EPOCH"] = "yesterday";
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("SOURCE_DATE_EPOCH is \"yesterday\""), run.why.npos) << run.why;
}

}  // namespace
}  // namespace lighterman::pipeline
