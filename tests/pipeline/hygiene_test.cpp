// What builds leave on an engine goes in its time; what is somebody else's stays.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "core/text.hpp"
#include "engine/space.hpp"
#include "os/file.hpp"
#include "os/program.hpp"
#include "pipeline/house.hpp"
#include "pipeline/leftovers.hpp"

namespace lighterman::pipeline {
namespace {

using std::chrono::hours;

class Hygiene : public ::testing::Test {
 protected:
  Hygiene() {
    house.image().builder = Builder::classic;
    house.image().reuse = Reuse::never;
  }
  static std::set<std::string> docker(std::vector<std::string> arguments) {
    const auto lines = split(the_engine().docker(std::move(arguments)), '\n');
    return {lines.begin(), lines.end()};
  }
  static std::set<std::string> images() { return docker({"images", "-a", "-q", "--no-trunc"}); }
  static std::set<std::string> containers() { return docker({"ps", "-a", "-q"}); }
  /// A build of somebody else's, with the classic builder; its id.
  static std::string build_elsewhere(const std::string& dockerfile) {
    const os::ScratchFolder folder;
    os::replace_file(folder.path() / "Dockerfile", dockerfile);
    const os::Outcome built =
        os::perform({.name = "docker",
                     .arguments = {"build", "-q", "--network", "none", folder.path().native()},
                     .environment = {{"DOCKER_HOST", the_engine().address()},
                                     {"DOCKER_BUILDKIT", "0"},
                                     {"PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}}});
    EXPECT_EQ(built.exit_code, 0) << built.errors;
    return std::string(trim(built.output));
  }
  /// As the keeper does, `later` from now.
  std::vector<Cleared> clear(hours later = hours(0)) {
    return clear_leftovers(*house.yard, *house.store,
                           {house.staging->address(), system_now() + later, {}},
                           [](const std::string& why) { ADD_FAILURE() << why; }, {});
  }
  /// A base that the registry has and the engine has not.
  std::string remote_base() {
    const std::string name = house.reference().with_tag("base").text();
    the_engine().docker({"tag", build_elsewhere("FROM busybox\nRUN echo base >/base\n"), name});
    the_engine().docker({"push", "-q", name});
    the_engine().docker({"rmi", name});
    return name;
  }
  void push_well(const std::string& text) {
    house.git.write("source.txt", text);
    house.git.commit("Change the source");
    const lighterman::Run run = house.push();
    ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  }

  House house;
};

TEST_F(Hygiene, WhatClassicBuildsLeaveGoesByAgeAndNothingElse) {
  write_shop(house.git);
  house.start();
  const std::string foreign =
      build_elsewhere("FROM busybox\nRUN echo theirs >/a\nRUN echo b >/b\n");
  const std::string old = build_elsewhere("FROM busybox\nRUN echo older >/a\n");
  const std::set<std::string> theirs = images();
  for (const char* text : {"one", "two", "three"}) push_well(text);

  EXPECT_GE(images().size(), theirs.size() + 6) << "each build's first stage stays as cache";
  clear();
  EXPECT_GE(images().size(), theirs.size() + 6) << "nothing is old yet";
  const std::vector<Cleared> cleared = clear(hours(24 * 15));
  EXPECT_EQ(images(), theirs);
  ASSERT_EQ(cleared.size(), 1U);
  EXPECT_GE(cleared.front().images, 7U);
  EXPECT_TRUE(clear(hours(24 * 15)).empty()) << "it is forgotten";
  the_engine().docker({"rmi", foreign, old});
}

TEST_F(Hygiene, ALimitTakesWhatWasUsedLeastRecentlyAndKeepsTheOthers) {
  write_shop(house.git);
  house.git.write("source.txt", std::string(6'000'000, 'a'));
  house.git.commit("Large");
  house.start();
  const std::set<std::string> theirs = images();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  const std::set<std::string> first = images();
  push_well(std::string(6'000'000, 'b'));
  const std::set<std::string> both = images();
  const auto taken = [&] { return engine::look_at_space(house.config.engines.front(), {}).images; };
  const std::uint64_t before = taken();

  house.config.engines.front().image_limit = before - 1'000'000;
  house.start();
  clear();
  EXPECT_LT(taken(), before - 1'000'000);
  std::set<std::string> left = images();
  std::size_t kept = 0;
  for (const std::string& image : both)
    if (!first.contains(image) && left.contains(image)) ++kept;
  EXPECT_GT(kept, 2U) << "the newer build's stayed";
  house.config.engines.front().image_limit = 1;
  house.start();
  clear();
  EXPECT_EQ(images(), theirs) << "what is not ours stays above any limit";
}

TEST_F(Hygiene, AFetchedBaseGoesWhenNoBuildUsesItAndNotWhileOneDoes) {
  const std::string base = remote_base();
  house.git.write("Dockerfile", concat("FROM ", base, "\nRUN sleep 4 && echo done >/done\n"));
  house.git.commit("On a base of the registry");
  house.start();
  house.config.engines.front().image_limit = 1;
  house.start();
  const std::set<std::string> theirs = docker({"images", "-q"});
  const auto has_base = [&] { return !docker({"images", "-q", base}).contains(""); };
  const RunId run = house.begin();
  ASSERT_TRUE(house.log_says(run, "sleep 4")) << house.log(run);
  ASSERT_TRUE(support::eventually(has_base, std::chrono::seconds(20)));
  clear(hours(24 * 15));
  EXPECT_TRUE(has_base()) << "the build under way needs it";
  const lighterman::Run ended = house.wait(run);
  ASSERT_EQ(ended.state, RunState::succeeded) << ended.why << house.log(run);
  clear();
  EXPECT_FALSE(has_base());
  EXPECT_TRUE(docker({"images", "-q", "busybox:latest"}) != std::set<std::string>{""});
}

TEST_F(Hygiene, ABaseThatSomebodyElseFetchedOrNamedStays) {
  const std::string base = remote_base();
  the_engine().docker({"pull", "-q", base});
  house.git.write("Dockerfile", concat("FROM ", base, "\nCOPY source.txt /\n"));
  house.start();
  push_well("one");
  clear(hours(24 * 15));
  EXPECT_FALSE(docker({"images", "-q", base}).contains("")) << "it was there before";

  the_engine().docker({"rmi", base});
  push_well("two");
  the_engine().docker({"tag", base, "theirs:1"});
  clear(hours(24 * 15));
  EXPECT_FALSE(docker({"images", "-q", "theirs:1"}).contains(""));
  the_engine().docker({"rmi", base, "theirs:1"});
}

TEST_F(Hygiene, TheContainerOfABuildThatDiedWithItsEngineGoes) {
  house.git.write("Dockerfile", "FROM busybox\nRUN sleep 6 && echo done >/done\n");
  house.git.commit("A slow step");
  house.start();
  const std::string theirs = the_engine().docker({"create", "busybox:latest", "true"});
  const std::set<std::string> before = containers();
  const RunId run = house.begin();
  ASSERT_TRUE(support::eventually([&] { return containers().size() > before.size(); },
                                  std::chrono::seconds(30)));
  the_engine().kill();
  the_engine().start();
  EXPECT_GT(containers().size(), before.size());
  const lighterman::Run ended = house.wait(run);
  ASSERT_EQ(ended.state, RunState::succeeded) << ended.why << house.log(run);
  clear();
  EXPECT_EQ(containers(), before);
  the_engine().docker({"rm", theirs});
}

TEST_F(Hygiene, WithoutALimitNobodysBuildCacheIsTouched) {
  house.image().builder = Builder::buildkit;
  write_shop(house.git);
  house.start();
  push_well("one");
  const auto cache = [&] { return engine::look_at_space(house.config.engines.front(), {}).cache; };
  const std::uint64_t before = cache();
  ASSERT_GT(before, 0U);
  clear(hours(24 * 365));
  EXPECT_EQ(cache(), before);
  house.config.engines.front().cache_age = hours(24);
  house.start();
  clear();
  EXPECT_EQ(cache(), before) << "a day has not gone by";
  house.config.engines.front().cache_age = std::chrono::seconds(1);
  house.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  clear();
  EXPECT_LT(cache(), before);
}

TEST_F(Hygiene, BuildsWaitForAnEngineWhoseDiskIsNearlyFull) {
  write_shop(house.git);
  house.git.commit("One");
  house.config.engines.front().min_free = 1ull << 60;
  house.start();
  const RunId run = house.begin();
  ASSERT_TRUE(house.log_says(run, "is free on the disk of engine \"real\"")) << house.log(run);
  EXPECT_EQ(house.yard->low_engines(), std::vector<std::string>{"real"});
  clear();  // makes what room it can, and does not fail
  EXPECT_EQ(house.store->get(run).state, RunState::running);
  house.config.engines.front().min_free = 1;
  house.start();
  EXPECT_EQ(house.wait(run).state, RunState::succeeded) << house.log(run);
}

TEST_F(Hygiene, RunsWaitForADataFolderWhoseDiskIsNearlyFull) {
  write_shop(house.git);
  house.git.commit("One");
  house.config.min_free = 1ull << 60;
  house.start();
  const RunId run = house.begin();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(house.store->get(run).state, RunState::queued);
  house.config.min_free = 1;
  house.start();
  EXPECT_EQ(house.wait(run).state, RunState::succeeded) << house.log(run);
}

}  // namespace
}  // namespace lighterman::pipeline
