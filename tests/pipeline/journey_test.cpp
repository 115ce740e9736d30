// From a push to a published image, on a real Docker Engine and a real registry.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/text.hpp"
#include "pipeline/house.hpp"

namespace lighterman::pipeline {
namespace {

std::size_t uploads(const std::string& repository) {
  return the_registry().count_requests("POST", concat("/v2/", repository, "/blobs/uploads/"));
}

TEST(Journey, TheFirstPushPublishesAnImageThatRuns) {
  House house;
  write_shop(house.git, "hello");
  house.git.commit("Say hello");
  house.start();

  const lighterman::Run run = house.push();

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(run.commit, house.git.head());
  EXPECT_EQ(house.published(run.id).layers.size(), 3U);
  EXPECT_EQ(house.content("main", "/built.txt"), "HELLO");
  EXPECT_EQ(house.tag("latest"), house.tag("main"));
  EXPECT_EQ(house.tag("sha-" + run.commit.substr(0, 12)), house.tag("main"));
}

TEST(Journey, OneChangedFileSendsExactlyOneLayer) {
  House house;
  write_shop(house.git, "hello", "before");
  house.git.commit("One");
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  house.git.write("late.txt", "after\n");
  house.git.commit("Two");
  const std::size_t before = uploads(house.repository);

  const lighterman::Run run = house.push();

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const PublishedImage image = house.published(run.id);
  EXPECT_EQ(sent(image), 1U) << house.log(run.id);
  EXPECT_EQ(image.layers.back().fate, LayerFate::sent);
  EXPECT_NE(image.layers.back().reason.find("late.txt"), std::string::npos)
      << image.layers.back().reason;
  // The registry's own account: the layer and the image's configuration.
  EXPECT_EQ(uploads(house.repository) - before, 2U) << the_registry().access_log();
  EXPECT_EQ(house.content("main", "/late.txt"), "after");
}

TEST(Journey, NothingChangedSendsNoBlobAndWritesNoTag) {
  House house;
  write_shop(house.git);
  house.git.commit("One");
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  const std::size_t before = uploads(house.repository);

  const lighterman::Run again = house.push();

  ASSERT_EQ(again.state, RunState::succeeded) << again.why;
  EXPECT_EQ(uploads(house.repository), before);
  const PublishedImage image = house.published(again.id);
  EXPECT_EQ(sent(image), 0U);
  for (const TagOutcome& tag : image.tags)
    EXPECT_EQ(tag.fate, TagOutcome::Fate::unchanged) << tag.tag;
}

TEST(Journey, OneBuildReachesTwoTargets) {
  House house;
  write_shop(house.git, "twice");
  house.git.commit("One");
  const std::string second = the_registry().host() + "/mirror/" + house.repository;
  house.image().targets.push_back(Reference::parse(second));
  house.start();

  const lighterman::Run run = house.push();

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_TRUE(house.tag("main"));
  EXPECT_EQ(house.tag("main"), house.tag("main", second));
  EXPECT_EQ(house.published(run.id, 1).layers.size(), 3U);
}

TEST(Journey, TheClassicBuilderPublishesTheSameFiles) {
  House house;
  write_shop(house.git, "classic");
  house.git.commit("One");
  house.image().builder = Builder::classic;
  house.start();

  const lighterman::Run run = house.push();

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(house.content("main", "/built.txt"), "CLASSIC");
  const auto engine = house.store->find_stage(run.id, "web", "engine");
  EXPECT_EQ(engine->result.at("builder").as_string(), "classic");
}

TEST(Journey, ATargetStageIsPublishedInsteadOfTheLast) {
  House house;
  write_shop(house.git, "stage");
  house.git.commit("One");
  house.image().target = "build";
  house.start();

  const lighterman::Run run = house.push();

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(house.content("main", "/source.txt"), "stage");
}

TEST(Journey, AFailedBuildNamesTheStepAndPublishesNothing) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nRUN echo about to break && exit 7\n");
  house.git.commit("Break");
  house.start();

  const lighterman::Run run = house.push();

  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("exit 7"), std::string::npos) << run.why;
  EXPECT_NE(house.log(run.id).find("about to break"), std::string::npos);
  EXPECT_FALSE(house.tag("main"));
}

TEST(Journey, ExportAndPushGiveWhatTheDockerCliBuilds) {
  House house;
  write_shop(house.git, "equal");
  house.git.write_program("bin/run.sh", "#!/bin/sh\necho run\n");
  house.git.link("bin/again", "run.sh");
  house.git.write("Dockerfile",
                  "FROM busybox\nCOPY . /app\nRUN mkdir /made && echo made >/made/file\n");
  house.git.write(".dockerignore", "*.txt\n!late.txt\n.git\n");
  house.git.commit("One");
  const auto listing = [](const std::string& name) {
    return the_engine().docker({"run", "--rm", "--network", "none", name, "sh", "-c",
                                "cd / && find app made | sort | xargs ls -ldn | awk '{print $1, "
                                "$3, $4, $5, $9, $10, $11}' && "
                                "find app made -type f | sort | xargs sha256sum"});
  };
  the_engine().docker(
      {"build", "-q", "--network", "none", "-t", "by-cli", house.git.path().string()});
  const std::string expected = listing("by-cli");

  for (const StagingWay way : {StagingWay::push, StagingWay::exported}) {
    house.image().staging = way;
    house.image().reuse = Reuse::never;
    house.image().targets = {Reference::parse(the_registry().host() + "/" + house.repository + "/" +
                                              std::string(render(way)))};
    house.start();
    const lighterman::Run run = house.push();
    ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
    EXPECT_EQ(house.store->find_stage(run.id, "web", "staging")->result.at("way").as_string(),
              render(way));
    const std::string name = house.image().targets[0].with_tag("main").text();
    the_engine().docker({"pull", "-q", name});
    EXPECT_EQ(listing(name), expected) << render(way);
    the_engine().docker({"rmi", name});
  }
  the_engine().docker({"rmi", "by-cli"});
}

TEST(Journey, AnOlderCommitThatEndsLaterLeavesTheMovingTags) {
  House house;
  write_shop(house.git, "old");
  const std::string old_commit = house.git.commit("Old");
  house.git.write("source.txt", "new\n");
  house.git.commit("New");
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  const auto newest = house.tag("main");

  const lighterman::Run late = house.push("refs/heads/main", old_commit);

  ASSERT_EQ(late.state, RunState::succeeded) << late.why;
  EXPECT_EQ(house.tag("main"), newest);
  EXPECT_EQ(house.tag("latest"), newest);
  EXPECT_EQ(house.content("sha-" + old_commit.substr(0, 12), "/built.txt"), "OLD");
  EXPECT_NE(house.log(late.id).find("held_back"), std::string::npos) << house.log(late.id);
}

TEST(Journey, LeavesNoImageNameInTheEngine) {
  House house;
  write_shop(house.git, "tidy");
  house.git.commit("One");
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  const std::string images =
      the_engine().docker({"images", "--format", "{{.Repository}}:{{.Tag}}"});
  EXPECT_EQ(images.find(house.config.staging_listen), std::string::npos) << images;
}

}  // namespace
}  // namespace lighterman::pipeline
