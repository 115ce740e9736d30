#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/error.hpp"
#include "os/file.hpp"
#include "store/schema.hpp"
#include "store/store.hpp"

namespace lighterman::store {
namespace {

class Hooks : public ::testing::Test {
 protected:
  RunId add_run(const std::string& delivery = "d1") {
    PushEvent event;
    event.source = "shop";
    event.delivery = delivery;
    event.ref = "refs/heads/main";
    return store.add(event, Store::Supersede::no).run;
  }
  static HookRecord record(RunId run, const std::string& hook = "on_staged") {
    HookRecord record;
    record.run = run;
    record.source = "shop";
    record.image = "web";
    record.hook = hook;
    record.facts = {{"size", 12}};
    record.answers = boost::json::array();
    record.decision = {{"deny", {"too large"}}};
    return record;
  }
  static ActionRecord post(Instant due) {
    ActionRecord action;
    action.plugin = "notify";
    action.kind = "post";
    action.body = {{"url", "https://chat.example/hook"}};
    action.state = ActionState::waiting;
    action.due = due;
    return action;
  }

  os::ScratchFolder folder;
  Instant now{std::chrono::hours(1000)};
  Store store{{folder.path() / "l.db", [this] { return now; }}};
};

TEST_F(Hooks, AQuestionAskedAgainReplacesWhatNobodyDidYet) {
  const RunId run = add_run();
  store.put_hook(record(run), std::vector{post(now), post(now)});
  ActionRecord told = store.actions(run).at(0);
  told.state = ActionState::done;
  store.put_action(told);
  HookRecord again = record(run);
  again.decision = {{"deny", {"something else"}}};
  store.put_hook(again, {});

  ASSERT_EQ(store.actions(run).size(), 1u);
  EXPECT_EQ(store.actions(run).at(0).state, ActionState::done);
  EXPECT_EQ(store.find_hook(run, "web", "on_staged")->decision.at("deny").at(0), "something else");
}

TEST_F(Hooks, ActionsComeWhenTheyAreDue) {
  const RunId run = add_run();
  const auto later = now + std::chrono::minutes(1);
  EXPECT_FALSE(store.next_due(Errand::notice));
  store.put_hook(record(run), std::vector{post(later), post(now)});
  std::optional<ActionRecord> due = store.find_due_action(now, Errand::notice);
  ASSERT_TRUE(due);
  due->state = ActionState::done;
  store.put_action(*due);
  EXPECT_FALSE(store.find_due_action(now, Errand::notice));
  EXPECT_EQ(store.next_due(Errand::notice), later);
  EXPECT_EQ(store.find_due_action(later, Errand::notice)->body.at("url"),
            "https://chat.example/hook");
}

TEST_F(Hooks, OldFactsAreForgottenAndDecisionsStay) {
  const RunId old = add_run("d1"), open = add_run("d2");
  store.put_hook(record(old), {});
  store.put_hook(record(open), {});
  store.finish(old, RunState::denied, "too large");
  now += std::chrono::hours(100);
  EXPECT_EQ(store.forget_hooks(now - std::chrono::hours(1)), 1);
  EXPECT_TRUE(store.find_hook(old, "web", "on_staged")->facts.is_null());
  EXPECT_EQ(store.find_hook(old, "web", "on_staged")->decision.at("deny").at(0), "too large");
  ASSERT_EQ(store.hooks({}).size(), 1u);
  EXPECT_EQ(store.hooks({}).front().run, open);
}

TEST_F(Hooks, ListsTheNewestOfAKindFirst) {
  const RunId run = add_run();
  for (const char* hook : {"on_push", "on_staged", "on_published"}) {
    store.put_hook(record(run, hook), {});
  }
  HookFilter filter;
  EXPECT_EQ(store.hooks(filter).front().hook, "on_published");
  filter.before = store.hooks(filter).front().id;
  filter.limit = 1;
  EXPECT_EQ(store.hooks(filter).front().hook, "on_staged");
  filter = {};
  filter.hook = "on_push";
  EXPECT_EQ(store.hooks(filter).size(), 1u);
}

TEST(Migration, ADatabaseOfTheFirstVersionGetsTheNewTablesAndKeepsItsRuns) {
  const os::ScratchFolder folder;
  const auto file = folder.path() / "l.db";
  {
    Connection database(file, Connection::Access::write);
    migrate(database, schema_steps().first(1));
    PushEvent event;
    event.source = "shop";
    database.perform("INSERT INTO events VALUES (1, 'shop', 'd', 0, ?)",
                     boost::json::serialize(to_json(event)));
    database.perform(
        "INSERT INTO runs (id, source, ref, asked_commit, asks, state, created)"
        " VALUES (1, 'shop', '', '', '', 'succeeded', 0)");
  }
  Store store({file});
  EXPECT_EQ(store.get(1).event.source, "shop");
  EXPECT_TRUE(store.actions(1).empty());
  EXPECT_TRUE(store.publications({}).empty());
}

}  // namespace
}  // namespace lighterman::store
