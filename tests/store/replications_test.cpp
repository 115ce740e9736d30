#include <gtest/gtest.h>

#include "core/error.hpp"
#include "os/file.hpp"
#include "store/store.hpp"

namespace lighterman::store {
namespace {

using State = ReplicationState;

class Replications : public ::testing::Test {
 protected:
  static Replication wanted(char letter, std::vector<std::string> tags,
                            const std::string& target = "far.example/shop") {
    return {0,
            7,
            "far",
            Reference::parse("near.example/shop")
                .at(Digest::parse(concat("sha256:", std::string(64, letter)))),
            Reference::parse(target),
            std::move(tags),
            {},
            State::waiting,
            0,
            {},
            now,
            {},
            {},
            0,
            0,
            0,
            0,
            "",
            {}};
  }
  State state(std::int64_t id) { return store.get_replication(id).state; }

  static inline const Instant now{std::chrono::hours(1)};
  os::ScratchFolder folder;
  Store store{{folder.path() / "l.db", [] { return now; }}};
};

TEST_F(Replications, OneThatWaitsIsSupersededByANewerImageForTheSameTags) {
  const std::int64_t old = store.add_replication(wanted('a', {"main"}));
  const std::int64_t fixed = store.add_replication(wanted('a', {"sha-1"}));
  const std::int64_t newer = store.add_replication(wanted('b', {"main", "latest"}));
  EXPECT_EQ(state(old), State::superseded);
  EXPECT_NE(store.get_replication(old).why.find(std::to_string(newer)), std::string::npos);
  EXPECT_EQ(state(fixed), State::waiting) << "nobody else carries that tag";
  EXPECT_EQ(store.add_replication(wanted('b', {"main"})), newer) << "asked for twice, done once";
}

TEST_F(Replications, OneThatWasHeldUpLeavesItsTagsToThoseThatCameAfterIt) {
  const std::int64_t old = store.add_replication(wanted('a', {"latest", "1.0"}));
  ASSERT_EQ(store.claim_replication(now)->id, old);
  const std::int64_t newer = store.add_replication(wanted('b', {"latest", "1.1"}));
  // The daemon stopped, or the registry was away for a while.
  store.requeue_replications();
  const auto again = store.claim_replication(now);
  ASSERT_EQ(again->id, old);
  EXPECT_EQ(again->tags, std::vector<std::string>{"1.0"});
  store.requeue_replications();
  store.add_replication(wanted('c', {"1.0"}));
  EXPECT_EQ(store.claim_replication(now)->id, newer) << "nothing is left for the first";
  EXPECT_EQ(state(old), State::superseded);
}

TEST_F(Replications, TwoNeverWriteToOneRepositoryAtTheSameTime) {
  const std::int64_t first = store.add_replication(wanted('a', {"a"}));
  store.add_replication(wanted('b', {"b"}));
  const std::int64_t elsewhere = store.add_replication(wanted('b', {"b"}, "other.example/shop"));
  EXPECT_EQ(store.claim_replication(now)->id, first);
  EXPECT_EQ(store.claim_replication(now)->id, elsewhere);
  EXPECT_FALSE(store.claim_replication(now));
  Replication done = store.get_replication(first);
  EXPECT_EQ(done.tries, 1);
  done.state = State::done;
  done.ended = now;
  done.sent_bytes = 5;
  done.notes = {"left one"};
  EXPECT_TRUE(store.put_replication(done));
  EXPECT_EQ(store.get_replication(first).sent_bytes, 5U);
  EXPECT_EQ(store.get_replication(first).notes, std::vector<std::string>{"left one"});
  EXPECT_TRUE(store.claim_replication(now));
}

TEST_F(Replications, AreAskedForWithoutWakingOthersWhoAsk) {
  const std::uint64_t seen = store.version();
  EXPECT_FALSE(store.claim_replication(now));
  EXPECT_EQ(store.version(), seen) << "two who wait would keep a processor each";
}

TEST_F(Replications, WaitUntilTheirTime) {
  Replication later = wanted('a', {"a"});
  later.due = now + std::chrono::hours(1);
  store.add_replication(later);
  EXPECT_FALSE(store.claim_replication(now));
  EXPECT_EQ(store.next_replication(), later.due);
  EXPECT_TRUE(store.claim_replication(later.due));
}

TEST_F(Replications, OneThatIsCancelledStaysSo) {
  const std::int64_t id = store.add_replication(wanted('a', {"a"}));
  Replication running = *store.claim_replication(now);
  EXPECT_TRUE(store.cancel_replication(id, "cancelled by ann"));
  running.state = State::done;
  EXPECT_FALSE(store.put_replication(running));
  EXPECT_EQ(state(id), State::cancelled);
  EXPECT_FALSE(store.cancel_replication(id, "again"));
  EXPECT_THROW(store.cancel_replication(99, ""), Error);
}

TEST_F(Replications, GoOnAfterTheDaemonDied) {
  const std::int64_t id = store.add_replication(wanted('a', {"a"}));
  store.claim_replication(now);
  EXPECT_EQ(store.requeue_replications(), 1);
  EXPECT_EQ(state(id), State::waiting);
  EXPECT_EQ(store.claim_replication(now)->tries, 2);
}

TEST_F(Replications, AreForgottenOnceTheyAreOldAndOver) {
  const std::int64_t open = store.add_replication(wanted('a', {"a"}));
  const std::int64_t over = store.add_replication(wanted('b', {"b"}));
  store.cancel_replication(over, "");
  store.forget_replications(now + std::chrono::hours(1));
  EXPECT_EQ(state(open), State::waiting);
  EXPECT_THROW(store.get_replication(over), Error);
}

}  // namespace
}  // namespace lighterman::store
