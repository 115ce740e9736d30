#include "store/makings.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/text.hpp"
#include "os/file.hpp"
#include "store/connection.hpp"

namespace lighterman::store {
namespace {

namespace json = boost::json;

Digest digest(char letter) { return Digest::parse(concat("sha256:", std::string(64, letter))); }
std::string hex(char letter, std::size_t digits) { return std::string(digits, letter); }

class Makes : public ::testing::Test {
 protected:
  RunId begin() {
    PushEvent event;
    event.source = "shop";
    event.delivery = std::to_string(++deliveries_);
    event.ref = "refs/heads/main";
    return store.add(event, Store::Supersede::no).run;
  }
  void end(RunId run, const std::string& image, const std::string& stage, const json::value& result,
           StageState state = StageState::done) {
    store.begin_stage(run, image, stage);
    store.end_stage(run, image, stage, state, result);
  }
  void stage(RunId run, const std::string& image, char manifest, char config) {
    end(run, image, "staging",
        {{"manifest", digest(manifest).text()}, {"config", {{"digest", digest(config).text()}}}});
  }
  void publish(RunId run, const std::string& image, char manifest) {
    end(run, image, "publish:r.example/shop",
        {{"reference", concat("r.example/shop@", digest(manifest))}});
  }

  os::ScratchFolder folder;
  Store store{{folder.path() / "l.db"}};
  Makings makings{store};
  int deliveries_ = 0;
};

TEST_F(Makes, AnImageIsFoundByItsDigestByABeginningOfItAndByItsConfiguration) {
  const RunId first = begin(), again = begin(), other = begin();
  stage(first, "web", 'a', 'c');
  publish(first, "web", 'a');
  stage(again, "web", 'a', 'c');
  stage(other, "web", 'b', 'd');
  EXPECT_EQ(makings.find(digest('a'), 10), (std::vector<Making>{{again, "web"}, {first, "web"}}));
  EXPECT_EQ(makings.find(digest('a'), 1), (std::vector<Making>{{again, "web"}}));
  EXPECT_EQ(makings.manifests(hex('a', 12), 10), std::vector{digest('a')});
  EXPECT_EQ(makings.manifests(hex('a', 64), 10), std::vector{digest('a')});
  EXPECT_TRUE(makings.manifests(hex('c', 12), 10).empty());
  EXPECT_EQ(makings.manifests_of_configs(hex('c', 12), 10), std::vector{digest('a')});
  EXPECT_EQ(makings.manifests_of(digest('c'), 10), std::vector{digest('a')});
  EXPECT_TRUE(makings.manifests_of(digest('a'), 10).empty());
  EXPECT_TRUE(makings.manifests(hex('e', 12), 10).empty());
}

TEST_F(Makes, AnIndexIsFoundAndSoIsEachOfItsPlatforms) {
  const RunId run = begin();
  stage(run, "web@linux/amd64", 'a', 'c');
  stage(run, "web@linux/arm64", 'b', 'd');
  publish(run, "web", 'e');
  EXPECT_EQ(makings.find(digest('e'), 10), (std::vector<Making>{{run, "web"}}));
  EXPECT_EQ(makings.find(digest('b'), 10), (std::vector<Making>{{run, "web@linux/arm64"}}));
}

TEST_F(Makes, OfOneConfigurationInTwoCompressionsTheNewestManifestComesFirst) {
  stage(begin(), "web", 'a', 'c');
  stage(begin(), "web", 'b', 'c');
  stage(begin(), "web", 'b', 'c');
  EXPECT_EQ(makings.manifests_of(digest('c'), 10), (std::vector{digest('b'), digest('a')}));
  EXPECT_EQ(makings.manifests_of(digest('c'), 1), std::vector{digest('b')});
}

TEST_F(Makes, AnImageThatIsTheSameEveryNightIsToldOfItsNewestRuns) {
  std::vector<Making> newest;
  for (int night = 0; night < 30; ++night) {
    const RunId run = begin();
    stage(run, "web", 'a', 'c');
    publish(run, "web", 'a');
    newest.insert(newest.begin(), {run, "web"});
  }
  newest.resize(10);
  EXPECT_EQ(makings.find(digest('a'), 10), newest);
}

TEST_F(Makes, WhatFailedMadeNothing) {
  const RunId run = begin();
  end(run, "web", "staging", {{"manifest", digest('a').text()}}, StageState::failed);
  EXPECT_TRUE(makings.find(digest('a'), 10).empty());
  EXPECT_TRUE(makings.manifests(hex('a', 12), 10).empty());
}

TEST_F(Makes, APublicationOutlivesItsRun) {
  store.put_publication({0,
                         99,
                         "shop",
                         "web",
                         digest('a'),
                         {{Reference::parse("r.example/shop"), {"main"}}},
                         Instant(std::chrono::hours(1)),
                         nullptr,
                         "",
                         false});
  EXPECT_EQ(makings.manifests(hex('a', 12), 10), std::vector{digest('a')});
  EXPECT_TRUE(makings.find(digest('a'), 10).empty());
}

TEST_F(Makes, TagsAreThoseThatPointThereNowAndThoseThatCameThereByReplication) {
  const Reference main = Reference::parse("r.example/shop:main");
  store.put_tag(main, {"c1", "refs/heads/main", digest('a'), 7});
  ASSERT_EQ(makings.tags(digest('a'), 10).size(), 1U);
  EXPECT_EQ(makings.tags(digest('a'), 10).front().reference, main);
  EXPECT_TRUE(makings.tags(digest('a'), 0).empty());
  store.put_tag(main, {"c2", "refs/heads/main", digest('b'), 8});
  EXPECT_TRUE(makings.tags(digest('a'), 10).empty());

  store.add_replication({0,
                         7,
                         "mirror",
                         Reference::parse("r.example/shop").at(digest('a')),
                         Reference::parse("far.example/shop"),
                         {"1.4", "1"},
                         {},
                         ReplicationState::waiting,
                         0,
                         {},
                         {},
                         {},
                         {},
                         0,
                         0,
                         0,
                         0,
                         "",
                         {}});
  const Reference carried = Reference::parse("far.example/shop:1.4");
  EXPECT_FALSE(makings.find_carried(carried)) << "it is not there yet";
  Replication now = *store.claim_replication(Instant(std::chrono::hours(1)));
  now.state = ReplicationState::done;
  ASSERT_TRUE(store.put_replication(now));
  ASSERT_TRUE(makings.find_carried(carried));
  EXPECT_EQ(makings.find_carried(carried)->digest, digest('a'));
  EXPECT_EQ(makings.find_carried(carried)->run, 7);
  EXPECT_FALSE(makings.find_carried(Reference::parse("far.example/shop:2")));
  ReplicationFilter filter;
  filter.digest = digest('a');
  EXPECT_EQ(store.replications(filter).size(), 1U);
  filter.digest = digest('b');
  EXPECT_TRUE(store.replications(filter).empty());
}

TEST_F(Makes, AMillionStagesAreNotLookedThrough) {
  Connection database(folder.path() / "l.db", Connection::Access::read);
  for (const std::string& question : Makings::questions()) {
    Statement plan = database.query(concat("EXPLAIN QUERY PLAN ", question));
    int searches = 0;
    while (plan.step()) {
      const std::string step = plan.text(3);
      if (step.starts_with("SEARCH ")) ++searches;
      // Of one row's tags, or of what a limit let through.
      const bool small = step.starts_with("SCAN json_each") || step.starts_with("SCAN (subquery");
      EXPECT_TRUE(small || !step.starts_with("SCAN")) << step << " for " << question;
    }
    EXPECT_GT(searches, 0) << question;
  }
}

}  // namespace
}  // namespace lighterman::store
