// What a forge is told by the program as a user has it.
#include <gtest/gtest.h>

#include "cli/daemon.hpp"
#include "core/text.hpp"
#include "support/forge.hpp"

namespace lighterman::cli {
namespace {

TEST(Forge, IsToldHowARunStandsAndTheTokenIsSeenNowhere) {
  support::FakeForge forge;
  Harbour harbour;
  os::replace_file(harbour.file("forge.token"), "t0ken-of-the-forge\n", 0600);
  harbour.write_config(
      concat("    forge: gitea\n    status: {api: \"", forge.url("/api/v1"),
             "\", repository: acme/shop, token: \"file:", harbour.file("forge.token").string(),
             "\"}\npublic_url: https://localhost:8443\n"));
  harbour.start();
  EXPECT_EQ(harbour.say({"run", "--source", "shop", "--ref", "main", "--follow"}).code, 0);
  ASSERT_TRUE(support::eventually([&] { return forge.last_state() == "success"; }));
  const auto calls = forge.calls();
  EXPECT_EQ(calls.front().body.at("state"), "pending");
  EXPECT_EQ(calls.back().body.at("target_url"), "https://localhost:8443/#/runs/1");
  ASSERT_TRUE(support::eventually([&] {
    return harbour.say({"show", "1"}).out.find("status for the forge: done") != std::string::npos;
  })) << harbour.say({"show", "1"}).out;

  forge.next("401 Unauthorized", "", "t0ken-of-the-forge is unknown");
  harbour.git.write("text.txt", "second\n");
  harbour.git.commit("Say second");
  EXPECT_EQ(harbour.say({"run", "--source", "shop", "--ref", "main", "--follow"}).code, 0);
  ASSERT_TRUE(support::eventually(
      [&] { return harbour.daemon_log().find("a forge was not told") != std::string::npos; }));
  harbour.stop();
  EXPECT_NE(harbour.daemon_log().find("*** is unknown"), std::string::npos) << harbour.daemon_log();
  EXPECT_EQ(harbour.daemon_log().find("t0ken"), std::string::npos) << harbour.daemon_log();
}

}  // namespace
}  // namespace lighterman::cli
