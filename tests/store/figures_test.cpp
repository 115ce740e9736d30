#include "store/figures.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/text.hpp"
#include "os/file.hpp"
#include "store/schema.hpp"
#include "store/store.hpp"

namespace lighterman::store {
namespace {

class FiguresOfAStore : public ::testing::Test {
 protected:
  RunId add_run(const std::string& delivery, Store::Supersede supersede = Store::Supersede::no) {
    PushEvent event;
    event.source = "shop";
    event.delivery = delivery;
    event.ref = "refs/heads/main";
    return store.add(event, supersede).run;
  }
  std::int64_t ended(RunState state) const {
    std::int64_t runs = 0;
    for (const Figures::Ends& ends : store.figures().ends)
      if (ends.state == state) runs += ends.runs;
    return runs;
  }
  std::int64_t publish(char letter, const std::string& denied = "", bool gone = false) {
    Publication publication{0,
                            1,
                            "shop",
                            "web",
                            Digest::parse(concat("sha256:", std::string(64, letter))),
                            {},
                            now,
                            boost::json::object(),
                            "",
                            false};
    publication.id = store.put_publication(publication);
    publication.denied = denied;
    publication.gone = gone;
    store.update_publication(publication);
    return publication.id;
  }
  void scan(std::int64_t publication, int hour, bool clean, int critical) {
    ScanRecord record;
    record.publication = publication;
    record.scanned = now + std::chrono::hours(hour);
    record.clean = clean;
    record.counts = {{"CRITICAL", critical}, {"LOW", 1}};
    store.put_scan(record);
  }

  Instant now = parse_time("2026-11-24T08:00:00Z");
  os::ScratchFolder folder;
  Store store{{folder.path() / "store.db", [this] { return now; }}};
};

TEST_F(FiguresOfAStore, CountEachEndOnceHoweverARunEnds) {
  add_run("1");
  store.claim({});
  store.finish(1, RunState::failed, "no");
  store.finish(1, RunState::failed, "no");
  add_run("2");
  add_run("3", Store::Supersede::queued);
  store.request_cancel(3, "not needed");
  EXPECT_EQ(ended(RunState::failed), 1);
  EXPECT_EQ(ended(RunState::superseded), 1);
  EXPECT_EQ(ended(RunState::cancelled), 1);
  EXPECT_TRUE(store.figures().queued.empty());
}

TEST_F(FiguresOfAStore, CountWhatRunsAndWaitsAndSinceWhen) {
  add_run("1");
  now += std::chrono::minutes(5);
  add_run("2");
  add_run("3");
  store.claim({});
  const Figures figures = store.figures();
  EXPECT_EQ(figures.running.at("shop"), 1);
  EXPECT_EQ(figures.queued.at("shop"), 2);
  EXPECT_EQ(figures.oldest_queued, now);
}

TEST_F(FiguresOfAStore, CountFindingsOfTheNewestScanOfWhatIsStillTagged) {
  const auto first = publish('a'), gone = publish('b', "", true), denied = publish('c', "old");
  scan(first, 1, false, 7);
  scan(first, 2, true, 2);
  scan(gone, 1, false, 100);
  scan(denied, 1, true, 1);
  publish('d');
  const auto images = store.image_figures();
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].tagged, 3);
  EXPECT_EQ(images[0].dirty, 1);
  EXPECT_EQ(images[0].findings.at("CRITICAL"), 3);
}

TEST_F(FiguresOfAStore, CountReplicationsUntilTheyAreAtTheirEnd) {
  const Reference source = Reference::parse(concat("r.example/web@sha256:", std::string(64, 'a')));
  const auto add = [&](const std::string& target) {
    return store.add_replication({0,
                                  0,
                                  "all",
                                  source,
                                  Reference::parse(target),
                                  {"main"},
                                  {},
                                  ReplicationState::waiting,
                                  0,
                                  now,
                                  now,
                                  {},
                                  {},
                                  0,
                                  0,
                                  0,
                                  0,
                                  "",
                                  {}});
  };
  add("far.example/web");
  store.cancel_replication(add("near.example/web"), "not needed");
  EXPECT_EQ(store.figures().replications, (std::map<std::string, std::int64_t>{{"waiting", 1}}));
}

TEST(FiguresOfAnOldStore, CountTheRunsItAlreadyHad) {
  const os::ScratchFolder folder;
  const auto file = folder.path() / "l.db";
  {
    Connection database(file, Connection::Access::write);
    migrate(database, schema_steps().first(7));
    for (const int id : {1, 2})
      database.perform("INSERT INTO events VALUES (?, 'shop', ?, 0, '{}')", std::int64_t{id},
                       std::int64_t{id});
    database.execute(
        "INSERT INTO runs (id, source, ref, asked_commit, asks, state, created, ended)"
        " VALUES (1, 'shop', '', '', '', 'denied', 0, 1), (2, 'shop', '', '', '', 'queued', 0,"
        " NULL)");
  }
  const Figures figures = Store({file}).figures();
  ASSERT_EQ(figures.ends.size(), 1U);
  EXPECT_EQ(figures.ends[0].state, RunState::denied);
  EXPECT_EQ(figures.queued.at("shop"), 1);
}

TEST_F(FiguresOfAStore, AStatusIsDueAgainWhenTheRunMovesOnEvenWhileItIsTold) {
  store.announce({"shop"});
  const RunId run = add_run("1");
  const lighterman::Run before = store.get(run);
  ActionRecord action = store.find_due_action(now, Errand::status).value();
  EXPECT_EQ(action.kind, "status");
  EXPECT_FALSE(store.find_due_action(now, Errand::notice));
  store.claim({});
  action.state = ActionState::done;
  action.body = {{"state", "pending"}};
  store.put_status(action, before);
  const auto again = store.find_due_action(now, Errand::status);
  ASSERT_TRUE(again) << "that it runs was not told";
  EXPECT_EQ(again->body, action.body);
  store.put_status(action, store.get(run));
  EXPECT_FALSE(store.next_due(Errand::status));
  store.put_commit(run, std::string(40, 'a'));
  EXPECT_TRUE(store.next_due(Errand::status));
}

}  // namespace
}  // namespace lighterman::store
