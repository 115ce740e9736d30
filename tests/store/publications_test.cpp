#include <gtest/gtest.h>

#include "core/error.hpp"
#include "os/file.hpp"
#include "store/store.hpp"

namespace lighterman::store {
namespace {

class Publications : public ::testing::Test {
 protected:
  static Digest digest(char letter) {
    return Digest::parse(concat("sha256:", std::string(64, letter)));
  }
  std::int64_t publish(char letter, std::vector<std::string> tags,
                       const std::string& repository = "registry.example/shop") {
    Publication publication{0,
                            7,
                            "shop",
                            "web",
                            digest(letter),
                            {{Reference::parse(repository), std::move(tags)}},
                            Instant(std::chrono::hours(1)),
                            {{"name", "web"}},
                            "",
                            false};
    return store.put_publication(publication);
  }
  void scan(std::int64_t publication, int hour, bool clean) {
    ScanRecord record;
    record.publication = publication;
    record.scanned = Instant(std::chrono::hours(hour));
    record.clean = clean;
    if (!clean) record.reasons = {"CRITICAL CVE-1"};
    record.known = {"CVE-1 zlib"};
    store.put_scan(record);
  }

  os::ScratchFolder folder;
  Store store{{folder.path() / "l.db"}};
};

TEST_F(Publications, TheSameImagePublishedAgainIsOneWithAllItsTags) {
  const std::int64_t first = publish('a', {"main", "sha-1"});
  EXPECT_EQ(publish('a', {"main", "1.2.3"}), first);
  EXPECT_EQ(publish('a', {"main"}, "mirror.example/shop"), first);
  const auto found = store.publications({});
  ASSERT_EQ(found.size(), 1U);
  ASSERT_EQ(found.at(0).publication.targets.size(), 2U);
  EXPECT_EQ(found.at(0).publication.targets.at(0).tags,
            (std::vector<std::string>{"main", "sha-1", "1.2.3"}));
  EXPECT_FALSE(found.at(0).last);
}

TEST_F(Publications, WhatWasCleanOnMondayAndIsNotTodayIsOneQuery) {
  const std::int64_t went_bad = publish('a', {"a"}), was_bad = publish('b', {"b"}),
                     fine = publish('c', {"c"}), later = publish('d', {"d"});
  scan(went_bad, 10, true);
  scan(went_bad, 50, false);
  scan(was_bad, 10, false);
  scan(was_bad, 50, false);
  scan(fine, 10, true);
  scan(fine, 50, true);
  scan(later, 50, false);
  PublicationFilter filter;
  filter.clean = false;
  EXPECT_EQ(store.publications(filter).size(), 3U);
  filter.clean_at = Instant(std::chrono::hours(24));
  const auto found = store.publications(filter);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.at(0).publication.id, went_bad);
  EXPECT_EQ(found.at(0).last->reasons, std::vector<std::string>{"CRITICAL CVE-1"});
  filter.clean_at = Instant(std::chrono::hours(60));
  EXPECT_TRUE(store.publications(filter).empty());
}

TEST_F(Publications, ComeInPagesNewestFirstAndThoseThatAreGoneApart) {
  publish('a', {"a"});
  const std::int64_t second = publish('b', {"b"});
  publish('c', {"c"});
  PublicationFilter filter;
  filter.limit = 2;
  auto page = store.publications(filter);
  ASSERT_EQ(page.size(), 2U);
  EXPECT_EQ(page.at(1).publication.id, second);
  filter.before = second;
  ASSERT_EQ(store.publications(filter).size(), 1U);

  Publication gone = page.at(1).publication;
  gone.gone = true;
  gone.denied = "found later";
  store.update_publication(gone);
  filter = {};
  EXPECT_EQ(store.publications(filter).size(), 2U);
  filter.gone = true;
  ASSERT_EQ(store.publications(filter).size(), 1U);
  EXPECT_EQ(store.publications(filter).at(0).publication.denied, "found later");
  publish('b', {"b"});
  EXPECT_TRUE(store.publications(filter).empty()) << "published again";
}

}  // namespace
}  // namespace lighterman::store
