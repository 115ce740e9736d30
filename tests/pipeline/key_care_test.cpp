// What happens to signatures when their key is replaced, seen in a real registry by the real
// cosign.
#include "pipeline/key_care.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "os/file.hpp"
#include "pipeline/house.hpp"
#include "pipeline/signing.hpp"
#include "support/peers.hpp"

namespace lighterman::pipeline {
namespace {

using std::chrono::days;

const Secret password("s3cret");

/// A shop whose images are all signed with the key "release", and come with their provenance.
class KeyCareTest : public ::testing::Test {
 protected:
  KeyCareTest() {
    os::replace_file(folder.path() / "password", "s3cret", 0600);
    ring.add("release", password, start);
    house.config.keys = config::Keys{folder.path() / "keys",
                                     concat("file:", (folder.path() / "password").string()), true};
    os::replace_file(folder.path() / "sign.lua",
                     R"(-- sign.lua: every image is signed, and says how it was made.
return {
  on_staged = function(image)
    return { sign = { { key = "release", claims = { commit = image.push.commit } } },
             attach = { { kind = "provenance" } } }
  end,
})");
    house.config.plugin_folders = {folder.path()};
    house.config.plugins["sign"].name = "sign";
    house.image().tags = {"{branch}"};
    house.start();
  }
  /// Another image, under the tag "main".
  Reference push(const std::string& text) {
    write_shop(house.git, text);
    house.git.commit(text);
    const lighterman::Run run = house.push();
    EXPECT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
    return house.published(run.id).reference;
  }
  bool care(Instant now) {
    return care_for_keys(*house.yard, *house.store, now,
                         [&](const KeyNews& news) {
                           told += concat(news.good ? "" : "warning: ", news.key, ": ", news.text,
                                          '\n');
                         },
                         {});
  }
  bool convinces(const Reference& image, const std::string& key, const std::string& verb = "verify",
                 std::vector<std::string> more = {}) {
    bool all = true;
    for (const char* cosign : {"cosign2", "cosign3"}) {
      std::vector<std::string> words{verb, "--key", (folder.path() / "keys" / key).string(),
                                     "--insecure-ignore-tlog"};
      words.insert(words.end(), more.begin(), more.end());
      words.push_back(image.text());
      all = peers.run(cosign, words).exit_code == 0 && all;
    }
    return all;
  }
  std::string hint(std::size_t generation) {
    return ring.entries("release").at(generation).public_key.hint();
  }
  std::int64_t signed_by(const std::string& hint) {
    return house.store->count_signatures({.key_hint = hint}).signatures;
  }
  bool has(const std::string& part) const { return told.find(part) != std::string::npos; }

  const Instant start = system_now();
  os::ScratchFolder folder;
  support::Peers peers{folder.path()};
  trust::Keyring ring{folder.path() / "keys"};
  House house;
  std::string told;
};

TEST_F(KeyCareTest, AnImageFromBeforeTheRotationConvincesWithTheNewKey) {
  const Reference image = push("one");
  EXPECT_EQ(signed_by(hint(0)), 4) << "signature and provenance, in two forms each";
  EXPECT_TRUE(convinces(image, "release.pub"));
  ring.rotate("release", password, start);
  EXPECT_FALSE(convinces(image, "release.2.pub"));
  ASSERT_TRUE(care(start)) << told;
  EXPECT_TRUE(has("its successor signed 1 image again")) << told;
  EXPECT_FALSE(has("warning")) << told;
  EXPECT_TRUE(convinces(image, "release.2.pub"));
  EXPECT_TRUE(convinces(image, "release.2.pub", "verify",
                        {"-a", concat("commit=", house.store->get(1).commit)}))
      << "the claims are the same";
  EXPECT_TRUE(
      convinces(image, "release.2.pub", "verify-attestation", {"--type", "slsaprovenance1"}));
  EXPECT_TRUE(convinces(image, "release.pub")) << "the old one stays good";

  told.clear();
  the_registry().clear_access_log();
  ASSERT_TRUE(care(start + days(1)));
  EXPECT_EQ(told, "") << "all was done";
  EXPECT_EQ(the_registry().access_log().find(house.repository), std::string::npos);
}

TEST_F(KeyCareTest, WhileTwoKeysSignNewImagesGetBothSignatures) {
  ring.rotate("release", password, start);
  const Reference image = push("one");
  EXPECT_EQ(signed_by(hint(0)), 4);
  EXPECT_EQ(signed_by(hint(1)), 4);
  EXPECT_TRUE(convinces(image, "release.pub"));
  EXPECT_TRUE(convinces(image, "release.2.pub"));
  ring.finish("release", start);
  const Reference next = push("two");
  EXPECT_FALSE(convinces(next, "release.pub"));
  EXPECT_TRUE(convinces(next, "release.2.pub"));
}

TEST_F(KeyCareTest, OnlyTaggedImagesAreSignedAgainUnlessAllAreToBe) {
  const Reference left = push("one"), tagged = push("two");
  ring.rotate("release", password, start);
  house.config.keys->resign = config::Resign::none;
  house.start();
  ASSERT_TRUE(care(start));
  EXPECT_EQ(signed_by(hint(0)), 0);
  house.config.keys->resign = config::Resign::tagged;
  house.start();
  ASSERT_TRUE(care(start));
  EXPECT_TRUE(convinces(tagged, "release.2.pub"));
  EXPECT_FALSE(convinces(left, "release.2.pub"));
  house.config.keys->resign = config::Resign::all;
  house.start();
  ASSERT_TRUE(care(start));
  EXPECT_TRUE(convinces(left, "release.2.pub"));
}

TEST_F(KeyCareTest, AnImageThatIsGoneIsForgotten) {
  const Reference image = push("one");
  house.yard->registry(image.host()).delete_manifest(image, {});
  ring.rotate("release", password, start);
  ASSERT_TRUE(care(start));
  EXPECT_TRUE(has("1 image that it signed are gone")) << told;
  EXPECT_EQ(house.store->count_signatures({}).signatures, 0);
}

TEST_F(KeyCareTest, ThePrivateKeyStaysUntilNothingIsLeftToSignAgain) {
  const auto old_key = folder.path() / "keys/release.key";
  push("one");
  ring.rotate("release", password, start);
  os::replace_file(folder.path() / "password", "typo", 0600);
  EXPECT_FALSE(care(start + days(8)));
  EXPECT_TRUE(has("warning: release: 1 image could not be signed again")) << told;
  EXPECT_TRUE(std::filesystem::exists(old_key)) << "its overlap is over, but its image waits";
  const auto waiting = house.store->signatures({.troubled = true});
  ASSERT_EQ(waiting.size(), 4U);
  EXPECT_NE(waiting.front().why.find("release.2.key"), std::string::npos) << waiting.front().why;
  EXPECT_EQ(waiting.front().why.find("typo"), std::string::npos);

  told.clear();
  os::replace_file(folder.path() / "password", "s3cret", 0600);
  EXPECT_TRUE(care(start + days(6)));
  EXPECT_TRUE(std::filesystem::exists(old_key)) << "it still signs";
  EXPECT_TRUE(care(start + days(8)));
  EXPECT_TRUE(has("deleted the private key")) << told;
  EXPECT_FALSE(std::filesystem::exists(old_key));
}

TEST_F(KeyCareTest, ThePrivateKeyGoesAtItsEndDateAtTheLatest) {
  push("one");
  ring.rotate("release", password, start);
  os::replace_file(folder.path() / "password", "typo", 0600);
  care(start + days(7 + 365));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "keys/release.key"));
  EXPECT_TRUE(has("its end date is over; it had signed 1 image")) << told;
  EXPECT_EQ(house.store->count_signatures({}).signatures, 0);
}

