// What forges are told of runs. No engine takes part: the runs' states are set as workers set them.
#include "config/status.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/guarded.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "pipeline/errands.hpp"
#include "support/background.hpp"
#include "support/forge.hpp"

namespace lighterman::pipeline {
namespace {

using namespace std::chrono_literals;
using support::FakeForge;

const std::string commit(40, 'a');
const std::string token = "t0ken-of-the-daemon";

using Words = std::vector<std::string>;

/// A store with its errands, and one source at a forge that listens here.
class Status : public ::testing::Test {
 protected:
  Status() {
    os::replace_file(folder.path() / "token", token + "\n");
    config.data = folder.path();
    config.public_url = "https://builds.example/";
    config.engines = {engine::Options{}};
    source().name = "shop";
    source().url = "https://git.example/acme/shop.git";
    source().forge = "gitea";
    source().status.emplace();
    source().status->api = forge.url("/api/v1");
    source().status->token_place = concat("file:", (folder.path() / "token").string());
  }
  config::Source& source() { return config.sources["shop"]; }

  void start() {
    stop();
    store = std::make_unique<store::Store>(store::Options{folder.path() / "store.db"});
    store->announce({"shop"});
    yard = std::make_shared<Yard>(std::make_shared<const config::Config>(config), *store);
    errands =
        std::make_unique<Errands>([this] { return yard; }, *store,
                                  [this](const ActionRecord& action) {
                                    reports.with([&](auto& all) { all.push_back(action.why); });
                                  },
                                  retry, retry);
  }
  void stop() {
    errands.reset();
    yard.reset();
    store.reset();
  }
  RunId add(const std::string& delivery = "1", const std::string& of_commit = commit) {
    PushEvent event;
    event.source = "shop";
    event.ref = "refs/heads/main";
    event.commit = of_commit;
    event.delivery = delivery;
    event.received = system_now();
    return store->add(event, store::Store::Supersede::no).run;
  }
  void begin() { store->claim({}); }
  ActionRecord action(RunId run) const { return store->actions(run).at(0); }
  bool settled(RunId run, ActionState state) const {
    return support::eventually([&] { return action(run).state == state; });
  }
  std::string last(const std::string& field) const {
    return boost::json::value_to<std::string>(forge.calls().back().body.at(field));
  }

