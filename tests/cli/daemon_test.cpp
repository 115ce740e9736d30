#include "cli/daemon.hpp"

#include <gtest/gtest.h>

#include <csignal>

#include "core/text.hpp"
#include "scan/report.hpp"
#include "support/peers.hpp"
#include "support/trivy_db.hpp"

namespace lighterman::cli {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A build that waits until the test lets it go.
void write_slow_build(Harbour& harbour, const std::string& seconds) {
  harbour.git.write("Dockerfile", concat("FROM busybox\nCOPY text.txt /text.txt\nRUN sleep ",
                                         seconds, " # ", harbour.image(), "\n"));
  harbour.git.commit("Build slowly");
}

TEST(Daemon, BuildsWhatTheCommandLineAsksForAndSaysHowItWent) {
  Harbour harbour;
  harbour.start();
  const Said said = harbour.say({"run", "--source", "shop", "--ref", "main", "--follow"});
  EXPECT_EQ(said.code, 0) << said.out << said.err;
  EXPECT_TRUE(has(said.out, "run 1 succeeded in ")) << said.out;
  EXPECT_TRUE(has(said.out, "COPY text.txt /text.txt")) << said.out;
  EXPECT_FALSE(has(said.out, "\x1b[")) << "no terminal, no colours";
  EXPECT_TRUE(harbour.published("main"));

  const Said shown = harbour.say({"show", "1"});
  EXPECT_TRUE(has(shown.out, concat(harbour.image(), "@sha256:"))) << shown.out;
  EXPECT_TRUE(has(shown.out, "tag main created")) << shown.out;
  const Said runs = harbour.say({"runs", "--source", "shop", "--state", "succeeded"});
  EXPECT_TRUE(has(runs.out, "1    succeeded  shop    main")) << runs.out;
  EXPECT_TRUE(has(harbour.say({"logs", "1"}).out, " plan | image web: ")) << "the plain log";
  EXPECT_EQ(harbour.json({"show", "1"}).at("state").as_string(), "succeeded");
  EXPECT_TRUE(has(harbour.say({"logs", "1", "--json"}).out, "\"kind\":\"step\""));
}

TEST(Daemon, SaysWhatMadeAnImageThatSomebodyFoundInARegistry) {
  Harbour harbour;
  harbour.start();
  const Said built = harbour.say(
      {"run", "--source", "shop", "--ref", "main", "--follow", "--reason", "to find it again"});
  ASSERT_EQ(built.code, 0) << built.out << built.err;
  const std::string tagged = concat(harbour.image(), ":main");
  const boost::json::value why = harbour.json({"why", tagged});
  const auto digest = boost::json::value_to<std::string>(why.at("digest"));
  const boost::json::value& part = why.at("runs").at(0).at("parts").at(0);
  const auto config = boost::json::value_to<std::string>(part.at("config"));
  for (const std::string& asked :
       {tagged, digest, config, digest.substr(7, 12), concat(harbour.image(), '@', digest)}) {
    const Said said = harbour.say({"why", asked});
    EXPECT_EQ(said.code, 0) << said.err;
    for (const std::string& words :
         {concat(digest, " (image)"), concat(harbour.image(), ": latest, main, sha-"),
          std::string("run 1: image web of shop main "), std::string("\"Say first\" by "),
          std::string("because: to find it again"), std::string("base busybox"),
          std::string("tag main created")})
      EXPECT_TRUE(has(said.out, words)) << asked << ": " << words << "\n" << said.out;
  }
  const Said unknown = harbour.say({"why", std::string(64, 'f')});
  EXPECT_EQ(unknown.code, 3);
  EXPECT_TRUE(has(unknown.err, "ask by the digest that the registry tells")) << unknown.err;
}

TEST(Daemon, ExitCodesTellScriptsWhatHappened) {
  Harbour harbour;
  EXPECT_EQ(harbour.say({"runs"}).code, 5);
  harbour.start();
  EXPECT_EQ(harbour.say({"run"}).code, 2);
  EXPECT_EQ(harbour.say({"show", "99"}).code, 3);
  const Said unknown = harbour.say({"run", "--source", "shp", "--ref", "main"});
  EXPECT_EQ(unknown.code, 3);
  EXPECT_TRUE(has(unknown.err, "(did you mean \"shop\"?)")) << unknown.err;
  EXPECT_EQ(harbour.say({"check", "--config", "missing.yml"}).code, 6);
  harbour.git.write("Dockerfile", "FROM busybox\nRUN false\n");
  harbour.git.commit("Break it");
  const Said failed = harbour.say({"run", "--source", "shop", "--ref", "main", "-f"});
  EXPECT_EQ(failed.code, 1) << failed.out << failed.err;
  EXPECT_TRUE(has(failed.out, "run 1 failed")) << failed.out;
}

TEST(Daemon, AskedWithoutItsTokenRefusesAndNeverShowsIt) {
  Harbour harbour;
  os::replace_file(harbour.file("token"), "t0ken-of-ann\n", 0600);
  os::replace_file(harbour.file("wrong"), "t0ken-of-bob\n", 0600);
  harbour.write_config(
      concat("tokens: [{name: ann, place: \"file:", harbour.file("token").string(), "\"}]\n"));
  harbour.start();
  EXPECT_EQ(harbour.say({"runs"}).code, 4);
  harbour.environment["LIGHTERMAN_TOKEN_FILE"] = harbour.file("wrong").string();
  const Said refused = harbour.say({"runs"});
  EXPECT_EQ(refused.code, 4);
  EXPECT_FALSE(has(refused.err, "t0ken")) << refused.err;
  harbour.environment["LIGHTERMAN_TOKEN_FILE"] = harbour.file("token").string();
  EXPECT_EQ(harbour.say({"runs"}).code, 0);
  EXPECT_FALSE(has(harbour.daemon_log(), "t0ken"));
  EXPECT_FALSE(has(harbour.daemon_log(), "s3cret"));
}

TEST(Daemon, KilledInTheMiddleOfABuildGoesOnAndEndsTheRunOnce) {
  Harbour harbour;
  write_slow_build(harbour, "3");
  harbour.start();
  harbour.json({"run", "--source", "shop", "--ref", "main"});
  ASSERT_TRUE(support::eventually(
      [&] {
        return has(harbour.say({"logs", "1"}).out, "RUN sleep 3");
      },
      std::chrono::seconds(60)));
  harbour.kill();
  harbour.start();
  const Said said = harbour.say({"logs", "-f", "1"});
  EXPECT_EQ(said.code, 0) << said.out << said.err << harbour.daemon_log();
  EXPECT_TRUE(harbour.published("main"));
  const auto runs = harbour.json({"runs"});
  EXPECT_EQ(runs.at("runs").as_array().size(), 1u);
}

TEST(Daemon, NoPushThatWasAcceptedIsLostByAPowerCut) {
  Harbour harbour;
  harbour.start();
  const std::string commit = harbour.git.head();
  std::size_t accepted = 0;
  for (int push = 0; push < 20; ++push) {
    const std::string answer =
        harbour.push_hook(concat("refs/heads/b", push), std::string(40, '0'), commit);
    if (has(answer, "\"run\":")) ++accepted;
  }
  harbour.kill();
  harbour.start();
  EXPECT_EQ(accepted, 20u);
  EXPECT_EQ(harbour.json({"runs", "--limit", "100"}).at("runs").as_array().size(), accepted);
}

TEST(Daemon, ToldToStopHandsBackWhatRunsAndEndsWithZero) {
  Harbour harbour;
  write_slow_build(harbour, "5");
  harbour.start();
  harbour.json({"run", "--source", "shop", "--ref", "main"});
  ASSERT_TRUE(support::eventually(
      [&] {
        return has(harbour.say({"logs", "1"}).out, "RUN sleep 5");
      },
      std::chrono::seconds(60)));
  EXPECT_EQ(harbour.stop(), 0) << harbour.daemon_log();
  harbour.start();
  EXPECT_EQ(harbour.say({"logs", "-f", "1"}).code, 0);
  EXPECT_EQ(harbour.stop(SIGINT), 0);
}

TEST(Daemon, ReadsItsConfigurationAnewAndKeepsTheOldOneWhenTheNewIsWrong) {
  Harbour harbour;
  harbour.start();
  harbour.write_config(concat("  depot:\n    url: ", harbour.git.path().string(),
                              "\n    image: ", harbour.image(), "-depot\n"));
  harbour.signal(SIGHUP);
  ASSERT_TRUE(support::eventually([&] {
    return harbour.say({"run", "--source", "depot", "--ref", "main"}).code == 0;
  })) << harbour.daemon_log();
  harbour.write_config("nonsense: true\n");
  harbour.signal(SIGHUP);
  ASSERT_TRUE(support::eventually([&] {
    return has(harbour.daemon_log(), "configuration not reloaded");
  })) << harbour.daemon_log();
  EXPECT_TRUE(has(harbour.daemon_log(), "nonsense: is not known here"));
  EXPECT_EQ(harbour.say({"run", "--source", "depot", "--ref", "main"}).code, 0);
}

TEST(Daemon, DoesNotStartTwiceOnOneDataFolder) {
  Harbour harbour;
  harbour.start();
  const Said second = harbour.say({"serve", "--config", harbour.file("lighterman.yml").string()});
  EXPECT_EQ(second.code, 1);
  EXPECT_TRUE(has(second.err, "is in use by another lighterman")) << second.err;
}

TEST(Daemon, CancelsAndTriesAgain) {
  Harbour harbour;
  write_slow_build(harbour, "60");
  harbour.start();
  harbour.json({"run", "--source", "shop", "--ref", "main"});
  ASSERT_TRUE(support::eventually(
      [&] {
        return has(harbour.say({"logs", "1"}).out, "RUN sleep 60");
      },
      std::chrono::seconds(60)));
  EXPECT_EQ(harbour.say({"cancel", "1", "--reason", "wrong branch"}).code, 0);
  const Said said = harbour.say({"logs", "-f", "1"});
  EXPECT_EQ(said.code, 1);
  EXPECT_TRUE(has(said.out, "run 1 cancelled")) << said.out;
  EXPECT_TRUE(has(harbour.say({"retry", "1"}).out, "run 2 tries run 1 again"));
}

TEST(Daemon, ShowsFindingsForPeopleAndForPrograms) {
  Harbour harbour;
  const std::filesystem::path cache = harbour.file("trivy");
  support::write_trivy_database(cache, support::debian_advisories());
  harbour.git.write("debian_version", "12.1\n");
  harbour.git.write("os-release", "ID=debian\nVERSION_ID=\"12\"\n");
  harbour.git.write("libssl3",
                    "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: "
                    "openssl\nVersion: 3.0.9-1\nMaintainer: x <x@y.z>\n\n");
  harbour.git.write("Dockerfile",
                    "FROM busybox\nCOPY debian_version os-release /etc/\nCOPY libssl3 "
                    "/var/lib/dpkg/status.d/libssl3\n");
  harbour.git.commit("Install openssl");
  const support::Peers peers(harbour.file("home"));
  harbour.write_config(concat("scan: {program: \"", (support::Peers::folder() / "trivy").string(),
                              "\", cache: \"", cache.string(),
                              "\", skip_update: true, offline: true, database_age: 3650d}\n"));
  harbour.start();
  ASSERT_EQ(harbour.say({"run", "--source", "shop", "--ref", "main", "-f"}).code, 0);
  EXPECT_TRUE(has(harbour.say({"show", "1"}).out,
                  "scan: 1 high, 1 medium; see: lighterman findings 1 --image web"))
      << harbour.say({"show", "1"}).out;
  const Said text = harbour.say({"findings", "1"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(has(text.out, "image web\n\nDockerfile line 3: COPY libssl3 ")) << text.out;
  EXPECT_TRUE(has(text.out, "  HIGH      CVE-2023-5363  libssl3 3.0.9-1  fixed in 3.0.11-1"))
      << text.out;
  EXPECT_TRUE(has(text.out, "\n1 high, 1 medium\nscanned by trivy ")) << text.out;
  const Said high = harbour.say({"findings", "1", "--image", "web", "--severity", "high"});
  EXPECT_FALSE(has(high.out, "CVE-2023-3446")) << high.out;
  const boost::json::value json = harbour.json({"findings", "1"});
  EXPECT_EQ(json.at("counts").at("HIGH"), 1);
  for (const std::string format : {"sarif", "cyclonedx"}) {
    const Said said = harbour.say({"findings", "1", "--format", format});
    EXPECT_EQ(scan::findings_from_report(boost::json::parse(said.out)).list.size(), 2U) << format;
  }
  const Said other = harbour.say({"findings", "1", "--image", "wb"});
  EXPECT_EQ(other.code, 3);
  EXPECT_TRUE(has(other.err, "run 1 built no image \"wb\" (did you mean \"web\"?)")) << other.err;
  EXPECT_EQ(harbour.say({"findings", "9"}).code, 3);
  EXPECT_EQ(harbour.say({"findings", "1", "--format", "xml"}).code, 2);
}

}  // namespace
}  // namespace lighterman::cli