TEST_F(KeyCareTest, AKeyOverItsAgeSignsNothingAgain) {
  push("one");
  ring.rotate("release", password, start);
  const Instant late = start + days(91);
  EXPECT_FALSE(care(late));
  EXPECT_TRUE(has("key \"release\" is 91 days old, its limit is 90 days")) << told;
  EXPECT_EQ(signed_by(hint(0)), 0);
  house.config.keys->refuse_expired = false;
  house.start();
  EXPECT_TRUE(care(late));
  EXPECT_EQ(signed_by(hint(0)), 4);
}

TEST_F(KeyCareTest, WhatAThiefSignedWithTheOldKeyIsNotSignedAgain) {
  const Reference image = push("one");
  const trust::Key stolen = trust::open(ring.entries("release").front(), password);
  registry::Client& client = house.yard->registry(image.host());
  const std::string type = "https://cyclonedx.org/bom";
  attach(get_subject(client, image, {}), {stolen},
         {{type, R"({"bomFormat":"CycloneDX","specVersion":"1.5","version":1})", {}},
          Assertion::signature({{"env", "prod"}})},
         SignatureForms::both, start, {});
  ring.rotate("release", password, start);
  ring.finish("release", start);
  ASSERT_TRUE(care(start)) << told;
  const std::vector<trust::PublicKey> keys{ring.entries("release").front().public_key};
  EXPECT_TRUE(verify(client, image, keys, {}, {}).good());
  EXPECT_FALSE(verify(client, image, keys, {.predicate_type = type}, {}).good());
  EXPECT_FALSE(verify(client, image, keys, {.claims = {{"env", "prod"}}}, {}).good());
}

TEST_F(KeyCareTest, AnAttestationThatWasTakenAwayIsToldAndNotMadeUp) {
  const Reference image = push("one");
  registry::Client& client = house.yard->registry(image.host());
  const std::string tag = concat("sha256-", image.digest()->hex(), ".att");
  client.delete_manifest(image.at(*client.find_tag(image.with_tag(tag), {})), {});
  ring.rotate("release", password, start);
  EXPECT_FALSE(care(start));
  EXPECT_TRUE(has("any more, or was changed: https://slsa.dev/provenance/v1 (legacy)")) << told;
  EXPECT_EQ(house.store->signatures({.key_hint = hint(1), .lacking = hint(0)}).size(), 1U);
  EXPECT_TRUE(convinces(image, "release.2.pub")) << "the rest is signed again";
}

TEST_F(KeyCareTest, ARotationIsSeenAtOnce) {
  const Reference image = push("one");
  Guarded<std::string> heard;
  const auto heard_of = [&](const std::string& part) {
    return heard.with([&](const std::string& all) { return all.find(part) != std::string::npos; });
  };
  KeyCare care([this] { return house.yard; }, *house.store,
               [&](const KeyNews& news) {
                 heard.with([&](std::string& all) { all += concat(news.text, '\n'); });
               });
  ring.rotate("release", password, system_now());
  EXPECT_TRUE(support::eventually([&] { return heard_of("signed 1 image again"); },
                                  std::chrono::seconds(60)));
  EXPECT_TRUE(convinces(image, "release.2.pub"));
}

}  // namespace
}  // namespace lighterman::pipeline
