// Keys as an operator has them: a daemon that signs, and the command line beside it.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "cli/daemon.hpp"
#include "core/text.hpp"
#include "support/peers.hpp"
#include "trust/keyring.hpp"

namespace lighterman::cli {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A harbour whose images are all signed with the key "release".
struct SigningHarbour : Harbour {
  SigningHarbour() {
    environment["COSIGN_PASSWORD"] = "s3cret";
    os::replace_file(file("sign.lua"), R"(-- sign.lua: every image is signed.
return { on_staged = function() return sign { key = "release" } end })");
    write_config(concat("keys: {folder: ", file("keys").string(),
                        ", password: env:COSIGN_PASSWORD}\nplugin_folders: [", file("").string(),
                        "]\nplugins: {sign: {}}\n"));
  }
  Said key(std::vector<std::string> words) const {
    words.insert(words.begin(), "key");
    words.insert(words.end(), {"--folder", file("keys").string()});
    return say(words);
  }
  void build() const {
    const Said said = say({"run", "--source", "shop", "--ref", "main", "--follow"});
    ASSERT_EQ(said.code, 0) << said.out << said.err;
  }
};

TEST(Keys, ARotationIsCarriedThroughByTheDaemonAndReported) {
  SigningHarbour harbour;
  ASSERT_EQ(harbour.key({"new", "release"}).code, 0);
  harbour.start();
  harbour.build();
  const Said before = harbour.say({"key", "report", "release"});
  EXPECT_EQ(before.code, 0) << before.err;
  EXPECT_TRUE(has(before.out, "2 signatures on 1 image")) << before.out;
  ASSERT_EQ(harbour.key({"rotate", "release"}).code, 0);
  const bool signed_again = support::eventually(
      [&] { return has(harbour.daemon_log(), "its successor signed 1 image again"); },
      std::chrono::seconds(60));
  ASSERT_TRUE(signed_again) << harbour.daemon_log();
  const Said after = harbour.say({"key", "report"});
  EXPECT_TRUE(has(after.out, "0 images left that only it signed")) << after.out;
  EXPECT_TRUE(std::filesystem::exists(harbour.file("keys/release.key"))) << "it still signs";

  ASSERT_EQ(harbour.key({"rotate", "release", "--finish"}).code, 0);
  const support::Peers peers(harbour.file(""));
  for (const char* cosign : {"cosign2", "cosign3"})
    peers.must(cosign, {"verify", "--key", harbour.file("keys/release.2.pub").string(),
                        "--insecure-ignore-tlog", concat(harbour.image(), ":main")});
  EXPECT_EQ(harbour.say({"key", "report", "other"}).code, 3);
}

TEST(Keys, AKeyThatGrowsOldIsToldInLogAndStatus) {
  SigningHarbour harbour;
  trust::Keyring(harbour.file("keys"))
      .add("release", Secret("s3cret"), system_now() - std::chrono::days(80));
  harbour.start();
  const Said status = harbour.say({"status"});
  EXPECT_EQ(status.code, 0);
  EXPECT_TRUE(has(status.out, "is ready\nkey release: old, 80 days old, limit ")) << status.out;
  EXPECT_TRUE(has(status.err, "warning: key \"release\" is 80 days old")) << status.err;
  EXPECT_TRUE(support::eventually([&] { return has(harbour.daemon_log(), "is 80 days old"); }));
}

/// What a program that is killed by SIGABRT leaves behind.
bool leaves_core(Harbour& harbour) {
  harbour.stop(SIGABRT);
  for (const auto& file : std::filesystem::directory_iterator(harbour.workplace))
    if (has(file.path().filename(), "core")) return true;
  return false;
}

TEST(Keys, ADaemonThatHasOpenedAKeyLeavesNoCore) {
  if (!os::read_file("/proc/sys/kernel/core_pattern", 4096).starts_with("core"))
    GTEST_SKIP() << "this machine does not write cores where a test could find them";
  rlimit usual{};
  ::getrlimit(RLIMIT_CORE, &usual);
  const rlimit any{usual.rlim_max, usual.rlim_max};
  ::setrlimit(RLIMIT_CORE, &any);
  os::ScratchFolder with_key, without;
  {
    Harbour harbour;
    harbour.workplace = without.path();
    harbour.start();
    EXPECT_TRUE(leaves_core(harbour)) << "else this test shows nothing";
  }
  SigningHarbour harbour;
  ASSERT_EQ(harbour.key({"new", "release"}).code, 0);
  harbour.workplace = with_key.path();
  harbour.start();
  harbour.build();
  EXPECT_FALSE(leaves_core(harbour));
  ::setrlimit(RLIMIT_CORE, &usual);
}

}  // namespace
}  // namespace lighterman::cli
