#include <gtest/gtest.h>

#include "core/text.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "store/store.hpp"

namespace lighterman::store {
namespace {

class Signatures : public ::testing::Test {
 protected:
  static Reference image(const std::string& content, const std::string& repository = "acme/shop") {
    return Reference::parse(concat("registry.example/", repository)).at(os::sha256(content));
  }
  SignatureRecord record(const std::string& key, const std::string& content,
                         const std::string& form = "legacy", const std::string& said = "signed") {
    return {key,  image(content),   "https://sigstore.dev/cosign/sign/v1",
            form, os::sha256(said), os::sha256("manifest"),
            now};
  }
  void put(std::vector<SignatureRecord> records) { store.put_signatures(records); }
  /// Contents of the images, newest first.
  std::vector<Digest> images(const SignatureFilter& filter) const {
    std::vector<Digest> found;
    for (const SignatureRecord& each : store.signatures(filter))
      found.push_back(*each.image.digest());
    return found;
  }
  std::vector<std::int64_t> ids(const SignatureFilter& filter) const {
    std::vector<std::int64_t> found;
    for (const SignatureRecord& each : store.signatures(filter)) found.push_back(each.id);
    return found;
  }

  os::ScratchFolder folder;
  Instant now{std::chrono::hours(1000)};
  Store store{{folder.path() / "l.db", [this] { return now; }}};
};

TEST_F(Signatures, AreKeptOnceHoweverOftenTheyAreMade) {
  put({record("old", "a")});
  SignatureRecord again = record("old", "a");
  again.artifact = os::sha256("another manifest");
  put({again, record("old", "a", "bundle"), record("old", "a", "legacy", "something else")});
  const auto kept = store.signatures({});
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_EQ(kept.back().artifact, again.artifact) << "others add to the manifest that holds it";
  EXPECT_EQ(kept.back().image, image("a"));
  EXPECT_EQ(kept.back().when, now);
  EXPECT_EQ(store.count_signatures({}).images, 1);
}

TEST_F(Signatures, ComeInPages) {
  for (const char* content : {"a", "b", "c"}) put({record("old", content), record("new", content)});
  SignatureFilter filter{.key_hint = "old", .limit = 2};
  EXPECT_EQ(images(filter), (std::vector{os::sha256("c"), os::sha256("b")}));
  filter.before = store.signatures(filter).back().id;
  EXPECT_EQ(images(filter), std::vector{os::sha256("a")});
  EXPECT_EQ(images({.image = image("b")}).size(), 2U);
  EXPECT_TRUE(images({.image = image("b", "acme/other")}).empty());
}

TEST_F(Signatures, TellWhatTheSuccessorDidNotSign) {
  put({record("old", "a"), record("old", "b"), record("old", "c"), record("old", "c", "bundle"),
       record("new", "a"), record("new", "c"), record("third", "b"),
       record("new", "b", "legacy", "something else")});
  EXPECT_EQ(images({.key_hint = "old", .lacking = "new"}),
            (std::vector{os::sha256("c"), os::sha256("b")}));
  const SignatureCount count = store.count_signatures({.key_hint = "old", .lacking = "new"});
  EXPECT_EQ(count.signatures, 2);
  EXPECT_EQ(count.images, 2);
  EXPECT_EQ(store.count_signatures({.key_hint = "old"}).signatures, 4);
}

TEST_F(Signatures, TellWhichImagesStillHaveATag) {
  put({record("old", "a"), record("old", "b")});
  const auto tag = [&](const std::string& repository, const std::string& content) {
    store.put_tag(Reference::parse(concat("registry.example/", repository, ":1")),
                  {"c0ffee", "refs/heads/main", os::sha256(content), 1});
  };
  tag("acme/shop", "a");
  tag("acme/shop-2", "b");
  EXPECT_EQ(images({.key_hint = "old", .tagged = true}), std::vector{os::sha256("a")});
  tag("acme/shop", "b");
  EXPECT_EQ(images({.key_hint = "old", .tagged = true}), std::vector{os::sha256("b")});
}

TEST_F(Signatures, AreForgottenWithTheirImageOrKey) {
  put({record("old", "a"), record("new", "a"), record("old", "b"), record("new", "b")});
  store.put_signature_trouble(ids({.image = image("b")}), "registry.example is down");
  EXPECT_EQ(images({.troubled = true}).size(), 2U);
  EXPECT_EQ(store.signatures({.troubled = true}).front().why, "registry.example is down");
  store.forget_signatures_of(image("a"));
  EXPECT_EQ(images({}).size(), 2U);
  store.forget_signatures_by("old");
  ASSERT_EQ(images({}).size(), 1U);
  EXPECT_EQ(store.signatures({}).front().key_hint, "new");
}

}  // namespace
}  // namespace lighterman::store
