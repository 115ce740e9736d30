#include "pipeline/plan.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "pipeline/matrix.hpp"

namespace lighterman::pipeline {
namespace {

class Plan : public testing::Test {
 protected:
  Plan() {
    source_.name = "shop";
    source_.url = "https://user:token@git.example/acme/shop.git";
    run_.id = 3;
    run_.event.source = "shop";
    run_.event.ref = "refs/heads/main";
    add("web").paths = {"web/**"};
    add("worker").paths_ignore = {"web/**", "**/*.md"};
  }

  config::Image& add(const std::string& name) {
    config::Image& image = images_[name];
    image.name = name;
    image.targets = {Reference::parse("registry.example/acme/" + name)};
    return image;
  }

  RunPlan plan() {
    return plan_run({&run_,
                     &source_,
                     images_,
                     {"0123456789abcdef0123456789abcdef01234567", "A <a@b>", "Say", 1700000000},
                     "main",
                     changed_});
  }

  static std::string built(const RunPlan& plan) {
    std::string names;
    for (const BuildPlan& image : plan.images) names += image.image + " ";
    return names;
  }

  lighterman::Run run_;
  config::Source source_;
  std::map<std::string, config::Image> images_;
  std::optional<std::vector<std::string>> changed_;
};

TEST_F(Plan, BuildsEveryImageWhenTheChangedPathsAreNotKnown) {
  EXPECT_EQ(built(plan()), "web worker ");
}

TEST_F(Plan, BuildsOnlyWhatTheChangedPathsConcern) {
  changed_ = {{"web/index.html"}};
  const RunPlan planned = plan();
  EXPECT_EQ(built(planned), "web ");
  ASSERT_EQ(planned.skipped.size(), 1U);
  EXPECT_EQ(planned.skipped[0].why, "no changed path concerns it");
}

TEST_F(Plan, BuildsNothingForAReadme) {
  changed_ = {{"docs/README.md"}};
  EXPECT_EQ(built(plan()), "");
}

TEST_F(Plan, BuildsATagWhateverItsLastCommitTouched) {
  changed_ = {{"docs/README.md"}};
  run_.event.ref = "refs/tags/v1.0.0";
  EXPECT_EQ(built(plan()), "web worker ");
}

TEST_F(Plan, KeepsToTheImagesThatWereAskedForByName) {
  changed_ = {{"docs/README.md"}};
  run_.event.images = {"worker"};
  EXPECT_EQ(built(plan()), "worker ");
}

TEST_F(Plan, SuggestsTheImageThatWasMeant) {
  run_.event.images = {"wokrer"};
  try {
    plan();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "source \"shop\" has no image \"wokrer\" (did you mean \"worker\"?)");
  }
}

TEST_F(Plan, LabelsSayWhereTheImageComesFromWithoutTheToken) {
  const BuildPlan image = plan().images.at(0);
  EXPECT_EQ(image.labels.at("org.opencontainers.image.source"), "https://git.example/acme/shop");
  EXPECT_EQ(image.labels.at("org.opencontainers.image.revision"),
            "0123456789abcdef0123456789abcdef01234567");
  EXPECT_EQ(image.labels.at("org.opencontainers.image.created"), "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(image.labels.at("org.opencontainers.image.ref.name"), "main");
}

TEST_F(Plan, TheOperatorsLabelWinsOverTheUsualOne) {
  images_["web"].labels["org.opencontainers.image.source"] = "https://acme.example/shop";
  EXPECT_EQ(plan().images.at(0).labels.at("org.opencontainers.image.source"),
            "https://acme.example/shop");
}

TEST_F(Plan, SurvivesTheStore) {
  const RunPlan before = plan();
  const RunPlan after = run_plan_from(to_json(before));
  EXPECT_EQ(to_json(after), to_json(before));
}

TEST(Matrix, MakesAnImageOfEachCombination) {
  config::Image image;
  image.name = "tool";
  image.args = {{"LEVEL", "1"}};
  image.tags = {"{branch}-py{matrix.PYTHON}-{matrix.DISTRO}"};
  image.matrix = {{"PYTHON", {"3.11", "3.12"}}, {"DISTRO", {"Alpine", "debian"}}};
  std::map<std::string, std::string> tags;
  for (const config::Image& variant : matrix_variants(image)) {
    tags[variant.name] = variant.tags.at(0);
    EXPECT_EQ(variant.args.at("LEVEL"), "1");
    EXPECT_EQ(family_of(variant), "tool");
    EXPECT_NE(variant.name.find(variant.args.at("PYTHON")), std::string::npos);
  }
  EXPECT_EQ(tags,
            (std::map<std::string, std::string>{{"tool-alpine-3.11", "{branch}-py3.11-Alpine"},
                                                {"tool-alpine-3.12", "{branch}-py3.12-Alpine"},
                                                {"tool-debian-3.11", "{branch}-py3.11-debian"},
                                                {"tool-debian-3.12", "{branch}-py3.12-debian"}}));
}

TEST(Matrix, OfWhichTheTagsDoNotTellTheImagesApartIsRefused) {
  config::Image image;
  image.name = "tool";
  image.matrix = {{"PYTHON", {"3.11", "3.12"}}};
  EXPECT_THROW(matrix_variants(image), Error);
  image.tags = {"{branch}-{matrix.PYTHON}", "latest"};
  EXPECT_THROW(matrix_variants(image), Error);
  image.matrix = {{"PYTHON", {"3.11"}}};
  EXPECT_EQ(matrix_variants(image).size(), 1U);
}

TEST_F(Plan, AnImageThatIsAskedForByNameMeansAllOfItsMatrix) {
  config::Image image = add("tool");
  image.tags = {"{branch}-{matrix.PYTHON}"};
  image.matrix = {{"PYTHON", {"3.11", "3.12"}}};
  images_.erase("tool");
  for (config::Image& variant : matrix_variants(image)) images_[variant.name] = variant;
  run_.event.images = {"tool"};
  EXPECT_EQ(built(plan()), "tool-3.11 tool-3.12 ");
  run_.event.images = {"tool-3.12"};
  EXPECT_EQ(built(plan()), "tool-3.12 ");
}

}  // namespace
}  // namespace lighterman::pipeline