  os::ScratchFolder folder;
  FakeForge forge;
  config::Config config;
  net::Retry retry{5, 10ms, 50ms, {}};
  Guarded<std::vector<std::string>> reports;
  std::unique_ptr<store::Store> store;
  std::shared_ptr<Yard> yard;
  std::unique_ptr<Errands> errands;
};

TEST_F(Status, OfARunIsPendingAndThenHowItEnded) {
  start();
  const RunId run = add();
  ASSERT_TRUE(forge.told(1));
  const FakeForge::Call call = forge.calls().at(0);
  EXPECT_EQ(call.line(), concat("POST /api/v1/repos/acme/shop/statuses/", commit, " HTTP/1.1"));
  EXPECT_NE(call.head.find(concat("Authorization: token ", token, "\r\n")), std::string::npos);
  EXPECT_EQ(call.body, boost::json::value({{"state", "pending"},
                                           {"description", "waits to be built"},
                                           {"target_url", "https://builds.example/#/runs/1"},
                                           {"context", "lighterman"}}));
  begin();
  store->finish(run, RunState::succeeded, "");
  ASSERT_TRUE(forge.told(2));
  EXPECT_EQ(last("state"), "success");
  EXPECT_EQ(last("description"), "published");
  ASSERT_TRUE(settled(run, ActionState::done));
  EXPECT_EQ(forge.calls().size(), 2U) << "pending is told once";
}

TEST_F(Status, OfADeniedRunSaysWhyAsFarAsThereIsRoom) {
  start();
  const RunId run = add();
  begin();
  store->finish(run, RunState::denied, concat("gate-size: ", std::string(200, 'x'), "\nmore"));
  ASSERT_TRUE(support::eventually([&] { return forge.last_state() == "failure"; }));
  EXPECT_TRUE(last("description").starts_with("denied: gate-size: xxx")) << last("description");
  EXPECT_TRUE(last("description").ends_with("x…"));
  EXPECT_EQ(last("description").size(), 140U);
}

TEST_F(Status, TellsAFaultOfTheCommitFromTroubleElsewhere) {
  start();
  const auto fail = [&](const std::string& delivery, ErrorKind kind, char letter) {
    const RunId run = add(delivery, std::string(40, letter));
    begin();
    store->begin_stage(run, "web", "engine");
    store->end_stage(run, "web", "engine", StageState::failed,
                     boost::json::object{{"error", "x"}, {"kind", std::string(render(kind))}});
    store->finish(run, RunState::failed, "image \"web\": x");
    EXPECT_TRUE(support::eventually(
        [&] { return action(run).state == ActionState::done && forge.last_state() != "pending"; }));
    return forge.last_state();
  };
  EXPECT_EQ(fail("1", ErrorKind::invalid, 'a'), "failure");
  EXPECT_EQ(fail("2", ErrorKind::unavailable, 'b'), "error");
}

TEST_F(Status, WaitsUntilTheCommitIsKnown) {
  start();
  const RunId run = add("1", "");
  ASSERT_TRUE(settled(run, ActionState::done));
  EXPECT_EQ(action(run).why, "the commit is not known");
  EXPECT_TRUE(forge.calls().empty());
  begin();
  store->put_commit(run, commit);
  ASSERT_TRUE(forge.told(1));
  EXPECT_NE(forge.calls().at(0).line().find(commit), std::string::npos);
}

TEST_F(Status, IsToldAgainUntilTheForgeIsBack) {
  forge.next("503 Unavailable");
  forge.next("429 Too Many Requests", "Retry-After: 1\r\n");
  start();
  const auto began = std::chrono::steady_clock::now();
  const RunId run = add();
  ASSERT_TRUE(forge.told(3));
  EXPECT_GE(std::chrono::steady_clock::now() - began, 1s) << "it asked for a second";
  ASSERT_TRUE(settled(run, ActionState::done));
  EXPECT_EQ(action(run).tries, 3);
}

TEST_F(Status, LeavesAForgeAloneThatSaysItIsAskedTooOften) {
  const auto reset = std::chrono::floor<std::chrono::seconds>(system_now()) + 3600s;
  forge.next("403 Forbidden", concat("X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: ",
                                     reset.time_since_epoch().count(), "\r\n"));
  start();
  const RunId first = add("1");
  ASSERT_TRUE(support::eventually([&] { return action(first).tries == 1; }));
  const RunId second = add("2", std::string(40, 'b'));
  ASSERT_TRUE(support::eventually([&] { return !action(second).why.empty(); }));
  EXPECT_EQ(action(second).why, "waits until the forge has rested");
  EXPECT_EQ(action(second).tries, 0);
  EXPECT_GT(action(second).due, system_now() + 50min);
  EXPECT_EQ(forge.calls().size(), 1U);
}

TEST_F(Status, OutlivesARestartAndOnlyTheNewestCounts) {
  forge.next("503 Unavailable", "Retry-After: 3600\r\n");
  start();
  const RunId run = add();
  ASSERT_TRUE(support::eventually([&] { return action(run).tries == 1; }));
  begin();
  errands.reset();
  store->finish(run, RunState::succeeded, "");
  start();
  ASSERT_TRUE(forge.told(2));
  ASSERT_TRUE(settled(run, ActionState::done));
  EXPECT_EQ(forge.states(), (Words{"pending", "success"})) << "and no late pending";
}

TEST_F(Status, OfALaterRunOfTheSameCommitIsNotOverwrittenByAnEarlierOne) {
  start();
  const RunId early = add("1"), late = add("2");
  ASSERT_TRUE(settled(late, ActionState::done));
  store->request_cancel(early, "not needed");
  ASSERT_TRUE(support::eventually([&] { return action(early).why.starts_with("run 2 of"); }));
  for (const std::string& state : forge.states()) EXPECT_EQ(state, "pending");
}

TEST_F(Status, ThatTheTokenMayNotSetSaysWhatIsMissingAndIsShownWithTheRun) {
  forge.next("403 Forbidden", "", concat(R"({"message":"token )", token, " lacks scope\"}"));
  start();
  const RunId run = add();
  ASSERT_TRUE(settled(run, ActionState::failed));
  const std::string why = action(run).why;
  EXPECT_NE(why.find("403: {\"message\":\"token *** lacks scope\"}"), std::string::npos) << why;
  EXPECT_NE(why.find("the token needs the scope write:repository"), std::string::npos) << why;
  EXPECT_EQ(action(run).tries, 1);
  ASSERT_TRUE(support::eventually([&] { return !store->journal(run, 0, 10).empty(); }));
  EXPECT_EQ(store->journal(run, 0, 10).at(0).text, concat("the forge was not told: ", why));
  reports.with([&](const auto& all) { EXPECT_EQ(all, Words{why}); });
}

TEST_F(Status, WithAWrongTokenSaysSo) {
  forge.next("401 Unauthorized");
  start();
  const RunId run = add();
  ASSERT_TRUE(settled(run, ActionState::failed));
  EXPECT_NE(action(run).why.find("it does not know the token"), std::string::npos)
      << action(run).why;
}

TEST_F(Status, IsNotCarriedToAnotherPlace) {
  FakeForge elsewhere;
  forge.next("307 Temporary Redirect", concat("Location: ", elsewhere.url(), "\r\n"));
  start();
  const RunId run = add();
  ASSERT_TRUE(settled(run, ActionState::failed));
  EXPECT_NE(action(run).why.find("the token goes to no other place"), std::string::npos);
  EXPECT_TRUE(elsewhere.calls().empty());
}

TEST_F(Status, KeepsTheTokenOutOfTheStore) {
  forge.next("500 Oops", "", token);
  start();
  const RunId run = add();
  ASSERT_TRUE(settled(run, ActionState::done));
  stop();
  for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
    if (file.path().filename() == "token" || !file.is_regular_file()) continue;
    EXPECT_EQ(os::read_file(file.path(), 64 << 20).find(token), std::string::npos) << file.path();
  }
}

