#include "trust/keyring.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "os/file.hpp"
#include "os/hash.hpp"
#include "support/failure.hpp"

namespace lighterman::trust {
namespace {

namespace fs = std::filesystem;
using std::chrono::days;

const Secret password("s3cret");
const Instant start = parse_time("2026-01-01T00:00:00Z");

struct Scene {
  os::ScratchFolder folder;
  Keyring ring{folder.path() / "keys"};
  fs::path file(const std::string& name) const { return folder.path() / "keys" / name; }
};

TEST(Keyring, MakesAKeyPairThatOnlyItsOwnerReads) {
  Scene scene;
  const KeyEntry made = scene.ring.add("release", password, start);
  EXPECT_EQ(made.key_file, scene.file("release.key"));
  struct stat status {};
  ASSERT_EQ(::stat(made.key_file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(open(made, password).public_key(), PublicKey::load(scene.file("release.pub")));
  ASSERT_EQ(scene.ring.entries().size(), 1U);
  EXPECT_EQ(scene.ring.entries().front().created, start);
  EXPECT_EQ(scene.ring.entries().front().most_age, days(90));
  EXPECT_TRUE(
      failure_of([&] { scene.ring.add("release", password, start); }).starts_with("conflict: "));
  EXPECT_TRUE(failure_of([&] { scene.ring.entries("other"); }).starts_with("not_found: "));
  expect_refused("no name for a key", [&] { scene.ring.add("../release", password, start); });
  expect_refused("no name for a key", [&] { scene.ring.add("", password, start); });
}

TEST(Keyring, SaysInTimeThatAKeyGrowsOld) {
  Scene scene;
  scene.ring.add("release", password, start);
  const KeyEntry key = scene.ring.entries().front();
  EXPECT_EQ(key.state(start), KeyState::fresh);
  EXPECT_EQ(key.state(start + days(75) - std::chrono::milliseconds(1)), KeyState::fresh);
  EXPECT_EQ(key.warning(start + days(74)), "");
  EXPECT_EQ(key.state(start + days(75)), KeyState::old);
  EXPECT_TRUE(key.warning(start + days(80))
                  .starts_with("key \"release\" is 80 days old, its limit is 90 days: rotate it"));
  EXPECT_EQ(key.state(start + days(90)), KeyState::expired);
  EXPECT_TRUE(key.signs(start + days(90))) << "whether that is allowed, a policy says";
  EXPECT_TRUE(key.verifies(start + days(900)));
}

TEST(Keyring, LetsOldAndNewSignUntilTheOverlapEnds) {
  Scene scene;
  const KeyEntry first = scene.ring.add("release", password, start);
  const Instant day80 = start + days(80);
  const KeyEntry second = scene.ring.rotate("release", password, day80);
  EXPECT_FALSE(first.public_key == second.public_key);

  const auto keys = scene.ring.entries("release");
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].public_key, second.public_key);
  EXPECT_EQ(keys[1].public_key, first.public_key);
  EXPECT_EQ(keys[0].state(day80), KeyState::fresh);
  EXPECT_EQ(keys[1].state(day80), KeyState::retiring);
  EXPECT_TRUE(keys[1].signs(day80 + days(6)));
  EXPECT_EQ(open(keys[1], password).public_key(), first.public_key);

  EXPECT_EQ(keys[1].state(day80 + days(7)), KeyState::retired);
  EXPECT_FALSE(keys[1].signs(day80 + days(7)));
  EXPECT_TRUE(keys[1].verifies(day80 + days(7)));
  EXPECT_NE(keys[1].warning(day80 + days(7)), "") << "its private part is still there";
  EXPECT_EQ(scene.ring.tidy(day80 + days(6)), std::vector<fs::path>());
  EXPECT_EQ(scene.ring.tidy(day80 + days(7)), std::vector<fs::path>{first.key_file});
  EXPECT_FALSE(fs::exists(first.key_file));
  EXPECT_TRUE(fs::exists(second.key_file));
  EXPECT_EQ(scene.ring.entries("release")[1].warning(day80 + days(8)), "");

  EXPECT_EQ(keys[1].state(day80 + days(7 + 365)), KeyState::ended);
  EXPECT_FALSE(keys[1].verifies(day80 + days(7 + 365)));
}

TEST(Keyring, RotatesAgainAndAgain) {
  Scene scene;
  scene.ring.add("release", password, start);
  for (int turn = 1; turn <= 3; ++turn)
    scene.ring.rotate("release", password, start + days(80 * turn));
  const auto keys = scene.ring.entries("release");
  ASSERT_EQ(keys.size(), 4U);
  EXPECT_EQ(keys[0].key_file, scene.file("release.4.key"));
  EXPECT_EQ(keys[3].signs_until, start + days(87)) << "a second rotation must not prolong it";
  EXPECT_EQ(scene.ring.entries().size(), 4U);
}

TEST(Keyring, EndsAnOverlapAtOnceWhenAKeyWasLost) {
  Scene scene;
  const KeyEntry first = scene.ring.add("release", password, start);
  scene.ring.rotate("release", password, start + days(1));
  scene.ring.finish("release", start + days(2));
  EXPECT_FALSE(fs::exists(first.key_file));
  const auto keys = scene.ring.entries("release");
  EXPECT_EQ(keys[1].state(start + days(2)), KeyState::retired);
  EXPECT_EQ(keys[0].state(start + days(2)), KeyState::fresh);
}

TEST(Keyring, DoesNotRotateWithAPasswordThatDoesNotFit) {
  Scene scene;
  scene.ring.add("release", password, start);
  EXPECT_TRUE(failure_of([&] {
                scene.ring.rotate("release", Secret("typo"), start + days(1));
              }).starts_with("denied: "));
  EXPECT_EQ(scene.ring.entries("release").size(), 1U);
  EXPECT_FALSE(fs::exists(scene.file("release.2.key")));
}

TEST(Keyring, BeginsARotationAgainThatBrokeInTheMiddle) {
  Scene scene;
  scene.ring.add("release", password, start);
  // The new files were written, the book was not.
  os::replace_file(scene.file("release.2.key"), "half");
  const KeyEntry next = scene.ring.rotate("release", password, start + days(1));
  EXPECT_EQ(next.key_file, scene.file("release.2.key"));
  EXPECT_EQ(open(next, password).public_key(), next.public_key);
}

TEST(Keyring, TakesKeysThatSomebodyPutThere) {
  Scene scene;
  const Key key = Key::make();
  fs::create_directories(scene.file(""));
  os::replace_file(scene.file("cosign.key"), key.sealed(password), 0600);
  os::replace_file(scene.file("cosign.pub"), key.public_key().pem());
  const auto keys = scene.ring.entries();
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(keys[0].name, "cosign");
  EXPECT_LT(system_now() - keys[0].created, std::chrono::hours(1));
  EXPECT_EQ(scene.ring.rotate("cosign", password, system_now()).key_file,
            scene.file("cosign.2.key"));
  EXPECT_EQ(scene.ring.entries("cosign")[1].state(system_now()), KeyState::retiring);
}

TEST(Keyring, NoticesAKeyThatDoesNotBelongToItsPublicFile) {
  Scene scene;
  const KeyEntry made = scene.ring.add("release", password, start);
  os::replace_file(made.public_file, Key::make().public_key().pem());
  expect_refused("does not belong to",
                 [&] { open(scene.ring.entries("release").front(), password); });
}

}  // namespace
}  // namespace lighterman::trust
