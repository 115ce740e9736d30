// What must be true of an image before anybody can pull it by a tag: scanned with the real Trivy,
// signed so that the real cosign believes it.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "pipeline/house.hpp"
#include "pipeline/rescan.hpp"
#include "registry/referrers.hpp"
#include "scan/kept.hpp"
#include "scan/writers.hpp"
#include "support/peers.hpp"
#include "support/trivy_db.hpp"
#include "trust/keyring.hpp"

namespace lighterman::pipeline {
namespace {

/// A shop whose image holds Debian packages with known vulnerabilities.
class Gate : public ::testing::Test {
 protected:
  Gate() {
    package("libssl3", "openssl", "3.0.9-1");
    house.git.write("debian_version", "12.1\n");
    house.git.write("os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    house.git.write("Dockerfile",
                    "FROM busybox\n"
                    "COPY debian_version os-release /etc/\n"
                    "COPY libssl3 /var/lib/dpkg/status.d/libssl3\n"
                    "COPY zlib1g /var/lib/dpkg/status.d/zlib1g\n");
  }
  void package(const std::string& name, const std::string& source, const std::string& version) {
    house.git.write(name, concat("Package: ", name,
                                 "\nStatus: install ok installed\nArchitecture: amd64\nSource: ",
                                 source, "\nVersion: ", version, "\nMaintainer: x <x@y.z>\n\n"));
  }
  /// zlib's only advisory is critical, and will not be fixed.
  void with_zlib() { package("zlib1g", "zlib", "1:1.2.13.dfsg-1"); }
  void without_zlib() { package("zlib1g", "shop-nothing", "1"); }

  config::Scan& scanner() {
    support::write_trivy_database(cache.path(), support::debian_advisories());
    config::Scan& scan = house.config.scan.emplace();
    scan.trivy.program = support::Peers::folder() / "trivy";
    scan.cache = cache.path();
    scan.trivy.skip_update = true;
    scan.trivy.offline = true;
    scan.trivy.database_age_limit = std::chrono::hours(24 * 3650);
    return scan;
  }
  void keys() {
    os::replace_file(folder.path() / "password", "s3cret", 0600);
    trust::Keyring(folder.path() / "keys").add("release", Secret("s3cret"), system_now());
    house.config.keys = config::Keys{folder.path() / "keys",
                                     concat("file:", (folder.path() / "password").string()), true};
  }
  config::PluginSeat& plugin(const std::string& name, boost::json::object settings = {}) {
    config::PluginSeat& seat = house.config.plugins[name];
    seat.name = name;
    seat.settings = std::move(settings);
    return seat;
  }
  os::Outcome cosign(int version, const std::string& verb, std::vector<std::string> more = {}) {
    std::vector<std::string> words{verb, "--key", (folder.path() / "keys/release.pub").string(),
                                   "--insecure-ignore-tlog"};
    words.insert(words.end(), more.begin(), more.end());
    words.push_back(house.reference().at(*house.tag("1.4.2")).text());
    return peers.run(concat("cosign", version), words);
  }
  /// Pushes the commit as version 1.4.2.
  lighterman::Run release() {
    house.git.commit("Release");
    house.git.tag("v1.4.2");
    return house.push("refs/tags/v1.4.2");
  }

