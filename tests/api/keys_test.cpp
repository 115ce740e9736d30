#include <gtest/gtest.h>

#include "core/signature_record.hpp"
#include "house.hpp"
#include "trust/keyring.hpp"

namespace lighterman::api {
namespace {

using std::chrono::days;

/// A daemon with one key, "release", and a clock of its own.
class KeysTest : public ::testing::Test {
 protected:
  KeysTest() { ring.add("release", Secret("s3cret"), now); }

  Options options() {
    Options options = House::quick();
    options.clock = [this] { return now; };
    return options;
  }
  config::Config config() const {
    config::Config config;
    config.keys = config::Keys{folder.path() / "keys", "", true};
    return config;
  }
  void sign(const std::string& hint, const std::string& content) {
    const SignatureRecord record{
        hint,
        Reference::parse("registry.example/acme/shop").at(os::sha256(content)),
        "https://sigstore.dev/cosign/sign/v1",
        "legacy",
        os::sha256(concat("payload of ", content)),
        os::sha256("manifest"),
        now};
    house.store.put_signatures(std::vector{record});
  }
  std::string hint(std::size_t generation) const {
    return ring.entries("release").at(generation).public_key.hint();
  }

  Instant now = parse_time("2026-01-01T00:00:00Z");
  os::ScratchFolder folder;
  trust::Keyring ring{folder.path() / "keys"};
  House house{options(), config()};
};

TEST_F(KeysTest, TellWhatStillDependsOnAReplacedKey) {
  sign(hint(0), "a");
  sign(hint(0), "b");
  now += days(80);
  ring.rotate("release", Secret("s3cret"), now);
  sign(hint(0), "a");
  const json::value before = parsed(house.get("/api/v1/keys"));
  EXPECT_EQ(before.at("resign"), "tagged");
  const json::value& older = before.at("keys").at(1);
  EXPECT_EQ(older.at("state"), "retiring");
  EXPECT_EQ(older.at("age_days"), 80);
  EXPECT_EQ(older.at("signatures"), 2);
  EXPECT_EQ(older.at("depending"), 1);
  EXPECT_EQ(older.at("waiting"), 0) << "no tag of ours points to it";
  EXPECT_EQ(before.at("keys").at(0).at("depending"), 0);

  const auto left = house.store.signatures({.key_hint = hint(1), .lacking = hint(0)});
  house.store.put_tag(left.at(0).image.with_tag("1"),
                      {"c0ffee", "refs/heads/main", *left.at(0).image.digest(), 1});
  house.store.put_signature_trouble(std::vector{left.at(0).id}, "registry.example is down");
  const json::value after = parsed(house.get("/api/v1/keys?name=release"));
  EXPECT_EQ(after.at("keys").at(1).at("waiting"), 1);
  EXPECT_EQ(after.at("keys").at(1).at("troubles").at(0).at("why"), "registry.example is down");
  EXPECT_TRUE(
      parsed(house.get("/api/v1/status"))
          .at("warnings")
          .at(0)
          .as_string()
          .starts_with("key \"release\" was replaced, and 1 images could not be signed again"));
  EXPECT_EQ(house.get("/api/v1/keys?name=other").status, 404);
}

TEST_F(KeysTest, StatusWarnsOfAKeyThatGrowsOld) {
  EXPECT_TRUE(parsed(house.get("/api/v1/status")).at("warnings").as_array().empty());
  now += days(76);
  const json::value status = parsed(house.get("/api/v1/status"));
  EXPECT_EQ(status.at("ready"), true);
  EXPECT_EQ(status.at("keys").at(0).at("state"), "old");
  EXPECT_TRUE(status.at("warnings")
                  .at(0)
                  .as_string()
                  .starts_with("key \"release\" is 76 days old, its limit is 90 days"));
}

TEST_F(KeysTest, StatusSurvivesABrokenKeyFolder) {
  os::replace_file(folder.path() / "keys/release.json", "no JSON");
  const json::value status = parsed(house.get("/api/v1/status"));
  EXPECT_NE(status.at("warnings").at(0).as_string().find("release.json"), std::string::npos);
  const auto refused = house.get("/api/v1/keys");
  EXPECT_EQ(refused.status, 500);
  EXPECT_NE(detail_of(refused).find("release.json"), std::string::npos);
}

TEST(Keys, AreNotThereWithoutAnyConfigured) {
  House house;
  const json::value keys = parsed(house.get("/api/v1/keys"));
  EXPECT_TRUE(keys.at("resign").is_null());
  EXPECT_TRUE(keys.at("keys").as_array().empty());
  EXPECT_TRUE(parsed(house.get("/api/v1/status")).at("keys").as_array().empty());
}

}  // namespace
}  // namespace lighterman::api
