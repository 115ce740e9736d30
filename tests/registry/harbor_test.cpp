#include "registry/harbor.hpp"

#include <gtest/gtest.h>

#include "registry/fake_harbor.hpp"
#include "registry/product.hpp"
#include "registry/profile.hpp"
#include "registry/scene.hpp"

namespace lighterman::registry {
namespace {

using test::Blob;
using test::failure_of;
using test::FakeHarbor;
using test::FakeRegistry;
using test::repository;
using test::Scene;

const std::stop_token never;

/// Options of the account robot$ci, whose password is s3cret.
struct HarborScene : Scene {
  HarborScene() { os::replace_file(folder.path() / "password", "s3cret", 0600); }
  Options robot(const std::string& host, const std::string& name = "robot$ci") const {
    Options options = Scene::options(host);
    options.username = name;
    options.password_place = concat("file:", (folder.path() / "password").native());
    return options;
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Harbor, IsFoundByAsking) {
  HarborScene scene;
  FakeHarbor harbor;
  const Options options = scene.robot(harbor.host());
  const auto about = Harbor(options).find(never);
  ASSERT_TRUE(about);
  EXPECT_EQ(about->version, "v2.11.0-70c03096");
  EXPECT_EQ(find_product(options, scene.store, never), Product::harbor);
  const Profile profile = profile_of(scene.store, harbor.host());
  EXPECT_EQ(profile.product, "harbor");
  EXPECT_EQ(profile.version, "v2.11.0-70c03096");
  const std::size_t asked = harbor.registry.count("GET /api");
  EXPECT_EQ(find_product(options, scene.store, never), Product::harbor);
  EXPECT_EQ(harbor.registry.count("GET /api"), asked) << "it was asked a second time";

  FakeRegistry plain;
  EXPECT_FALSE(Harbor(Scene::options(plain.host())).find(never));
  EXPECT_EQ(find_product(Scene::options(plain.host()), scene.store, never), Product::plain);
}

TEST(Harbor, IsFoundWhereAnotherRegistryWasBefore) {
  HarborScene scene;
  FakeRegistry plain;
  EXPECT_EQ(find_product(Scene::options(plain.host()), scene.store, never), Product::plain);
  EXPECT_FALSE(scene.store.find_fact(concat("registry:", plain.host()), "product"));
  const std::size_t asked = plain.count("GET /api");
  EXPECT_EQ(find_product(Scene::options(plain.host()), scene.store, never), Product::plain);
  EXPECT_EQ(plain.count("GET /api"), asked) << "once an hour is enough";

  FakeHarbor harbor;
  scene.store.put_fact(concat("registry:", harbor.host()), "product", "plain");
  EXPECT_EQ(find_product(scene.robot(harbor.host()), scene.store, never), Product::harbor);
}

TEST(Harbor, TakesAPushToAProjectThatIsNotThereYet) {
  HarborScene scene;
  FakeHarbor harbor;
  Options options = scene.robot(harbor.host());
  options.create = true;
  Client client(options, scene.store);
  const Blob layer(1000);
  const Reference shop = repository(harbor.host(), "new/shop");
  EXPECT_FALSE(client.find_tag(shop.with_tag("1.0"), never)) << "nothing can be there yet";
  EXPECT_TRUE(harbor.projects.contains("acme") && !harbor.projects.contains("new"))
      << "looking must create nothing";
  EXPECT_EQ(client.bring(layer.source, shop, {}, never).fate, LayerFate::sent);
  EXPECT_TRUE(harbor.projects.contains("new"));
  EXPECT_EQ(harbor.posted("/api/v2.0/projects"),
            boost::json::parse(R"({"project_name":"new","metadata":{"public":"false"}})"));
  const Blob second(2000, 2);
  client.bring(second.source, shop, {}, never);
  EXPECT_EQ(harbor.registry.count("POST /api/v2.0/projects"), 1U);
}

TEST(Harbor, SaysWhoGivesWhatAPushLacks) {
  HarborScene scene;
  FakeHarbor harbor;
  Client client(scene.robot(harbor.host()), scene.store);
  const Blob layer(1000);
  const Reference shop = repository(harbor.host(), "new/shop");
  const Error denied = failure_of([&] { client.bring(layer.source, shop, {}, never); });
  EXPECT_EQ(denied.kind(), ErrorKind::denied);
  EXPECT_FALSE(has(denied.what(), "docker login")) << "the credentials are good: " << denied.what();
  EXPECT_TRUE(has(denied.what(), "project new")) << denied.what();

  Options creating = scene.robot(harbor.host());
  creating.create = true;
  harbor.may_create_projects = false;
  Client creator(creating, scene.store);
  const Error forbidden = failure_of([&] { creator.bring(layer.source, shop, {}, never); });
  EXPECT_EQ(forbidden.kind(), ErrorKind::denied);
  EXPECT_TRUE(has(forbidden.what(), "create projects")) << forbidden.what();
}

TEST(Harbor, TellsWhatItsRobotMayAndForHowLong) {
  HarborScene scene;
  FakeHarbor harbor;
  harbor.robots = R"([{"id":1,"name":"robot$other","permissions":[]},
    {"id":2,"name":"robot$ci","disable":false,"expires_at":1767312000,"level":"system",
     "permissions":[{"kind":"project","namespace":"acme","access":[
       {"resource":"repository","action":"pull"},{"resource":"repository","action":"push"}]}]}])";
  const auto robot = Harbor(scene.robot(harbor.host())).find_robot(never);
  ASSERT_TRUE(robot);
  EXPECT_EQ(robot->name, "robot$ci");
  EXPECT_TRUE(robot->may("acme", "push", "repository"));
  EXPECT_FALSE(robot->may("acme", "delete", "artifact"));
  EXPECT_FALSE(robot->may("other", "push", "repository"));
  EXPECT_EQ(robot->expires, parse_time("2026-01-02T00:00:00Z"));

