// A Harbor that images go to looks at them before they get a tag.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/error.hpp"
#include "os/file.hpp"
#include "pipeline/house.hpp"
#include "pipeline/replicator.hpp"
#include "pipeline/rescan.hpp"
#include "pipeline/untagged.hpp"
#include "registry/fake_harbor.hpp"
#include "scan/kept.hpp"
#include "support/background.hpp"

namespace lighterman::pipeline {
namespace {

constexpr const char* report_type = "application/vnd.security.vulnerability.report; version=1.1";

class InHarbor : public ::testing::Test {
 protected:
  InHarbor() {
    write_shop(house.git);
    os::replace_file(folder.path() / "password", "s3cret", 0600);
    registry::Options& options = house.config.registries[harbor.host()];
    options.host = harbor.host();
    options.username = "robot$ci";
    options.password_place = concat("file:", (folder.path() / "password").string());
    house.image().targets = {Reference::parse(harbor.host() + "/acme/team/shop")};
    config::Scan& scan = house.config.scan.emplace();
    scan.by = config::ScanBy::harbor;
    scan.trivy.program = "/nowhere/trivy";
    harbor.scan_begun = [this] {
      tags_at_scan = tags();
      harbor.artifact = overview("Success");
    };
  }
  static std::string overview(const std::string& state) {
    return concat(R"({"scan_overview":{")", report_type, R"(":{"scan_status":")", state,
                  R"(","severity":"Critical","end_time":"2026-01-02T03:04:05.000Z"}}})");
  }
  void found(const std::string& severity) {
    harbor.report = concat(R"({")", report_type, R"(":{"generated_at":"2026-01-02T03:04:05.000Z",
      "scanner":{"name":"Trivy","version":"v0.50.1"},"vulnerabilities":[
      {"id":"CVE-2023-5363","package":"libssl3","version":"3.0.9-1","severity":")",
                           severity, R"("}]}})");
  }
  /// Under registry.mutex.
  std::set<std::string> tags() const {
    std::set<std::string> names;
    for (const auto& [key, manifest] : harbor.registry.manifests)
      if (!key.second.starts_with("sha256:")) names.insert(key.second);
    return names;
  }
  bool is_tagged() {
    const std::lock_guard lock(harbor.registry.mutex);
    return !tags().empty();
  }
  lighterman::Run release() {
    house.git.commit("Release");
    house.start();
    return house.push();
  }

  test::FakeHarbor harbor;
  os::ScratchFolder folder;
  House house;
  std::optional<std::set<std::string>> tags_at_scan;
};

TEST_F(InHarbor, WhatItsScannerFindsKeepsAnImageFromItsTag) {
  found("Critical");
  const lighterman::Run run = release();
  EXPECT_EQ(run.state, RunState::denied) << house.log(run.id);
  EXPECT_NE(run.why.find("CVE-2023-5363"), std::string::npos) << run.why;
  EXPECT_FALSE(is_tagged());
  const auto kept = house.store->find_fact(scan::kept_scope, scan::kept_name(run.id, "web"));
  ASSERT_TRUE(kept);
  const Findings findings = scan::unpack(*kept);
  EXPECT_EQ(findings.scanner, "Trivy");
  ASSERT_EQ(findings.list.size(), 1U);
  EXPECT_EQ(findings.list[0].package, "libssl3");
}

TEST_F(InHarbor, WhatItsScannerLetsPassIsPublished) {
  found("Low");
  const lighterman::Run run = release();
  EXPECT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  ASSERT_TRUE(tags_at_scan) << "it was not asked to scan";
  EXPECT_TRUE(tags_at_scan->empty()) << "tagged before it was looked at";
  EXPECT_TRUE(is_tagged());
}