  os::ScratchFolder folder, cache;
  support::Peers peers{folder.path()};
  House house;
};

TEST_F(Gate, ACriticalFindingKeepsTheTagBackAndNamesTheLineThatBroughtIt) {
  with_zlib();
  house.git.commit("Use zlib");
  scanner();
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::denied) << run.why << house.log(run.id);
  EXPECT_NE(run.why.find("CRITICAL CVE-2023-45853: line 4 installs zlib1g"), std::string::npos)
      << run.why;
  EXPECT_EQ(run.why.find("openssl"), std::string::npos) << "HIGH passes by default: " << run.why;
  EXPECT_FALSE(house.tag("main"));
}

TEST_F(Gate, AWaivedFindingLetsTheImagePassAndAnEndedWaiverDoesNot) {
  with_zlib();
  house.git.commit("Use zlib");
  scanner().waivers = {{.vulnerability = "CVE-2023-45853",
                        .reason = "minizip is not used",
                        .who = "ann",
                        .until = system_now() + std::chrono::hours(24)}};
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const auto facts = house.store->find_hook(run.id, "web", "on_staged")->facts;
  EXPECT_EQ(facts.at("findings").at("counts").at("CRITICAL"), 0);
  EXPECT_EQ(facts.at("findings").at("list").at(0).at("waived"), "minizip is not used");

  house.config.scan->waivers.at(0).until = system_now() - std::chrono::hours(24);
  house.start();
  EXPECT_EQ(house.push().state, RunState::denied);
}

TEST_F(Gate, AnOpenVexDocumentOfTheRepositoryWaivesAndABrokenOneDenies) {
  with_zlib();
  scanner().vex = {"security/vex.json"};
  house.git.write("security/vex.json",
                  concat(R"({"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://x/1",
      "author":"sec@acme","timestamp":"2026-01-01T00:00:00Z","version":1,"statements":[{
      "vulnerability":{"name":"CVE-2023-45853"},
      "products":[{"@id":"pkg:oci/x?repository_url=)",
                         house.reference().name(), R"(",
        "subcomponents":[{"@id":"pkg:deb/debian/zlib1g"}]}],
      "status":"not_affected","justification":"vulnerable_code_not_present"}]})"));
  house.git.commit("Say that minizip is not there");
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const auto kept = house.store->find_fact(scan::kept_scope, scan::kept_name(run.id, "web"));
  ASSERT_TRUE(kept);
  const Findings findings = scan::unpack(*kept);
  EXPECT_EQ(findings.counts().waived, 1U);
  EXPECT_NE(scan::table_of(findings).find("vulnerable_code_not_present (sec@acme)"),
            std::string::npos);

  house.git.write("security/vex.json", "{");
  house.git.commit("Break it");
  // Not even where an image that cannot be scanned may pass.
  house.config.scan->deny_unscanned = false;
  house.start();
  const lighterman::Run broken = house.push();
  EXPECT_EQ(broken.state, RunState::denied);
  EXPECT_NE(broken.why.find("scan.vex: security/vex.json: "), std::string::npos) << broken.why;
  EXPECT_NE(broken.why.find("CVE-2023-45853"), std::string::npos) << broken.why;
}

TEST_F(Gate, FindingsOfRunsAreForgottenInTime) {
  without_zlib();
  house.git.commit("One");
  scanner();
  house.start();
  const lighterman::Run run = house.push();
  const auto has = [&] {
    return house.store->find_fact(scan::kept_scope, scan::kept_name(run.id, "web")).has_value();
  };
  house.store->forget_findings(*run.ended);
  EXPECT_TRUE(has());
  house.store->forget_findings(*run.ended + std::chrono::milliseconds(1));
  EXPECT_FALSE(has());
}

TEST_F(Gate, TheSameImageWithTheSameDatabaseIsScannedOnce) {
  without_zlib();
  house.git.commit("One");
  config::Scan& scan = scanner();
  const auto calls = folder.path() / "calls";
  const auto program = folder.path() / "trivy";
  os::replace_file(program,
                   concat("#!/bin/sh\ncase \"$*\" in *cyclonedx*) ;; *image*) echo x >>",
                          calls.string(), ";; esac\nexec ", scan.trivy.program, " \"$@\"\n"),
                   0755);
  scan.trivy.program = program.string();
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  ASSERT_EQ(house.push().state, RunState::succeeded);
  EXPECT_EQ(os::read_file(calls, 1000), "x\n");
}

TEST_F(Gate, ScansAndSbomsThatNobodyNeedsAreClearedAway) {
  without_zlib();
  house.git.commit("One");
  scanner();
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why;
  const SbomShelf shelf(house.config.data / "sboms");
  const Digest published = *house.tag("main"), failed = os::sha256("a run that failed");
  shelf.put(failed, "{}");
  shelf.clear(*house.store, system_now() - std::chrono::hours(1));
  EXPECT_TRUE(shelf.find(failed)) << "its run may still go on";
  shelf.clear(*house.store, system_now() + std::chrono::hours(1));
  EXPECT_FALSE(shelf.find(failed));
  EXPECT_TRUE(shelf.find(published));
  house.store->forget_scans(run.created);
  EXPECT_EQ(house.store->facts("scan").size(), 1u);
  house.store->forget_scans(system_now() + std::chrono::hours(1));
  EXPECT_TRUE(house.store->facts("scan").empty());
}

class GateOfOneForm : public Gate, public ::testing::WithParamInterface<SignatureForms> {};

TEST_P(GateOfOneForm, SignsAsItsRegistryIsConfigured) {
  without_zlib();
  keys();
  plugin("sign-releases", {{"key", "release"}});
  house.registry_options().host = the_registry().host();
  house.registry_options().signatures = GetParam();
  house.start();
  ASSERT_EQ(release().state, RunState::succeeded);
  const Digest image = *house.tag("1.4.2");
  const bool legacy = GetParam() == SignatureForms::legacy;
  EXPECT_EQ(house.tag(concat("sha256-", image.hex(), ".sig")).has_value(), legacy);
  registry::Client& client = house.yard->registry(house.reference().host());
  EXPECT_EQ(registry::find_referrers(client, house.reference(), image, "", {}).empty(), legacy);
  EXPECT_EQ(cosign(legacy ? 2 : 3, "verify").exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(Forms, GateOfOneForm,
                         ::testing::Values(SignatureForms::legacy, SignatureForms::bundle));

TEST_F(Gate, AScannerThatIsMissingDeniesUnlessTheOperatorAllowsIt) {
  without_zlib();
  house.git.commit("One");
  scanner().trivy.program = "/nowhere/trivy";
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::denied);
  EXPECT_NE(run.why.find("the image could not be scanned: "), std::string::npos) << run.why;
  EXPECT_NE(run.why.find("/nowhere/trivy"), std::string::npos) << run.why;
  house.config.scan->deny_unscanned = false;
  house.start();
  EXPECT_EQ(house.push().state, RunState::succeeded);
}

TEST_F(Gate, AReleaseIsSignedAndDescribedSoThatBothCosignsBelieveIt) {
  without_zlib();
  scanner();
  keys();
  plugin("sign-releases", {{"key", "release"}});
  plugin("attach-sbom", {{"formats", {"cyclonedx", "spdx"}}, {"provenance", true}});
  house.start();
  const lighterman::Run run = release();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  for (const int version : {2, 3}) {
    const os::Outcome signature = cosign(version, "verify");
    EXPECT_EQ(signature.exit_code, 0) << version << signature.errors << house.log(run.id);
    for (const char* type : {"cyclonedx", "spdxjson", "slsaprovenance1"}) {
      const os::Outcome said = cosign(version, "verify-attestation", {"--type", type});
      EXPECT_EQ(said.exit_code, 0) << version << type << said.errors << house.log(run.id);
    }
  }
  EXPECT_NE(cosign(2, "verify").output.find(run.commit), std::string::npos)
      << "the claims name the commit";
  for (const ActionRecord& action : house.store->actions(run.id))
    EXPECT_EQ(action.state, ActionState::done) << action.kind << action.why;

  // Once more: nothing is added.
  const auto tags = house.yard->registry(house.reference().host()).tags(house.reference(), {});
  ASSERT_EQ(house.push("refs/tags/v1.4.2").state, RunState::succeeded);
  EXPECT_EQ(house.yard->registry(house.reference().host()).tags(house.reference(), {}), tags);
}

TEST_F(Gate, AnImageForTwoPlatformsIsSignedWholeAndInParts) {
  have_two_platforms();
  without_zlib();
  house.git.write("Dockerfile",
                  "FROM busybox-$TARGETARCH\nCOPY debian_version os-release /etc/\n"
                  "COPY libssl3 /var/lib/dpkg/status.d/libssl3\n");
  scanner();
  keys();
  plugin("sign-releases", {{"key", "release"}});
  plugin("attach-sbom", {{"formats", {"cyclonedx"}}, {"provenance", true}});
  house.image().platforms = {"linux/amd64", "linux/arm64"};
  house.start();
  const lighterman::Run run = release();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const auto index = house.yard->registry(house.reference().host())
                         .find_manifest(house.reference().with_tag("1.4.2"), {});
  ASSERT_TRUE(index);
  const boost::json::value parts = boost::json::parse(index->bytes);
  std::vector<std::string> images{house.tag("1.4.2")->text()};
  for (const boost::json::value& part : parts.at("manifests").as_array())
    images.emplace_back(part.at("digest").as_string());
  ASSERT_EQ(images.size(), 3u);
  for (const std::string& image : images) {
    const std::string name = house.reference().at(Digest::parse(image)).text();
    const std::string key = (folder.path() / "keys/release.pub").string();
    for (const std::string cosign : {"cosign2", "cosign3"}) {
      const os::Outcome signature =
          peers.run(cosign, {"verify", "--key", key, "--insecure-ignore-tlog", name});
      EXPECT_EQ(signature.exit_code, 0) << cosign << image << signature.errors;
      const os::Outcome provenance =
          peers.run(cosign, {"verify-attestation", "--key", key, "--insecure-ignore-tlog", "--type",
                             "slsaprovenance1", name});
      EXPECT_EQ(provenance.exit_code, 0) << cosign << image << provenance.errors;
    }
  }
}

/// Only linux/arm64, the second platform, has zlib.
void write_two_platforms(support::GitRepository& git) {
  have_two_platforms();
  git.write("Dockerfile",
            "FROM busybox-$TARGETARCH\nARG TARGETARCH\n"
            "COPY debian_version os-release /etc/\n"
            "COPY packages-$TARGETARCH /var/lib/dpkg/status.d/\n");
  git.git({"mv", "-k", "libssl3", "unused"});
  git.write("packages-amd64/none", "");
  git.write("packages-arm64/zlib1g",
            "Package: zlib1g\nStatus: install ok installed\nArchitecture: arm64\n"
            "Source: zlib\nVersion: 1:1.2.13.dfsg-1\nMaintainer: x <x@y.z>\n\n");
  git.commit("One of them has zlib");
}

TEST_F(Gate, AFindingInOnePlatformKeepsTheTagOfAllBack) {
  write_two_platforms(house.git);
  scanner();
  house.image().platforms = {"linux/amd64", "linux/arm64"};
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::denied) << run.why << house.log(run.id);
  EXPECT_NE(run.why.find("linux/arm64: "), std::string::npos) << run.why;
  EXPECT_FALSE(house.tag("main"));
}

TEST_F(Gate, AVulnerabilityThatIsFoundLaterIsToldWithoutPullingTheImage) {
  without_zlib();
  house.git.commit("One");
  scanner();
  support::write_trivy_database(cache.path(), {});
  os::replace_file(folder.path() / "watch.lua", R"(-- watch.lua: what was fine and is not.
return {
  on_rescan = function(image)
    log.warn("new: " .. image.new_findings[1].id .. " in " .. table.concat(image.tags, ","))
    return deny "found later", untag { tags = { "main" } }
  end,
})");
  house.config.plugin_folders = {folder.path()};
  plugin("watch");
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const Instant published = system_now();
  ASSERT_EQ(house.store->publications({}).at(0).publication.targets.at(0).tags.size(), 3U);
  EXPECT_TRUE(house.store->publications({}).at(0).last->clean);
  const std::size_t read_before = the_registry().count_requests("GET", "/blobs/");

  std::vector<std::string> told;
  std::optional<Rescan> rescan(
      std::in_place, [&] { return house.yard; }, *house.store,
      [&](std::string_view, const std::string& text) { told.push_back(text); });
  EXPECT_EQ(rescan->perform({}).news, 0U);
  support::write_trivy_database(cache.path(), support::debian_advisories());
  const RescanRound round = rescan->perform({});
  EXPECT_EQ(round.scanned, 1U);
  EXPECT_EQ(round.news, 1U) << join(told, "\n");
  EXPECT_EQ(rescan->perform({}).news, 0U) << "the same again is no news";
  EXPECT_EQ(the_registry().count_requests("GET", "/blobs/"), read_before) << "the image was pulled";
  EXPECT_NE(house.log(run.id).find("new: CVE-"), std::string::npos) << house.log(run.id);

  const auto now = house.store->publications({}).at(0);
  EXPECT_EQ(now.publication.denied, "watch: found later");
  EXPECT_FALSE(house.tag("main")) << join(told, "\n");
  EXPECT_TRUE(house.tag("latest")) << "only the tag that was asked for";
  EXPECT_EQ(now.publication.targets.at(0).tags.size(), 2U);
  for (const ActionRecord& action : house.store->actions(run.id))
    EXPECT_EQ(action.state, ActionState::done) << action.kind << action.why;
  // HIGH does not block by default; CRITICAL only would.
  EXPECT_TRUE(now.last->clean);
  EXPECT_EQ(now.last->counts.at("HIGH").to_number<int>(), 1);
  house.config.scan->block = {Severity::high};
  rescan.reset();  // its store goes
  house.start();
  Rescan stricter([&] { return house.yard; }, *house.store, [](auto, const auto&) {});
  EXPECT_EQ(stricter.perform({}).dirty, 1U);
  store::PublicationFilter went_bad;
  went_bad.clean = false;
  went_bad.clean_at = published;
  EXPECT_EQ(house.store->publications(went_bad).size(), 1U);
  went_bad.clean_at = published - std::chrono::hours(24);
  EXPECT_TRUE(house.store->publications(went_bad).empty()) << "it was not there then";
}

TEST_F(Gate, AVulnerabilityOfTheSecondPlatformIsFoundLater) {
  write_two_platforms(house.git);
  scanner();
  support::write_trivy_database(cache.path(), {});
  house.image().platforms = {"linux/amd64", "linux/arm64"};
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const std::size_t read_before = the_registry().count_requests("GET", "/blobs/");
  support::write_trivy_database(cache.path(), support::debian_advisories());
  Rescan rescan([&] { return house.yard; }, *house.store, [](auto, const auto&) {});
  const RescanRound round = rescan.perform({});
  EXPECT_EQ(round.scanned, 1U);
  EXPECT_EQ(round.dirty, 1U);
  EXPECT_EQ(the_registry().count_requests("GET", "/blobs/"), read_before) << "it was pulled";
  // Where the SBOMs are lost, each part is looked at in the registry.
  std::filesystem::remove_all(house.config.data / "sboms");
  EXPECT_EQ(rescan.perform({}).dirty, 1U);
}

TEST_F(Gate, AnImageThatNoTagNamesAnyMoreIsNotScannedAgain) {
  without_zlib();
  house.image().tags = {"{branch}"};
  house.git.commit("One");
  scanner();
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  house.git.write("debian_version", "12.2\n");
  house.git.commit("Two");
  ASSERT_EQ(house.push().state, RunState::succeeded);
  ASSERT_EQ(house.store->publications({}).size(), 2U);
  Rescan rescan([&] { return house.yard; }, *house.store, [](auto, const auto&) {});
  const RescanRound round = rescan.perform({});
  EXPECT_EQ(round.scanned, 1U);
  EXPECT_EQ(round.gone, 1U);
  EXPECT_EQ(house.store->publications({}).size(), 1U);
  EXPECT_EQ(rescan.perform({}).gone, 0U);
}

TEST_F(Gate, AnImageWhoseSbomIsLostIsLookedAtInTheRegistry) {
  without_zlib();
  house.git.commit("One");
  scanner();
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  std::filesystem::remove_all(house.config.data / "sboms");
  Rescan rescan([&] { return house.yard; }, *house.store, [](auto, const auto&) {});
  EXPECT_EQ(rescan.perform({}).scanned, 1U);
  EXPECT_FALSE(std::filesystem::is_empty(house.config.data / "sboms"));
}

TEST_F(Gate, ASignatureThatCannotBeMadeKeepsTheTagBack) {
  without_zlib();
  plugin("sign-releases", {{"key", "release"}});
  house.start();
  const lighterman::Run run = release();
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("the configuration has no keys"), std::string::npos) << run.why;
  EXPECT_FALSE(house.tag("1.4.2"));
}

