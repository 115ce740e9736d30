#include "pipeline/watcher.hpp"

#include <gtest/gtest.h>

#include "os/file.hpp"

namespace lighterman::pipeline {
namespace {

class CatchUp : public testing::Test {
 protected:
  CatchUp() {
    source_.name = "shop";
    source_.branches = {"main", "release/*"};
    source_.git_tags = {"v*"};
  }

  std::vector<RunId> look(FirstSight first = FirstSight::remember) {
    return catch_up(source_, heads_, "refs/heads/main", Origin::catch_up, first, store_);
  }

  os::ScratchFolder folder_;
  store::Store store_{{folder_.path() / "store.db"}};
  config::Source source_;
  std::map<std::string, std::string> heads_{{"refs/heads/main", std::string(40, 'a')},
                                            {"refs/heads/wip", std::string(40, 'b')},
                                            {"refs/tags/v1.0.0", std::string(40, 'c')}};
};

TEST_F(CatchUp, BuildsNothingOfWhatWasThereBeforeTheDaemon) { EXPECT_TRUE(look().empty()); }

TEST_F(CatchUp, BuildsTheDefaultBranchAtOnceWhereOnlyPollingTells) {
  const std::vector<RunId> runs = look(FirstSight::build_default);
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(store_.get(runs[0]).event.ref, "refs/heads/main");
}

TEST_F(CatchUp, BuildsAPushWhoseWebhookGotLostOnce) {
  look();
  heads_["refs/heads/main"] = std::string(40, 'd');
  const std::vector<RunId> runs = look();
  ASSERT_EQ(runs.size(), 1U);
  const lighterman::Run run = store_.get(runs[0]);
  EXPECT_EQ(run.event.commit, std::string(40, 'd'));
  EXPECT_EQ(run.event.before, std::string(40, 'a'));
  EXPECT_EQ(run.event.origin, Origin::catch_up);
  EXPECT_TRUE(look().empty());
}

TEST_F(CatchUp, LeavesAloneWhatAWebhookToldOf) {
  look();
  heads_["refs/heads/main"] = std::string(40, 'd');
  PushEvent told;
  told.source = "shop";
  told.delivery = "delivery-1";
  told.ref = "refs/heads/main";
  told.commit = std::string(40, 'd');
  store_.add(told, store::Store::Supersede::no);
  EXPECT_TRUE(look().empty());
}

TEST_F(CatchUp, SeesNewTagsAndKeepsToTheConfiguredRefs) {
  look();
  heads_["refs/tags/v1.1.0"] = std::string(40, 'e');
  heads_["refs/tags/nightly"] = std::string(40, 'f');
  heads_["refs/heads/wip"] = std::string(40, 'f');
  const std::vector<RunId> runs = look();
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(store_.get(runs[0]).event.ref, "refs/tags/v1.1.0");
}

}  // namespace
}  // namespace lighterman::pipeline
