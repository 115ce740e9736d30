#include "pipeline/decide.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/error.hpp"
#include "pipeline/facts.hpp"
#include "support/failure.hpp"

namespace lighterman::pipeline {
namespace {

using policy::Hook;

policy::Decision said(Hook hook, const boost::json::value& answer,
                      const std::string& plugin = "p") {
  policy::Decision decision;
  policy::add(decision, hook, plugin, answer);
  return decision;
}

class Decide : public ::testing::Test {
 protected:
  Decide() {
    source.name = "shop";
    source.url = "https://git.example/shop.git";
    run.id = 7;
    run.event.source = "shop";
    run.event.ref = "refs/tags/v1.4.2";
    image.name = "web";
    image.targets = {Reference::parse("registry.example/acme/web")};
    image.args = {{"LEVEL", "configured"}};
    image.labels = {{"team", "configured"}};
  }
  PlanScene scene() {
    return {&run,
            &source,
            {{"web", image}},
            {"0123456789abcdef0123456789abcdef01234567", "Ann <a@b>", "Say\n\nmore", 1700000000},
            "main",
            {{"web/a.c", "README.md"}}};
  }
  RunPlan planned(const Ask& ask) {
    const PlanScene now = scene();
    RunPlan plan = plan_run(now);
    let_plugins_plan(plan, now, ask);
    return plan;
  }
  RunPlan planned(const boost::json::value& answer) {
    return planned([&](Hook hook, const std::string&, const boost::json::value&) {
      return said(hook, answer);
    });
  }

  config::Source source;
  config::Image image;
  lighterman::Run run;
};

TEST_F(Decide, TagsOfPluginsStandInForTheUsualOnes) {
  const RunPlan plan = planned({{"tags", {"edge"}}});
  EXPECT_EQ(plan.images.at(0).tags, (std::vector<TagPlan>{{"edge", true}}));
}

TEST_F(Decide, TagsOfPluginsUniteWithThoseOfTheConfiguration) {
  image.tags = {"{version}", "edge"};
  const RunPlan plan = planned({{"tags", {{{"tag", "edge"}, {"moving", false}}, "stable"}}});
  EXPECT_EQ(plan.images.at(0).tags,
            (std::vector<TagPlan>{{"1.4.2", false}, {"edge", false}, {"stable", true}}));
}

TEST_F(Decide, AnArgumentGivenByHandGoesBeforeThePlugins) {
  run.event.args = {{"LEVEL", "by hand"}};
  const RunPlan plan =
      planned({{"args", {{"LEVEL", "plugin"}, {"OTHER", 3}}}, {"labels", {{"team", "plugin"}}}});
  EXPECT_EQ(plan.images.at(0).args.at("LEVEL"), "by hand");
  EXPECT_EQ(plan.images.at(0).args.at("OTHER"), "3");
  EXPECT_EQ(plan.images.at(0).labels.at("team"), "plugin");
}

TEST_F(Decide, ASkippedImageSaysWhichPluginAndWhy) {
  const RunPlan plan = planned({{"skip", "only documents changed"}});
  EXPECT_TRUE(plan.images.empty());
  ASSERT_EQ(plan.skipped.size(), 1u);
  EXPECT_EQ(plan.skipped[0].why, "p: only documents changed");
}

TEST_F(Decide, AHookThatFailsOnAPushFailsTheRun) {
  expect_refused("tags.lua:3: oh", [&] {
    planned([](Hook, const std::string&, const boost::json::value&) {
      policy::Decision decision;
      decision.problems = {{"on_push: tags.lua:3: oh", "tags"}};
      return decision;
    });
  });
}

TEST_F(Decide, PlatformsOfAPluginReplaceThePlannedOnes) {
  const RunPlan two = planned({{"platforms", {"linux/amd64", "linux/arm64"}}});
  EXPECT_EQ(two.images.at(0).platforms, (std::vector<std::string>{"linux/amd64", "linux/arm64"}));
  EXPECT_EQ(two.images.at(0).platform, "");
  const RunPlan one = planned({{"platforms", {"linux/arm64"}}});
  EXPECT_EQ(one.images.at(0).platform, "linux/arm64");
}

TEST_F(Decide, PlansSurviveTheStore) {
  const RunPlan plan = planned({{"tags", {"edge"}}, {"labels", {{"a", "b"}}}});
  EXPECT_EQ(to_json(run_plan_from(to_json(plan))), to_json(plan));
}

TEST_F(Decide, AHookThatFailsOnAStagedImageDenies) {
  policy::Decision decision;
  EXPECT_FALSE(why_denied(decision));
  decision.problems = {{"on_staged: gate.lua:9: no such field", "gate"}};
  EXPECT_EQ(why_denied(decision).value_or(""),
            "gate: its hook failed, which denies: on_staged: gate.lua:9: no such field");
}

TEST_F(Decide, APluginSeesThePushAndThePlan) {
  boost::json::value seen;
  planned([&](Hook, const std::string&, const boost::json::value& facts) {
    seen = facts;
    return policy::Decision();
  });
  EXPECT_EQ(seen.at("tag"), "v1.4.2");
  EXPECT_FALSE(seen.as_object().contains("branch"));
  EXPECT_EQ(seen.at("title"), "Say");
  EXPECT_EQ(seen.at("author"), "Ann <a@b>");
  EXPECT_EQ(seen.at("author_known"), false) << "only the commit says so";
  EXPECT_EQ(seen.at("changed_paths").as_array().size(), 2u);
  EXPECT_EQ(seen.at("image").at("targets").at(0), "registry.example/acme/web");
  EXPECT_EQ(seen.at("image").at("tags").at(0).at("tag"), "1.4.2");
}

TEST(PreviousImage, IsTheHighestLowerVersionOrTheLastOfTheBranch) {
  const auto lasting = [](int run, const char* digest) {
    return boost::json::serialize(boost::json::object{{"run", run}, {"digest", digest}});
  };
  const std::map<std::string, std::string> known{{"refs/heads/main", lasting(3, "main")},
                                                 {"refs/tags/v1.9.0", lasting(4, "1.9")},
                                                 {"refs/tags/v1.10.0", lasting(5, "1.10")},
                                                 {"refs/tags/v2.0.0", lasting(6, "2.0")}};
  lighterman::Run run;
  run.id = 9;
  run.event.ref = "refs/tags/v1.11.0";
  EXPECT_EQ(previous_image(known, run).at("digest"), "1.10");
  run.event.ref = "refs/heads/main";
  EXPECT_EQ(previous_image(known, run).at("digest"), "main");
  run.id = 3;
  EXPECT_TRUE(previous_image(known, run).is_null());
}

}  // namespace
}  // namespace lighterman::pipeline