TEST_F(Gate, AKeyOverItsAgeSignsNoMore) {
  without_zlib();
  keys();
  trust::Keyring(folder.path() / "keys")
      .add("old", Secret("s3cret"), system_now() - std::chrono::hours(24 * 100));
  plugin("sign-releases", {{"key", "old"}});
  house.start();
  const lighterman::Run run = release();
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("key \"old\" is 100 days old"), std::string::npos) << run.why;
  EXPECT_FALSE(house.tag("1.4.2"));
  house.config.keys->refuse_expired = false;
  house.start();
  EXPECT_EQ(house.push("refs/tags/v1.4.2").state, RunState::succeeded);
}

TEST_F(Gate, NobodyEverSeesATagWithoutItsSignature) {
  keys();
  os::replace_file(folder.path() / "sign.lua",
                   R"(-- sign.lua: every image is signed; those with an odd text are denied.
return {
  on_staged = function(image)
    if image.push.title:match("odd") then return deny "odd" end
    return sign { key = "release" }
  end,
})");
  house.config.plugin_folders = {folder.path()};
  plugin("sign");
  house.start();
  registry::Client& client = house.yard->registry(house.reference().host());
  std::set<std::string> seen, unsigned_ones;
  {
    std::jthread watcher([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        const auto digest = client.find_tag(house.reference().with_tag("main"), {});
        if (!digest || seen.contains(digest->text())) continue;
        seen.insert(digest->text());
        const std::string tag = concat("sha256-", digest->hex(), ".sig");
        if (!client.find_tag(house.reference().with_tag(tag), {}))
          unsigned_ones.insert(digest->text());
      }
    });
    for (int round = 0; round < 10; ++round) {
      package("zlib1g", "shop-nothing", std::to_string(round));
      house.git.commit(concat(round % 2 == 0 ? "even " : "odd ", round));
      const lighterman::Run run = house.push();
      EXPECT_EQ(run.state, round % 2 == 0 ? RunState::succeeded : RunState::denied) << run.why;
    }
  }
  EXPECT_EQ(seen.size(), 5U);
  EXPECT_TRUE(unsigned_ones.empty());
}

}  // namespace
}  // namespace lighterman::pipeline