TEST_F(InHarbor, WhatItsScannerFindsLaterIsFoundByTheNextRound) {
  found("Low");
  const lighterman::Run run = release();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  found("Critical");
  Rescan rescan([&] { return house.yard; }, *house.store, [](auto, const auto&) {});
  const RescanRound round = rescan.perform({});
  EXPECT_EQ(round.scanned, 1U);
  EXPECT_EQ(round.dirty, 1U);
}

TEST_F(InHarbor, WhatADeniedRunLeftThereGoesWhenNobodyMayAllowItAnyMore) {
  found("Critical");
  const lighterman::Run run = release();
  ASSERT_EQ(run.state, RunState::denied) << house.log(run.id);
  const auto clear = [&](std::chrono::hours later) {
    clear_untagged(
        *house.yard, *house.store, system_now() + later, std::chrono::hours(24 * 7),
        [](const std::string&) {}, [](const std::string& why) { ADD_FAILURE() << why; }, {});
    const std::lock_guard lock(harbor.registry.mutex);
    return harbor.registry.manifests.size();
  };
  EXPECT_EQ(clear(std::chrono::hours(24)), 1U) << "it may still be allowed";
  EXPECT_EQ(clear(std::chrono::hours(24 * 8)), 0U);
}

TEST_F(InHarbor, WhatADeniedRunLeftStaysWhereATagNamesItByNow) {
  found("Critical");
  const lighterman::Run run = release();
  ASSERT_EQ(run.state, RunState::denied) << house.log(run.id);
  {
    const std::lock_guard lock(harbor.registry.mutex);
    const auto left = harbor.registry.manifests.begin()->second;
    harbor.registry.manifests[{"acme/team/shop", "by-hand"}] = left;
  }
  clear_untagged(
      *house.yard, *house.store, system_now() + std::chrono::hours(24 * 8),
      std::chrono::hours(24 * 7), [](const std::string&) {}, [](const std::string&) {}, {});
  EXPECT_TRUE(is_tagged());
}

TEST_F(InHarbor, WhatWasPublishedOnceStaysWhenTheSameIsDeniedLater) {
  found("Low");
  ASSERT_EQ(release().state, RunState::succeeded);
  found("Critical");
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::denied) << house.log(run.id);
  {
    // Its tag moved on, and a cluster runs it by its digest.
    const std::lock_guard lock(harbor.registry.mutex);
    std::erase_if(harbor.registry.manifests,
                  [](const auto& each) { return !each.first.second.starts_with("sha256:"); });
    ASSERT_EQ(harbor.registry.manifests.size(), 1U);
  }
  clear_untagged(
      *house.yard, *house.store, system_now() + std::chrono::hours(24 * 8),
      std::chrono::hours(24 * 7), [](const std::string&) {}, [](const std::string&) {}, {});
  const std::lock_guard lock(harbor.registry.mutex);
  EXPECT_EQ(harbor.registry.manifests.size(), 1U);
}

/// The rule by which Harbor carries what is published there.
class ByHarbor : public InHarbor {
 protected:
  ByHarbor() {
    house.config.scan.reset();
    config::ReplicateRule& rule = house.config.replicate.emplace_back();
    rule.name = "by-harbor";
    rule.from = {concat(harbor.host(), "/acme/**")};
    rule.terms.policy = "to-europe";
  }
  std::unique_ptr<Replicator> replicator() {
    return std::make_unique<Replicator>([this] { return house.yard; }, *house.store,
                                        [](std::string_view, const std::string&) {});
  }
  Replication only() const { return house.store->replications({}).at(0); }
  void ends(const std::string& state) {
    const std::lock_guard lock(harbor.registry.mutex);
    harbor.execution = concat(R"({"id":31,"status":")", state, R"(","total":4,"succeed":4})");
  }
};

