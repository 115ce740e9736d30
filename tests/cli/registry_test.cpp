// What registries can do, and Harbor by its own API, as an operator sees them.
#include <gtest/gtest.h>

#include "cli/daemon.hpp"
#include "core/manifest.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "os/program.hpp"
#include "registry/fake_harbor.hpp"
#include "support/background.hpp"

namespace lighterman::cli {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Registry, ShowsWhatADaemonSawOfItsRegistries) {
  Harbour harbour;
  harbour.start();
  const std::string host = harbour.image().substr(0, harbour.image().find('/'));
  EXPECT_TRUE(has(harbour.say({"registry"}).out, concat(host, ": nothing seen yet")));
  const Said run = harbour.say({"run", "--source", "shop", "--ref", "main", "--follow"});
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  const boost::json::value seen = harbour.json({"registry", host}).at("registries").at(0);
  EXPECT_EQ(seen.at("host").as_string(), host);
  EXPECT_EQ(seen.at("largest_request").as_int64(), 0);
  EXPECT_TRUE(seen.at("catalog").is_null());
  const Said unknown = harbour.say({"registry", "nobody.example"});
  EXPECT_EQ(unknown.code, 3) << unknown.err;
}

/// The command line over a Harbor, with a configuration that holds its robot's password.
class HarborVerbs : public testing::Test {
 protected:
  HarborVerbs() {
    os::replace_file(folder_.path() / "password", "s3cret", 0600);
    os::replace_file(
        folder_.path() / "lighterman.yml",
        concat("data: ", (folder_.path() / "data").native(),
               "\nengines: [{name: away, host: \"tcp://127.0.0.1:", support::free_port(),
               "\"}]\nregistries:\n  \"", harbor.host(),
               "\": {username: robot$ci, password: \"file:", (folder_.path() / "password").native(),
               "\", create: true}\nsources:\n  shop:\n    url: ", folder_.path().native(),
               "\n    secret: \"file:", (folder_.path() / "password").native(),
               "\"\n    images:\n      web: {targets: [\"", harbor.host(), "/acme/team/shop\", \"",
               harbor.host(), "/new/shop\"]}\n"));
  }
  Said say(std::vector<std::string> words) const {
    words.insert(words.end(), {"--config", (folder_.path() / "lighterman.yml").native()});
    os::Program program{LIGHTERMAN_PROGRAM, std::move(words)};
    program.folder = folder_.path();
    const os::Outcome outcome = os::perform(program);
    return {outcome.exit_code, outcome.output, outcome.errors};
  }
  void set(std::string test::FakeHarbor::*part, const std::string& json) {
    const std::lock_guard lock(harbor.registry.mutex);
    harbor.*part = json;
  }

  os::ScratchFolder folder_;
  test::FakeHarbor harbor;
};

constexpr const char* good_robot = R"([{"id":2,"name":"robot$ci","expires_at":4102444800,
  "permissions":[{"kind":"project","namespace":"*","access":[
    {"resource":"repository","action":"push"}]}]}])";

TEST_F(HarborVerbs, ShowItsStateToWhoMaySeeIt) {
  set(&test::FakeHarbor::robots, good_robot);
  const Said said = say({"harbor", "show", harbor.host(), "--project", "acme"});
  EXPECT_EQ(said.code, 0) << said.err;
  for (const char* part : {"version: v2.11.0", "name: robot$ci", "*: push repository",
                           "name: to-europe", "cron: 0 0 3 * * *", "rules: 2"})
    EXPECT_TRUE(has(said.out, part)) << part << " is not in " << said.out;
  {
    const std::lock_guard lock(harbor.registry.mutex);
    harbor.may_list_robots = false;
  }
  const Said json = say({"harbor", "show", harbor.host(), "--json"});
  EXPECT_EQ(json.code, 0) << json.err;
  const boost::json::value seen = boost::json::parse(json.out);
  EXPECT_TRUE(seen.at("robot").as_object().contains("denied"));
  EXPECT_EQ(seen.at("policies").at(0).at("destination"), "eu");
}

TEST_F(HarborVerbs, StartWhatItDoesByItself) {
  set(&test::FakeHarbor::execution,
      R"({"id":31,"status":"Failed","status_text":"no route","total":4,"failed":2,"succeed":2})");
  const Said carried = say({"harbor", "replicate", harbor.host(), "to-europe", "--follow"});
  EXPECT_EQ(carried.code, 1) << "Harbor failed: " << carried.out;
  EXPECT_TRUE(has(carried.out, "31 Failed: 2 of 4 carried, 2 failed: no route")) << carried.out;
  EXPECT_EQ(say({"harbor", "replicate", harbor.host(), "nowhere"}).code, 3);
  const Said retained = say({"harbor", "retain", harbor.host(), "acme", "--follow"});
  EXPECT_EQ(retained.code, 0) << retained.err;
  EXPECT_TRUE(has(retained.err, concat("harbor retain ", harbor.host(), " acme --apply")));
  EXPECT_EQ(harbor.posted("/api/v2.0/retentions/9/executions").at("dry_run"), true);
  EXPECT_EQ(say({"harbor", "retain", harbor.host(), "acme", "--apply"}).code, 0);
  EXPECT_EQ(harbor.posted("/api/v2.0/retentions/9/executions").at("dry_run"), false);
  const Said collected = say({"harbor", "collect", harbor.host()});
  EXPECT_EQ(collected.code, 0) << collected.err;
  EXPECT_TRUE(has(collected.out, "41 Running")) << collected.out;
}

