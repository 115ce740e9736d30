// What a registry's users see while the daemon works, fails, and is killed.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <random>
#include <set>
#include <thread>

#include "cli/daemon.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "registry/client.hpp"
#include "store/store.hpp"
#include "support/peers.hpp"
#include "support/trivy_db.hpp"
#include "trust/keyring.hpp"

namespace lighterman::cli {
namespace {

/// A shop of Debian packages whose images are scanned, signed and described before their tag.
struct GuardedHarbour : Harbour {
  GuardedHarbour() {
    support::write_trivy_database(file("trivy"), support::debian_advisories());
    os::replace_file(file("keys.password"), "s3cret", 0600);
    trust::Keyring(file("keys")).add("release", Secret("s3cret"), system_now());
    std::filesystem::create_directory(file("plugins"));
    os::replace_file(file("plugins") / "guard.lua", R"(-- guard.lua: everything is signed.
return {
  on_staged = function()
    return sign { key = "release" }, attach { kind = "sbom", format = "cyclonedx", key = "release" }
  end,
})");
    write_config(concat(
        "scan: {program: \"", (support::Peers::folder() / "trivy").string(), "\", cache: \"",
        file("trivy").string(), "\", skip_update: true, offline: true, database_age: 3650d}\n",
        "keys: {folder: \"", file("keys").string(),
        "\", password: \"file:", file("keys.password").string(), "\"}\nplugin_folders: [\"",
        file("plugins").string(), "\"]\nplugins: {guard: {}}\n"));
    git.write("os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    git.write("debian_version", "12.1\n");
    git.write("Dockerfile",
              "FROM busybox\nCOPY debian_version os-release /etc/\n"
              "COPY package /var/lib/dpkg/status.d/package\nCOPY text.txt /text.txt\n");
  }
  /// A commit whose image has a critical vulnerability, or has none.
  std::string commit(bool bad, int round) {
    git.write("package", concat("Package: ", bad ? "zlib1g" : "shop",
                                "\nStatus: install ok installed\nArchitecture: amd64\nSource: ",
                                bad ? "zlib" : "shop",
                                "\nVersion: 1:1.2.13.dfsg-1\nMaintainer: x <x@y.z>\n\n"));
    git.write("text.txt", concat("round ", round, '\n'));
    return git.commit(concat("Round ", round));
  }
  /// The run of this commit once it has ended; the webhook is sent again until it is accepted, as
  /// forges do.
  boost::json::value end_of(const std::string& commit) {
    boost::json::value last;
    const bool ended = support::eventually(
        [&] {
          const auto found = json({"runs", "--commit", commit});
          const auto& runs = found.at("runs").as_array();
          if (runs.empty()) push_hook("refs/heads/main", std::string(40, '0'), commit);
          if (runs.empty() || runs.at(0).at("ended").is_null()) return false;
          last = runs.at(0);
          return true;
        },
        std::chrono::seconds(120));
    EXPECT_TRUE(ended) << commit << daemon_log();
    return last;
  }
  support::Peers peers{file("peers")};
};

int rounds_wanted() {
  const char* given = std::getenv("LIGHTERMAN_GATE_ROUNDS");
  return given != nullptr ? std::atoi(given) : 4;
}

TEST(TheGate, NobodyEverSeesATagBeforeItsSignatureItsSbomAndAScanThatItPassed) {
  GuardedHarbour harbour;
  harbour.start();
  const os::ScratchFolder folder;
  store::Store store({folder.path() / "watcher.db"});
  registry::Options options;
  options.host = the_registry().host();
  registry::Client client(options, store);
  const Reference main = Reference::parse(harbour.image()).with_tag("main");
  std::set<std::string> seen, bare, denied;
  int killed = 0, passed = 0;
  {
    std::jthread watcher([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        const auto digest = client.find_tag(main, {});
        if (!digest || !seen.insert(digest->text()).second) continue;
        for (const char* kind : {".sig", ".att"}) {
          const std::string beside = concat("sha256-", digest->hex(), kind);
          if (!client.find_tag(main.with_tag(beside), {})) bare.insert(digest->text() + kind);
        }
      }
    });
    std::mt19937 random(4);  // the same each time, so that a failure can be looked at
    for (int round = 0; round < rounds_wanted(); ++round) {
      const bool bad = random() % 2 == 0;
      const std::string commit = harbour.commit(bad, round);
      harbour.push_hook("refs/heads/main", std::string(40, '0'), commit);
      if (random() % 3 == 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 2000));
        harbour.kill();
        harbour.start();
        ++killed;
      }
      const auto run = harbour.end_of(commit);
      ASSERT_EQ(run.at("state"), bad ? "denied" : "succeeded") << run << harbour.daemon_log();
      if (!bad) ++passed;
      const auto shown = harbour.json({"show", std::to_string(run.at("id").as_int64())});
      for (const auto& stage : shown.at("stages").as_array()) {
        if (bad && stage.at("name") == "gate")
          denied.emplace(stage.at("result").at("digest").as_string());
      }
    }
  }
  EXPECT_GT(killed, 0);
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(passed));
  EXPECT_TRUE(bare.empty()) << *bare.begin();
  for (const std::string& digest : denied) EXPECT_FALSE(seen.contains(digest)) << digest;
}

TEST(TheGate, LetsAnOperatorPublishWhatItDeniedWithTheReasonKept) {
  GuardedHarbour harbour;
  harbour.start();
  const auto run = harbour.end_of(harbour.commit(true, 0));
  ASSERT_EQ(run.at("state"), "denied");
  const std::string id = std::to_string(run.at("id").as_int64());
  EXPECT_FALSE(harbour.published("main"));
  EXPECT_NE(harbour.say({"allow", id}).code, 0) << "a reason is needed";
  const Said allowed = harbour.say({"allow", id, "--reason", "minizip is not used", "--follow"});
  EXPECT_EQ(allowed.code, 0) << allowed.out << allowed.err;
  EXPECT_TRUE(harbour.published("main"));
  const Said shown = harbour.say({"show", id});
  EXPECT_NE(shown.out.find("allowed by the API: minizip is not used"), std::string::npos)
      << shown.out;
  const std::string trail = harbour.say({"audit", "show"}).out;
  for (const char* part :
       {"plugin \"scan\"  deny  image ", "  sign  ", "somebody on this machine  allow  run "})
    EXPECT_NE(trail.find(part), std::string::npos) << part << "\n" << trail;
  EXPECT_EQ(harbour.say({"allow", id, "--reason", "again"}).code, 1);

  // What was allowed is still what it is.
  const Said images = harbour.say({"images", "--dirty"});
  EXPECT_NE(images.out.find("CVE-2023-45853"), std::string::npos) << images.out;
  EXPECT_EQ(harbour.say({"rescan"}).code, 0);
  EXPECT_TRUE(support::eventually(
      [&] {
        return harbour.daemon_log().find("1 published images scanned again") != std::string::npos;
      },
      std::chrono::seconds(60)))
      << harbour.daemon_log();
}

}  // namespace
}  // namespace lighterman::cli
