// What goes wrong on the way, on a real Docker Engine and a real registry.
#include <gtest/gtest.h>

#include "core/text.hpp"
#include "pipeline/house.hpp"

namespace lighterman::pipeline {
namespace {

void write_slow_build(House& house, const std::string& what) {
  house.git.write("Dockerfile",
                  concat("FROM busybox\nRUN echo working on ", what, " && sleep 300\n"));
  house.git.commit("Slow");
}

bool runs_in_engine(const std::string& text) {
  return support::ask_socket(the_engine().socket(), "GET", "/_ping").status == 200 &&
         !the_engine().docker({"ps", "-q"}).empty() && !text.empty();
}

TEST(Trouble, ACancelledRunStopsItsBuild) {
  House house;
  write_slow_build(house, "cancel");
  house.start();
  const RunId run = house.begin();
  ASSERT_TRUE(house.log_says(run, "working on cancel")) << house.log(run);

  ASSERT_TRUE(house.store->request_cancel(run, "not needed any more"));

  const lighterman::Run ended = house.wait(run, std::chrono::seconds(30));
  EXPECT_EQ(ended.state, RunState::cancelled);
  EXPECT_NE(ended.why.find("not needed any more"), std::string::npos) << ended.why;
  EXPECT_TRUE(support::eventually([] { return !runs_in_engine("sleep 300"); }));
}

TEST(Trouble, ABuildThatTakesTooLongFailsAndSaysHowLongItMay) {
  House house;
  write_slow_build(house, "timeout");
  house.image().limits.timeout = std::chrono::seconds(3);
  house.start();

  const lighterman::Run run = house.push();

  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("3s"), std::string::npos) << run.why;
}

TEST(Trouble, AnEngineThatRestartsDuringTheBuildBuildsAgain) {
  House house;
  house.git.write("Dockerfile",
                  "FROM busybox\nRUN echo first half && sleep 4\nRUN echo second half >/file\n");
  house.git.commit("Interrupted");
  house.start();
  const RunId run = house.begin();
  ASSERT_TRUE(house.log_says(run, "first half")) << house.log(run);

  the_engine().kill();
  the_engine().start();

  const lighterman::Run ended = house.wait(run);
  EXPECT_EQ(ended.state, RunState::succeeded) << ended.why << house.log(run);
  EXPECT_EQ(house.content("main", "/file"), "second half");
}

TEST(Trouble, ARegistryThatRestartsDuringTheUploadGetsTheRest) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nRUN head -c 6000000 /dev/urandom >/random\n");
  house.git.commit("Large");
  house.registry_options().push_limit = 2'000'000;
  house.start();
  const RunId run = house.begin();
  ASSERT_TRUE(house.log_says(run, "sending to")) << house.log(run);

  the_registry().stop();
  the_registry().start();

  const lighterman::Run ended = house.wait(run);
  EXPECT_EQ(ended.state, RunState::succeeded) << ended.why << house.log(run);
  EXPECT_TRUE(house.tag("main"));
}

TEST(Trouble, ARegistryThatIsDownKeepsTheRunWaitingAndSaysSo) {
  House house;
  write_shop(house.git);
  house.git.commit("One");
  house.start();
  the_registry().stop();

  const RunId run = house.begin();

  EXPECT_TRUE(support::eventually(
      [&] { return house.store->get(run).why.find("waiting") != std::string::npos; },
      std::chrono::seconds(60)))
      << house.log(run);
  the_registry().start();
  EXPECT_EQ(house.wait(run).state, RunState::succeeded) << house.log(run);
  EXPECT_EQ(house.store->get(run).why, "");
}

TEST(Trouble, ADaemonThatStopsHandsTheRunBackAndTheNextOneEndsIt) {
  House house;
  house.git.write("Dockerfile",
                  "FROM busybox\nRUN echo long step && sleep 3\nRUN echo done >/file\n");
  house.git.commit("Long");
  house.start();
  const RunId run = house.begin();
  ASSERT_TRUE(house.log_says(run, "long step")) << house.log(run);

  house.stop();
  house.start();

  const lighterman::Run ended = house.wait(run);
  EXPECT_EQ(ended.state, RunState::succeeded) << ended.why << house.log(run);
  EXPECT_GE(ended.attempt, 2);
}

TEST(Trouble, AMissingDockerfileIsNamed) {
  House house;
  house.git.write("README.md", "nothing to build\n");
  house.git.commit("One");
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("Dockerfile"), std::string::npos) << run.why;
}

}  // namespace
}  // namespace lighterman::pipeline