TEST_F(HarborVerbs, PrintWhatItsScannerFound) {
  set(&test::FakeHarbor::artifact, R"({"scan_overview":{
    "application/vnd.security.vulnerability.report; version=1.1":{"scan_status":"Success"}}})");
  set(&test::FakeHarbor::report, R"({"application/vnd.security.vulnerability.report; version=1.1":{
    "generated_at":"2026-01-02T03:04:05.000Z","scanner":{"name":"Trivy","version":"v0.50.1"},
    "vulnerabilities":[{"id":"CVE-2023-5363","package":"libssl3","version":"3.0.9-1",
      "fix_version":"3.0.11-1","severity":"High","status":"fixed"}]}})");
  const std::string image = concat(harbor.host(), "/acme/team/shop:1.0");
  const Said said = say({"harbor", "scan", image, "--follow"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_TRUE(has(said.out, "CVE-2023-5363")) << said.out;
  EXPECT_TRUE(has(said.out, "1 high")) << said.out;
  const Said json = say({"harbor", "scan", image, "--follow", "--json"});
  EXPECT_EQ(boost::json::parse(json.out).at("list").at(0).at("package"), "libssl3") << json.out;
}

TEST_F(HarborVerbs, ACopyCreatesTheProjectItGoesToWhenAskedTo) {
  const std::string config = R"({"os":"linux","architecture":"amd64"})";
  const std::string manifest =
      Manifest::compose({std::string(media::oci_config), os::sha256(config), config.size()}, {})
          .bytes();
  {
    const std::lock_guard lock(harbor.registry.mutex);
    harbor.registry.blobs[{"acme/shop", os::sha256(config).text()}] = config;
    for (const std::string& name : {std::string("1.0"), os::sha256(manifest).text()})
      harbor.registry.manifests[{"acme/shop", name}] = {std::string(media::oci_manifest), manifest};
  }
  std::filesystem::create_directory(folder_.path() / ".docker");
  os::replace_file(folder_.path() / ".docker/config.json",
                   concat(R"({"auths":{")", harbor.host(), R"(":{"auth":")",
                          render_base64("robot$ci:s3cret"), R"("}}})"));
  const auto copy = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"copy", harbor.host() + "/acme/shop:1.0",
                                 harbor.host() + "/fresh/shop:1.0", "--plain-http"});
    os::Program program{LIGHTERMAN_PROGRAM, std::move(words)};
    program.environment = {{"HOME", folder_.path().native()}};
    return os::perform(program);
  };
  const os::Outcome refused = copy({});
  EXPECT_EQ(refused.exit_code, 4) << refused.errors;
  EXPECT_TRUE(has(refused.errors, "project fresh")) << refused.errors;
  const os::Outcome copied = copy({"--create"});
  EXPECT_EQ(copied.exit_code, 0) << copied.errors;
  EXPECT_TRUE(harbor.registry.manifests.contains({"fresh/shop", "1.0"}));
}

TEST_F(HarborVerbs, DoctorLooksAtTheRobotAndCreatesNothing) {
  set(&test::FakeHarbor::robots, good_robot);
  const Said good = say({"doctor"});
  EXPECT_TRUE(has(good.out, concat("ok: Harbor at ", harbor.host(),
                                   ": version v2.11.0-70c03096, logged in as robot$ci until "
                                   "2100-01-01")))
      << good.out;
  EXPECT_TRUE(has(good.out, "/acme/team/shop: an upload could be begun")) << good.out;
  EXPECT_TRUE(has(good.out, "project new is not there yet; a push creates it")) << good.out;
  EXPECT_EQ(harbor.projects, std::set<std::string>{"acme"});
  set(&test::FakeHarbor::robots,
      R"([{"id":2,"name":"robot$ci","expires_at":1700000000,"permissions":[]}])");
  EXPECT_TRUE(has(say({"doctor"}).out,
                  "until 2023-11-14\n    to mend it: renew the robot account in Harbor"));
  set(&test::FakeHarbor::robots,
      R"([{"id":2,"name":"robot$ci","expires_at":-1,"permissions":[]}])");
  EXPECT_TRUE(has(say({"doctor"}).out, "may not push repositories in project acme"));
}

}  // namespace
}  // namespace lighterman::cli
