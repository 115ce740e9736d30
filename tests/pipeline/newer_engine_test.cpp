// What only newer engines can, on the newest one that Debian has and a real registry.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/text.hpp"
#include "pipeline/house.hpp"

namespace lighterman::pipeline {
namespace {

boost::json::object built(House& house, const lighterman::Run& run) {
  EXPECT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const auto stage = house.store->find_stage(run.id, "web", "engine");
  return stage && stage->result.is_object() ? stage->result.as_object() : boost::json::object();
}

std::string text(const boost::json::value& value) { return std::string(value.as_string()); }

/// A shop whose Dockerfile takes a folder beside its context, files of another source, and an
/// image that stands for another.
class NamedContexts : public testing::TestWithParam<bool> {
 protected:
  NamedContexts() : house(newer_engine(GetParam())) {
    theme.write("css/style.css", "green");
    theme.write("css/.dockerignore", "*.map");
    theme.write("css/style.map", "left out");
    theme.commit("Theme");
    config::Source other;
    other.name = "theme";
    other.url = theme.url();
    house.config.sources["theme"] = other;
    house.git.write("web/Dockerfile",
                    "FROM toolchain:1.21\n"
                    "COPY --from=protos a.proto /a.proto\n"
                    "COPY --from=theme . /theme\n"
                    "RUN --mount=from=protos,target=/p cat /p/a.proto /theme/* >/both\n");
    house.git.write("shared/protos/a.proto", "message A");
    house.git.commit("One");
    house.image().context = "web";
    for (const auto& [name, context] : std::map<std::string, std::string>{
             {"toolchain:1.21", concat("docker-image://", local_base())},
             {"protos", "shared/protos"},
             {"theme", "source:theme#main:css"}})
      house.image().contexts[name] = parse_named_context(context);
  }

  House house;
  support::GitRepository theme;
};

TEST_P(NamedContexts, AreAFolderBesideFilesOfAnotherSourceAndAnImage) {
  house.start();
  const lighterman::Run run = house.push();
  const boost::json::object first = built(house, run);
  EXPECT_EQ(house.content("main", "/both"), "message Agreen");
  const boost::json::value& base = first.at("bases").at(0);
  EXPECT_EQ(text(base.at("image")), local_base()) << boost::json::serialize(first);
  EXPECT_EQ(first.at("bases").as_array().size(), 1U) << boost::json::serialize(first);
  EXPECT_EQ(first.at("steps"), 3) << house.log(run.id);
}

TEST_P(NamedContexts, DecideWhetherAnImageIsBuiltAnew) {
  house.start();
  built(house, house.push());
  EXPECT_TRUE(built(house, house.push()).contains("reused"));

  theme.write("css/style.css", "blue");
  theme.commit("Blue");
  const boost::json::object moved = built(house, house.push());
  EXPECT_EQ(moved.at("because"), "context theme changed");
  EXPECT_EQ(house.content("main", "/both"), "message Ablue");

  house.git.write("shared/protos/a.proto", "message B");
  house.git.commit("Two");
  EXPECT_EQ(built(house, house.push()).at("because"), "context protos changed");
  EXPECT_EQ(house.content("main", "/both"), "message Bblue");

  house.git.write("web/other", "not asked for");
  house.git.commit("Three");
  EXPECT_TRUE(built(house, house.push()).contains("reused"));
}

TEST_P(NamedContexts, WhoseImageMovedIsBuiltOnTheNewOne) {
  const std::string base = house.reference().with_tag("base").text();
  const auto put = [&](const std::string& content) {
    support::RealEngine& engine = the_engine();
    const std::string id = engine.docker(
        {"create", "busybox:latest", "sh", "-c", concat("echo ", content, " >/based")});
    engine.docker({"start", "-a", id});
    engine.docker({"commit", id, base});
    engine.docker({"push", "-q", base});
    engine.docker({"rm", id});
    engine.docker({"rmi", base});
  };
  put("one");
  house.git.write("web/Dockerfile", "FROM toolchain:1.21\nRUN cat /based >/taken\n");
  house.git.commit("On a named base");
  house.image().contexts = {
      {"toolchain:1.21", parse_named_context(concat("docker-image://", base))}};
  house.start();
  const boost::json::object first = built(house, house.push());
  EXPECT_EQ(house.content("main", "/taken"), "one");
  EXPECT_EQ(text(first.at("bases").at(0).at("digest")), house.tag("base")->text());
  EXPECT_TRUE(built(house, house.push()).contains("reused"));
  put("two");
  EXPECT_EQ(text(built(house, house.push()).at("because")), concat("base ", base, " moved"));
  EXPECT_EQ(house.content("main", "/taken"), "two");
}

TEST_P(NamedContexts, ThatAreNotThereAreNamed) {
  house.image().contexts["theme"] = parse_named_context("source:theme#mian:css");
  house.start();
  lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("has no branch or tag \"mian\" (did you mean \"main\"?)"), run.why.npos)
      << run.why;
  house.image().contexts["theme"] = parse_named_context("source:theme#main:cs");
  house.start();
  run = house.push();
  EXPECT_NE(run.why.find("no context folder \"cs\""), run.why.npos) << run.why;
}

TEST_P(NamedContexts, FailWithTheStepAndItsLine) {
  house.git.write("web/Dockerfile",
                  "FROM toolchain:1.21\nCOPY --from=protos a.proto /\nRUN false\n");
  house.git.commit("Broken");
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("Dockerfile:3: step [stage-0 2/3] RUN false"), run.why.npos) << run.why;
  EXPECT_NE(run.why.find("exit code: 1"), run.why.npos) << run.why;
}