TEST_F(Status, OfASourceThatTellsNobodyAnyMoreIsDropped) {
  start();
  errands.reset();
  const RunId run = add();
  source().status.reset();
  start();
  ASSERT_TRUE(settled(run, ActionState::done));
  EXPECT_EQ(action(run).why, "the source tells no forge any more");
  EXPECT_TRUE(forge.calls().empty());
}

TEST_F(Status, IsToldToGitHubAsItWants) {
  source().forge = "github";
  source().status->api = forge.url("/api/v3/");
  start();
  add();
  ASSERT_TRUE(forge.told(1));
  const FakeForge::Call call = forge.calls().at(0);
  EXPECT_EQ(call.line(), concat("POST /api/v3/repos/acme/shop/statuses/", commit, " HTTP/1.1"));
  EXPECT_NE(call.head.find(concat("Authorization: Bearer ", token)), std::string::npos);
  EXPECT_EQ(last("context"), "lighterman");
}

TEST_F(Status, IsToldToGitLabAsItWants) {
  source().url = "ssh://git@git.example:2222/acme/tools/shop.git";
  source().forge = "gitlab";
  source().status->api = forge.url("/api/v4");
  start();
  const RunId run = add();
  ASSERT_TRUE(forge.told(1));
  EXPECT_EQ(forge.calls().at(0).line(),
            concat("POST /api/v4/projects/acme%2Ftools%2Fshop/statuses/", commit, " HTTP/1.1"));
  EXPECT_EQ(last("name"), "lighterman");
  EXPECT_EQ(last("ref"), "main");
  ASSERT_TRUE(settled(run, ActionState::done));
  forge.next("400 Bad Request", "",
             R"({"message":"Cannot transition status via :run from :running"})");
  begin();
  ASSERT_TRUE(forge.told(2));
  ASSERT_TRUE(settled(run, ActionState::done)) << "it knew that already";
  store->request_cancel(run, "not needed");
  store->finish(run, RunState::cancelled, "not needed");
  ASSERT_TRUE(forge.told(3));
  EXPECT_EQ(forge.states(), (Words{"pending", "running", "canceled"}));
}

TEST_F(Status, IsToldToBitbucketCloudAsItWants) {
  source().forge = "bitbucket";
  source().status->api = forge.url("/2.0");
  source().status->username = "ann@example.com";
  start();
  const RunId run = add();
  ASSERT_TRUE(forge.told(1));
  const FakeForge::Call call = forge.calls().at(0);
  EXPECT_EQ(call.line(),
            concat("POST /2.0/repositories/acme/shop/commit/", commit, "/statuses/build HTTP/1.1"));
  EXPECT_NE(call.head.find(concat("Basic ", render_base64(concat("ann@example.com:", token)))),
            std::string::npos);
  EXPECT_EQ(call.body, boost::json::value({{"state", "INPROGRESS"},
                                           {"description", "waits to be built"},
                                           {"key", "lighterman"},
                                           {"name", "lighterman"},
                                           {"url", "https://builds.example/#/runs/1"}}));
  store->request_cancel(run, "not needed");
  ASSERT_TRUE(forge.told(2));
  EXPECT_EQ(last("state"), "STOPPED");
}

TEST_F(Status, IsToldToBitbucketDataCenterAsItWants) {
  source().url = "https://git.example/scm/ACME/shop.git";
  source().forge = "bitbucket-server";
  source().status->api = forge.url();
  forge.next("204 No Content", "", "");
  start();
  const RunId run = add();
  ASSERT_TRUE(forge.told(1));
  EXPECT_EQ(forge.calls().at(0).line(),
            concat("POST /rest/api/latest/projects/ACME/repos/shop/commits/", commit,
                   "/builds HTTP/1.1"));
  EXPECT_EQ(last("buildNumber"), "1");
  ASSERT_TRUE(settled(run, ActionState::done));
  begin();
  store->finish(run, RunState::failed, "no");
  ASSERT_TRUE(forge.told(2));
  EXPECT_EQ(last("state"), "FAILED");
}

}  // namespace
}  // namespace lighterman::pipeline