TEST_F(ByHarbor, WhatIsPublishedThereIsCarriedByItsPolicy) {
  const lighterman::Run run = release();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const auto carrier = replicator();
  ASSERT_TRUE(support::eventually(
      [&] { return harbor.registry.count("GET /api/v2.0/replication/executions/31") > 1; }));
  EXPECT_EQ(only().state, ReplicationState::running);
  ends("Succeed");
  ASSERT_TRUE(support::eventually([&] { return is_final(only().state); }));
  EXPECT_EQ(only().state, ReplicationState::done) << only().why;
  EXPECT_EQ(only().notes.at(0),
            "Harbor's policy to-europe: execution 31 Succeed, 4 of 4 carried, 0 failed");
}

TEST_F(ByHarbor, ADaemonThatStoppedMeanwhileWaitsForTheSameExecution) {
  ASSERT_EQ(release().state, RunState::succeeded);
  auto carrier = replicator();
  ASSERT_TRUE(support::eventually(
      [&] { return harbor.registry.count("GET /api/v2.0/replication/executions/31") > 0; }));
  carrier.reset();
  ends("Failed");
  carrier = replicator();
  ASSERT_TRUE(support::eventually([&] { return is_final(only().state); }));
  EXPECT_EQ(only().state, ReplicationState::failed);
  EXPECT_NE(only().why.find("policy to-europe"), std::string::npos) << only().why;
  EXPECT_EQ(harbor.registry.count("POST /api/v2.0/replication/executions"), 1U);
}

TEST_F(ByHarbor, IsToldToStopWhatSomebodyCancels) {
  ASSERT_EQ(release().state, RunState::succeeded);
  const auto carrier = replicator();
  ASSERT_TRUE(support::eventually(
      [&] { return harbor.registry.count("GET /api/v2.0/replication/executions/31") > 0; }));
  house.store->cancel_replication(only().id, "ann cancelled it");
  EXPECT_TRUE(support::eventually(
      [&] { return harbor.registry.count("PUT /api/v2.0/replication/executions/31") == 1; }));
}

TEST_F(InHarbor, AScanThatItBeganItselfIsWaitedFor) {
  found("Low");
  harbor.artifact = overview("Success");  // of last week
  harbor.scans_already = true;
  std::size_t looks = 0;
  harbor.scan_begun = [&] { harbor.artifact = overview("Running"); };
  harbor.registry.surprises.emplace_back([&](const httplib::Request& request, httplib::Response&) {
    // Its scanner takes until the third look.
    if (request.path.find("/artifacts/sha256:") != std::string::npos && request.method == "GET" &&
        harbor.artifact == overview("Running") && ++looks == 3)
      harbor.artifact = overview("Success");
    return false;
  });
  const lighterman::Run run = release();
  EXPECT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(looks, 3U);
}

TEST_F(InHarbor, AScannerThatFailsOrTakesTooLongKeepsTheImageBack) {
  harbor.scan_begun = [&] { harbor.artifact = overview("Error"); };
  const lighterman::Run failed = release();
  EXPECT_EQ(failed.state, RunState::denied) << house.log(failed.id);
  EXPECT_NE(failed.why.find("could not scan"), std::string::npos) << failed.why;

  harbor.artifact = R"({"digest":"sha256:aa"})";
  harbor.scan_begun = [&] { harbor.artifact = overview("Pending"); };
  house.config.scan->trivy.timeout = std::chrono::seconds(1);
  house.git.write("late.txt", "later");
  const lighterman::Run slow = release();
  EXPECT_EQ(slow.state, RunState::denied) << house.log(slow.id);
  EXPECT_NE(slow.why.find("within 1s"), std::string::npos) << slow.why;
  EXPECT_FALSE(is_tagged());
}

TEST_F(InHarbor, AnImageThatGoesToNoHarborIsNotLetThroughUnseen) {
  house.image().targets = {house.reference()};
  const lighterman::Run run = release();
  EXPECT_EQ(run.state, RunState::denied) << house.log(run.id);
  EXPECT_NE(run.why.find("none of its targets is a Harbor"), std::string::npos) << run.why;
}

}  // namespace
}  // namespace lighterman::pipeline