TEST_P(NamedContexts, AreLeftAtOnceWhenTheRunIsCancelled) {
  house.git.write(
      "web/Dockerfile",
      "FROM toolchain:1.21\nCOPY --from=protos a.proto /\nRUN echo begun && sleep 300\n");
  house.git.commit("Slow");
  house.start();
  const RunId id = house.begin();
  ASSERT_TRUE(house.log_says(id, "begun"));
  const auto began = std::chrono::steady_clock::now();
  house.store->request_cancel(id, "not needed");
  EXPECT_EQ(house.wait(id).state, RunState::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
}

INSTANTIATE_TEST_SUITE_P(Store, NamedContexts, testing::Bool(), [](const auto& store) {
  return store.param ? "OfContainerd" : "OfDocker";
});

/// One expensive step in a stage that the image does not keep.
void write_costly(support::GitRepository& git) {
  git.write("Dockerfile", concat("FROM ", local_base(),
                                 " AS build\nCOPY input /input\nRUN cp /input /output\n"
                                 "FROM ",
                                 local_base(), "\nCOPY --from=build /output /output\n"));
  git.write("input", "costly");
  git.commit("One");
}

TEST(RegistryCache, ServesAnEngineThatNeverBuiltTheImage) {
  support::RealEngine& engine = newer_engine(true);
  House house(engine);
  write_costly(house.git);
  house.image().cache_to = concat(house.reference().name(), ":buildcache");
  house.image().reuse = Reuse::never;
  house.start();
  built(house, house.push());
  EXPECT_TRUE(house.tag("buildcache"));

  engine.docker({"builder", "prune", "-af"});
  const lighterman::Run run = house.push();
  const boost::json::object again = built(house, run);
  // All but FROM, which is no work: the stage that the image does not keep as well.
  EXPECT_GE(again.at("cached_steps").to_number<int>(), 3) << house.log(run.id);
}

TEST(RegistryCache, ThatCannotBeWrittenCostsNoImage) {
  House house(newer_engine(true));
  write_costly(house.git);
  house.image().cache_to = "127.0.0.1:9/acme/nowhere:cache";
  house.start();
  const lighterman::Run run = house.push();
  built(house, run);
  EXPECT_EQ(house.content("main", "/output"), "costly");
  const std::string log = house.log(run.id);
  EXPECT_NE(log.find("engine warn | exporting cache to registry: "), log.npos) << log;
  EXPECT_NE(log.find("connection refused"), log.npos) << log;
}

TEST(RegistryCache, IsWarnedOfWhereTheEngineCannotWriteIt) {
  House house(newer_engine(false));
  write_costly(house.git);
  house.image().cache_to = concat(house.reference().name(), ":buildcache");
  house.start();
  const lighterman::Run run = house.push();
  built(house, run);
  EXPECT_NE(house.log(run.id).find("cannot write the cache to"), std::string::npos);
  EXPECT_FALSE(house.tag("buildcache"));
}

TEST(OldEngine, RefusesNamedContextsInWords) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nCOPY --from=lib . /lib\n");
  house.git.write("lib/file", "x");
  house.git.commit("One");
  house.image().contexts["lib"] = parse_named_context("lib");
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("use Docker Engine 23 or newer"), run.why.npos) << run.why;
}

TEST(OldEngine, SaysThatItsFrontendIsOlderThanADockerfileWithHereDocuments) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nRUN <<EOF\necho one\necho two\nEOF\n");
  house.git.commit("One");
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("is older than this Dockerfile: use Docker Engine 23"), run.why.npos)
      << run.why;
}

TEST(NewerEngine, KnowsHereDocumentsAndLinks) {
  House house(newer_engine(true));
  house.git.write(
      "Dockerfile",
      concat("FROM ", local_base(),
             "\nCOPY --link file /file\nRUN <<EOF\ncat /file >/a\necho two >>/a\nEOF\n"));
  house.git.write("file", "one\n");
  house.git.commit("One");
  house.start();
  built(house, house.push());
  EXPECT_EQ(house.content("main", "/a"), "one\ntwo");
}

}  // namespace
}  // namespace lighterman::pipeline
