#include "audit/trail.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "store/store.hpp"

namespace lighterman::audit {
namespace {

class TrailOf : public ::testing::Test {
 protected:
  void did(const std::string& deed, const std::string& why = "") {
    AuditEntry entry;
    entry.who = "token \"ann\"";
    entry.deed = deed;
    entry.subject = "run 1";
    entry.why = why;
    entry.address = "192.0.2.7";
    Trail(store).add(std::move(entry));
    now += std::chrono::seconds(1);
  }
  /// What somebody with the file and no respect does.
  void tamper(const std::string& sql) const {
    tamper_again(concat("DROP TRIGGER audit_stays; DROP TRIGGER audit_keeps; ", sql));
  }
  void tamper_again(const std::string& all) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, all.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }
  std::vector<std::string> faults(Check check = {}) {
    const store::Ledger ledger(store);
    walk([&](std::int64_t after) { return ledger.after(after, 2); },
         [&](const AuditEntry& entry) { check.see(entry); });
    check.end_at(ledger.last_given());
    return check.faults();
  }

  os::ScratchFolder folder;
  std::filesystem::path file = folder.path() / "l.db";
  Instant now{std::chrono::hours(1000)};
  store::Store store{{file, [this] { return now; }}};
};

TEST_F(TrailOf, HoldsEveryEntryAndEachFollowsTheOneBefore) {
  for (int turn = 0; turn < 5; ++turn) did("retry", "it was the network");
  EXPECT_EQ(faults(), std::vector<std::string>());
  const auto entries = store::Ledger(store).after(0, 10);
  ASSERT_EQ(entries.size(), 5U);
  EXPECT_EQ(entries[0].previous, "");
  EXPECT_EQ(entries[4].previous, entries[3].hash);
  EXPECT_EQ(entries[4].number, 5);
  EXPECT_EQ(entries[1].when - entries[0].when, std::chrono::seconds(1));
}

TEST_F(TrailOf, HashesTheBytesThatTheManualSays) {
  did("retry", "é");
  const AuditEntry entry = store::Ledger(store).after(0, 1).at(0);
  EXPECT_EQ(canonical(entry),
            "lighterman-audit-1:1:1,10:3600000000,11:token \"ann\",5:retry,5:run 1,2:é,"
            "9:192.0.2.7,0:,");
  // printf of the line above | sha256sum
  EXPECT_EQ(entry.hash, "8f487dd28e8ea53a1837234eee3a81e502df30d508585670ad42cfb213c8d250");
}

TEST_F(TrailOf, IsOnlyAddedTo) {
  did("retry");
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
  for (const char* sql : {"UPDATE audit SET why = 'x'", "DELETE FROM audit"})
    EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_CONSTRAINT) << sql;
  sqlite3_close(database);
}

TEST_F(TrailOf, NamesTheEntryThatWasChanged) {
  for (int turn = 0; turn < 3; ++turn) did("retry");
  tamper("UPDATE audit SET who = 'token \"bob\"' WHERE number = 2");
  EXPECT_EQ(faults(),
            std::vector<std::string>{"entry 2 was changed: its hash is of something else"});
}

TEST_F(TrailOf, NamesTheEntryThatWasMadeAnewWithItsHash) {
  for (int turn = 0; turn < 3; ++turn) did("retry");
  AuditEntry forged = store::Ledger(store).after(1, 1).at(0);
  forged.who = "token \"bob\"";
  tamper(concat("UPDATE audit SET who = 'token \"bob\"', hash = '", seal(forged),
                "' WHERE number = 2"));
  EXPECT_EQ(faults(), std::vector<std::string>{"entry 3 does not follow entry 2: one of them was "
                                               "moved or made anew"});
}

TEST_F(TrailOf, NamesEntriesThatAreMissing) {
  for (int turn = 0; turn < 6; ++turn) did("retry");
  tamper("DELETE FROM audit WHERE number IN (2, 4, 5)");
  EXPECT_EQ(faults(),
            (std::vector<std::string>{"entry 2 is missing", "entries 4 to 5 are missing"}));
}