  harbor.may_list_robots = false;
  const Error denied = failure_of([&] { Harbor(scene.robot(harbor.host())).find_robot(never); });
  EXPECT_EQ(denied.kind(), ErrorKind::denied);
  EXPECT_TRUE(has(denied.what(), "list robot")) << denied.what();
}

TEST(Harbor, LooksForAProjectsRobotInItsProject) {
  HarborScene scene;
  FakeHarbor harbor("Basic cm9ib3QkYWNtZStjaTpzM2NyZXQ=");  // robot$acme+ci
  harbor.robots = R"([{"id":3,"name":"robot$acme+ci","expires_at":-1,"permissions":[]}])";
  const auto robot = Harbor(scene.robot(harbor.host(), "robot$acme+ci")).find_robot(never);
  ASSERT_TRUE(robot);
  EXPECT_FALSE(robot->expires);
  const std::lock_guard lock(harbor.registry.mutex);
  EXPECT_EQ(harbor.posts["robots"], "Level=project,ProjectID=5");
}

TEST(Harbor, CarriesByItsOwnPolicies) {
  HarborScene scene;
  FakeHarbor fake;
  Harbor harbor(scene.robot(fake.host()));
  const HarborPolicy policy = harbor.policy("to-europe", never);
  EXPECT_EQ(policy.destination, "eu");
  EXPECT_EQ(policy.trigger, "manual");
  const std::int64_t execution = harbor.start_replication(policy.id, never);
  EXPECT_EQ(execution, 31);
  EXPECT_EQ(fake.posted("/api/v2.0/replication/executions"),
            boost::json::parse(R"({"policy_id":7})"));
  HarborJob job = harbor.replication(execution, never);
  EXPECT_FALSE(job.ended());
  EXPECT_TRUE(has(job.text, "1 of 4 carried"));
  {
    const std::lock_guard lock(fake.registry.mutex);
    fake.execution = R"({"id":31,"status":"Failed","status_text":"no route","total":4,"failed":2,
      "succeed":2,"end_time":"2026-01-02T03:04:05.000Z"})";
  }
  job = harbor.replication(execution, never);
  EXPECT_TRUE(job.ended() && job.failed());
  EXPECT_TRUE(has(job.text, "2 failed: no route")) << job.text;
  const Error unknown = failure_of([&] { harbor.policy("to-europa", never); });
  EXPECT_EQ(unknown.kind(), ErrorKind::not_found);
  EXPECT_TRUE(has(unknown.what(), "did you mean \"to-europe\"")) << unknown.what();
}

