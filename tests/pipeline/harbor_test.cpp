// A Harbor that images go to looks at them before they get a tag.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/error.hpp"
#include "os/file.hpp"
#include "pipeline/house.hpp"
#include "pipeline/rescan.hpp"
#include "registry/fake_harbor.hpp"
#include "scan/kept.hpp"

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