TEST_F(TrailOf, SeesThatTheEndWasCutOff) {
  for (int turn = 0; turn < 4; ++turn) did("retry");
  tamper("DELETE FROM audit WHERE number > 2");
  EXPECT_EQ(faults(), std::vector<std::string>{"entries 3 to 4, the last ones, are missing"});
}

TEST_F(TrailOf, SeesThatTheEndWasCutOffAfterItWentOn) {
  for (int turn = 0; turn < 4; ++turn) did("retry");
  tamper("DELETE FROM audit WHERE number > 2");
  did("cancel");
  EXPECT_EQ(store::Ledger(store).last_given(), 5);
  const auto found = faults();
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0], "entries 3 to 4 are missing");
  for (int turn = 0; turn < 2; ++turn) did("retry");
  tamper_again("DELETE FROM audit");
  did("cancel");
  EXPECT_EQ(store::Ledger(store).after(0, 1).at(0).number, 8) << "also when nothing is left";
}

TEST_F(TrailOf, NamesEntriesThatChangedPlaces) {
  for (const char* deed : {"retry", "cancel", "allow", "login"}) did(deed);
  tamper(
      "UPDATE audit SET number = 9 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 3;"
      " UPDATE audit SET number = 3 WHERE number = 9");
  const auto found = faults();
  ASSERT_GE(found.size(), 2U);
  EXPECT_EQ(found[0], "entry 2 was changed: its hash is of something else");
  EXPECT_EQ(found[1], "entry 3 was changed: its hash is of something else");
}

TEST_F(TrailOf, SeesByAHeadThatAllOfItWasMadeAnew) {
  for (int turn = 0; turn < 3; ++turn) did("retry");
  Check good;
  good.expect(2, store::Ledger(store).after(1, 1).at(0).hash);
  EXPECT_EQ(faults(good), std::vector<std::string>());
  Check other;
  other.expect(2, std::string(64, '0'));
  EXPECT_EQ(faults(other),
            std::vector<std::string>{"entry 2 is another one than the one that was written down"});
  Check longer;
  longer.expect(7, std::string(64, '0'));
  EXPECT_EQ(faults(longer),
            std::vector<std::string>{"entry 7, which was written down, is missing"});
}

TEST_F(TrailOf, TakesTextOfAnyKindAndKeepsItToALine) {
  did("retry", concat("a\nb\xff", std::string(5000, 'x')));
  const AuditEntry entry = store::Ledger(store).after(0, 1).at(0);
  EXPECT_TRUE(entry.why.starts_with("a b\xEF\xBF\xBDx")) << entry.why;
  EXPECT_LE(entry.why.size(), 1000U);
  EXPECT_EQ(faults(), std::vector<std::string>());
}

TEST_F(TrailOf, IsListedNewestFirstAndByWhoAndSince) {
  did("retry");
  did("cancel");
  const Instant later = now;
  did("retry");
  const store::Ledger ledger(store);
  const auto numbers = [&](const store::LedgerFilter& filter) {
    std::vector<std::int64_t> found;
    for (const AuditEntry& entry : ledger.list(filter)) found.push_back(entry.number);
    return found;
  };
  using Numbers = std::vector<std::int64_t>;
  EXPECT_EQ(numbers({}), (Numbers{3, 2, 1}));
  EXPECT_EQ(numbers({.deed = "retry"}), (Numbers{3, 1}));
  EXPECT_EQ(numbers({.who = "token \"bob\""}), Numbers());
  EXPECT_EQ(numbers({.since = later}), Numbers{3});
  EXPECT_EQ(numbers({.before = 3, .limit = 1}), Numbers{2});
}

TEST(Csv, QuotesAndHidesFormulas) {
  AuditEntry entry;
  entry.number = 1;
  entry.who = "=1+1";
  entry.why = "he said \"no\"";
  EXPECT_EQ(
      csv_line(entry),
      "1,1970-01-01T00:00:00.000Z,\"'=1+1\",\"\",\"\",\"he said \"\"no\"\"\",\"\",\"\",\"\"\r\n");
}

}  // namespace
}  // namespace lighterman::audit