TEST(Harbor, ScansAnImageAndTellsWhatItFound) {
  HarborScene scene;
  FakeHarbor fake;
  Harbor harbor(scene.robot(fake.host()));
  const Reference shop = repository(fake.host(), "acme/team/shop").at(os::sha256("shop"));
  EXPECT_FALSE(harbor.find_scan(shop, never));
  EXPECT_EQ(failure_of([&] { harbor.findings(shop, never); }).kind(), ErrorKind::not_found);
  harbor.start_scan(shop, never);
  EXPECT_EQ(fake.registry.count(concat("POST /api/v2.0/projects/acme/repositories/team%252Fshop/"
                                       "artifacts/")),
            1U);
  {
    const std::lock_guard lock(fake.registry.mutex);
    fake.artifact = R"({"scan_overview":{
      "application/vnd.security.vulnerability.report; version=1.1":{"report_id":"r",
        "scan_status":"Success","severity":"High","end_time":"2026-01-02T03:04:05.000Z"}}})";
    fake.report = R"({"application/vnd.security.vulnerability.report; version=1.1":{
      "generated_at":"2026-01-02T03:04:05.000Z","severity":"High",
      "scanner":{"name":"Trivy","vendor":"Aqua Security","version":"v0.50.1"},
      "vulnerabilities":[
        {"id":"CVE-2023-5363","package":"libssl3","version":"3.0.9-1",
         "fix_version":"3.0.11-1~deb12u2","severity":"High","status":"fixed",
         "description":"a flaw","links":["https://avd.aquasec.com/nvd/cve-2023-5363"]},
        {"id":"CVE-2023-1","package":"zlib1g","version":"1","severity":"Negligible",
         "status":"somebody's word"}]}})";
  }
  const auto scan = harbor.find_scan(shop, never);
  ASSERT_TRUE(scan);
  EXPECT_TRUE(scan->ended() && !scan->failed());
  const Findings findings = harbor.findings(shop, never);
  EXPECT_EQ(findings.scanner, "Trivy");
  EXPECT_EQ(findings.scanner_version, "v0.50.1");
  EXPECT_EQ(findings.scanned, parse_time("2026-01-02T03:04:05Z"));
  EXPECT_EQ(findings.subject, shop.digest());
  ASSERT_EQ(findings.list.size(), 2U);
  EXPECT_EQ(findings.list[0].severity, Severity::high);
  EXPECT_EQ(findings.list[0].status, FindingStatus::fixed);
  EXPECT_EQ(findings.list[0].fixed, "3.0.11-1~deb12u2");
  EXPECT_EQ(findings.list[0].url, "https://avd.aquasec.com/nvd/cve-2023-5363");
  EXPECT_EQ(findings.list[1].severity, Severity::low);
  EXPECT_EQ(findings.list[1].status, FindingStatus::unknown);
}

TEST(Harbor, ClearsUpByItsOwnRules) {
  HarborScene scene;
  FakeHarbor fake;
  Harbor harbor(scene.robot(fake.host()));
  const auto retention = harbor.find_retention("acme", never);
  ASSERT_TRUE(retention);
  EXPECT_EQ(retention->id, 9);
  EXPECT_EQ(retention->rules, 2U);
  EXPECT_EQ(retention->schedule.cron, "0 0 0 * * *");
  EXPECT_EQ(harbor.start_retention(retention->id, true, never), 77);
  EXPECT_EQ(fake.posted("/api/v2.0/retentions/9/executions"),
            boost::json::parse(R"({"dry_run":true})"));
  const auto last = harbor.last_retention(retention->id, never);
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->ended());
  EXPECT_EQ(harbor.garbage_schedule(never).cron, "0 0 3 * * *");
  EXPECT_EQ(harbor.collect_garbage(never), 41);
  EXPECT_EQ(fake.posted("/api/v2.0/system/gc/schedule").at("schedule"),
            boost::json::parse(R"({"type":"Manual"})"));
  const auto collection = harbor.last_collection(never);
  ASSERT_TRUE(collection);
  EXPECT_FALSE(collection->ended());
  fake.project = R"({"project_id":5,"name":"acme","metadata":{"public":"false"}})";
  EXPECT_FALSE(harbor.find_retention("acme", never));
}

TEST(Harbor, TellsWhenEachImageWasPulled) {
  HarborScene scene;
  FakeHarbor fake;
  for (int i = 0; i < 101; ++i)
    fake.artifacts.push_back(
        concat(R"({"digest":")", os::sha256(std::to_string(i)), R"(","pull_time":")",
               i == 0 ? "0001-01-01T00:00:00.000Z" : "2026-01-02T03:04:05.000Z",
               R"(","push_time":"2026-01-01T00:00:00.000Z","references":[{"child_digest":")",
               os::sha256("child"), R"("}]})"));
  const auto images =
      Harbor(scene.robot(fake.host())).artifacts(repository(fake.host(), "acme/team/shop"), never);
  EXPECT_EQ(images.size(), 101U) << "all pages count";
  EXPECT_FALSE(images.at(os::sha256("0")).pulled) << "it was never pulled";
  EXPECT_EQ(images.at(os::sha256("100")).pulled, parse_time("2026-01-02T03:04:05Z"));
  EXPECT_EQ(images.at(os::sha256("100")).pushed, parse_time("2026-01-01T00:00:00Z"));
  EXPECT_EQ(images.at(os::sha256("7")).children, std::vector<Digest>{os::sha256("child")});
}

TEST(Harbor, KeepsThePasswordOutOfItsErrors) {
  HarborScene scene;
  FakeHarbor fake("Basic somebody else");
  const Error denied = failure_of([&] { Harbor(scene.robot(fake.host())).policies(never); });
  EXPECT_EQ(denied.kind(), ErrorKind::denied);
  EXPECT_FALSE(has(denied.what(), "s3cret")) << denied.what();
}

}  // namespace
}  // namespace lighterman::registry
