#include "scan/trivy.hpp"

#include "scan/origin.hpp"
#include "scan/scene.hpp"
#include "scan/verdict.hpp"
#include "scan/waivers.hpp"
#include "support/background.hpp"

namespace lighterman::scan {
namespace {

using namespace std::chrono_literals;
using test::DebianImage;

const std::stop_token never;

/// A cache folder with the fixture database, and options that use it a day after it was made.
struct Scene {
  Scene() { support::write_trivy_database(cache.path(), support::debian_advisories()); }
  TrivyOptions options() const {
    TrivyOptions options;
    options.program = test::real_trivy();
    options.cache_folder = cache.path();
    options.skip_update = true;
    options.offline = true;
    options.clock = [] { return parse_time("2026-01-02T00:00:00Z"); };
    return options;
  }
  /// Options whose program is a shell script.
  TrivyOptions fake(std::string_view script) const {
    TrivyOptions wanted = options();
    wanted.program = (cache.path() / "fake-trivy").native();
    os::replace_file(wanted.program, concat("#!/bin/sh\n", script), 0755);
    return wanted;
  }
  std::string failure(const TrivyOptions& wanted) const {
    return failure_of([&] { Trivy(wanted).scan(image.image(), never); });
  }
  os::ScratchFolder cache;
  DebianImage image;
};

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(Trivy, FindsWhatIsInAnImageAndWhichLayerBroughtIt) {
  const Scene scene;
  Trivy trivy(scene.options());
  Findings findings = trivy.scan(scene.image.image(), never);
  ASSERT_EQ(findings.list.size(), 3U);
  EXPECT_EQ(findings.subject, scene.image.digest());
  EXPECT_EQ(findings.database_time, parse_time("2026-01-01T00:00:00Z"));
  EXPECT_EQ(findings.scanner_version, "dev");
  EXPECT_TRUE(findings.warnings.empty());
  tie(findings, {{.diff_id = scene.image.lower(), .base = "debian:12"},
                 {.diff_id = scene.image.upper(), .instruction = "RUN x", .line = 7}});
  // CRITICAL blocks, HIGH passes by default.
  EXPECT_EQ(reasons_to_block(findings, {}),
            std::vector<std::string>{"CRITICAL CVE-2023-45853: line 7 installs zlib1g "
                                     "1:1.2.13.dfsg-1, its distributor will not fix it"});
  EXPECT_TRUE(reasons_to_block(findings, {.ignore_unfixed = true}).empty());
  EXPECT_EQ(reasons_to_block(findings, {.block = {Severity::high}}),
            std::vector<std::string>{"HIGH CVE-2023-5363: update base debian:12: it brings "
                                     "libssl3 3.0.9-1, fixed in 3.0.11-1~deb12u2"});
  const Waiver waiver{.vulnerability = "CVE-2023-45853",
                      .purls = {"pkg:deb/debian/zlib1g"},
                      .reason = "minizip is not built",
                      .who = "ann",
                      .until = parse_until("2026-01-31")};
  EXPECT_TRUE(apply({waiver}, findings, parse_time("2026-01-31T23:59:59Z")).expired.empty());
  EXPECT_TRUE(reasons_to_block(findings, {}).empty());
  EXPECT_EQ(apply({waiver}, findings, parse_time("2026-02-01T00:00:00Z")).expired.size(), 1U);
  EXPECT_EQ(reasons_to_block(findings, {}).size(), 1U);
}

TEST(Trivy, FindsInAStoredSbomWhatTheDatabaseLearntLater) {
  const Scene scene;
  support::write_trivy_database(scene.cache.path(), {});
  Trivy trivy(scene.options());
  const std::string sbom = trivy.make_sbom(scene.image.image(), SbomFormat::cyclonedx, never);
  EXPECT_TRUE(trivy.scan_sbom(sbom, scene.image.digest(), never).list.empty());
  const auto monday = trivy.key(scene.image.digest());
  support::write_trivy_database(scene.cache.path(), support::debian_advisories(),
                                "2026-01-01T12:00:00Z");
  EXPECT_NE(trivy.key(scene.image.digest()), monday);
  std::filesystem::remove_all(scene.image.folder());
  const Findings findings = trivy.scan_sbom(sbom, scene.image.digest(), never);
  ASSERT_EQ(findings.list.size(), 3U);
  for (const Finding& finding : findings.list)
    EXPECT_EQ(finding.diff_id,
              finding.package == "zlib1g" ? scene.image.upper() : scene.image.lower());
}

TEST(Trivy, LeavesOutWhatIsFilteredAndHasAnotherKeyForIt) {
  const Scene scene;
  TrivyOptions options = scene.options();
  options.ignore_unfixed = true;
  options.severities = {Severity::critical, Severity::high};
  Trivy trivy(options);
  const Findings findings = trivy.scan(scene.image.image(), never);
  ASSERT_EQ(findings.list.size(), 1U);
  EXPECT_EQ(findings.list[0].id, "CVE-2023-5363");
  EXPECT_NE(trivy.key(scene.image.digest()), Trivy(scene.options()).key(scene.image.digest()));
}

TEST(Trivy, WarnsOfAStaleDatabaseOrRefusesIt) {
  const Scene scene;
  TrivyOptions options =
      scene.fake(R"(while [ $# -gt 1 ]; do [ "$1" = --output ] && out=$2; shift; done
[ -z "$out" ] || echo '{"SchemaVersion":2,"ArtifactName":"'$1'"}' >"$out")");
  options.clock = [] { return parse_time("2026-01-11T00:00:00Z"); };
  EXPECT_EQ(Trivy(options).scan(scene.image.image(), never).warnings,
            std::vector<std::string>{"the vulnerability database is 10d old, the limit is 7d"});
  options.stale = Stale::refuse;
  EXPECT_TRUE(scene.failure(options).starts_with("unavailable: the vulnerability database is 10d"));
}

TEST(Trivy, SaysThatThereIsNoDatabaseOrThatItIsOfAnotherSchema) {
  const Scene scene;
  support::write_trivy_database(scene.cache.path(), {}, "2026-01-01T00:00:00Z", 1);
  EXPECT_TRUE(holds(scene.failure(scene.options()), "has schema version 1; 2 is needed"));
  std::filesystem::remove_all(scene.cache.path() / "db");
  EXPECT_TRUE(scene.failure(scene.options()).starts_with("not_found: no vulnerability database"));
}

TEST(Trivy, FailsClosedWhenTheScannerIsMissingOrBroken) {
  const Scene scene;
  TrivyOptions missing = scene.options();
  missing.program = "/nowhere/trivy";
  EXPECT_TRUE(scene.failure(missing).starts_with("not_found: "));
  EXPECT_TRUE(holds(scene.failure(missing), "install Trivy"));
  constexpr std::string_view find_output =
      R"(while [ $# -gt 1 ]; do [ "$1" = --output ] && out=$2; shift; done
)";
  const auto failure = [&](std::string_view script) {
    return scene.failure(scene.fake(concat(find_output, script)));
  };
  EXPECT_TRUE(holds(failure("exit 0"), "report.json: it was not written"));
  EXPECT_TRUE(holds(failure(": >$out"), "it is empty"));
  EXPECT_TRUE(holds(failure("printf '{\"SchemaVersion\":2,\"Res' >$out"), "ends in the middle"));
  EXPECT_TRUE(holds(failure("echo hello >$out"), "not JSON"));
  EXPECT_TRUE(holds(failure("echo '{}' >$out"), "SchemaVersion: missing"));
  EXPECT_TRUE(holds(failure("echo '{\"SchemaVersion\":2}' >$out; exit 1"), "exit code 1"));
  EXPECT_TRUE(holds(failure("kill -9 $$"), "killed by signal 9"));
  EXPECT_TRUE(holds(failure("echo 'FATAL no disk' >&2; exit 1"), "FATAL no disk"));
}

TEST(Trivy, AReportAboutAnotherImageIsRefused) {
  const Scene scene;
  const TrivyOptions options =
      scene.fake(R"(while [ $# -gt 1 ]; do [ "$1" = --output ] && out=$2; shift; done
[ -z "$out" ] || echo '{"SchemaVersion":2,"ArtifactName":"yesterday"}' >"$out")");
  EXPECT_TRUE(holds(scene.failure(options), "the report is about another image, yesterday, not"))
      << scene.failure(options);
}

TEST(Trivy, AsksAServerThatKeepsTheDatabase) {
  const Scene scene;
  const int port = support::free_port();
  const os::ScratchFolder folder;
  support::Background server(
      {.command = {test::real_trivy(), "server", "--listen", concat("127.0.0.1:", port),
                   "--cache-dir", scene.cache.path().native(), "--skip-db-update", "--token",
                   "s3cret"},
       .environment = {},
       .folder = folder.path(),
       .out = folder.path() / "log",
       .err = folder.path() / "log"});
  ASSERT_TRUE(support::eventually([&] { return support::accepts(port); }, 60s));
  const os::ScratchFolder empty;
  TrivyOptions options = scene.options();
  options.cache_folder = empty.path();
  options.server = concat("http://127.0.0.1:", port);
  options.server_token = Secret("s3cret");
  Trivy trivy(options);
  trivy.refresh_database(never);
  const Findings findings = trivy.scan(scene.image.image(), never);
  EXPECT_EQ(findings.list.size(), 3U);
  EXPECT_FALSE(findings.database_time) << "it is the server's, which does not say";
  EXPECT_FALSE(trivy.key(scene.image.digest())) << "what it finds may change, so it is not kept";
  EXPECT_FALSE(std::filesystem::exists(empty.path() / "db"));
  const std::string sbom = trivy.make_sbom(scene.image.image(), SbomFormat::cyclonedx, never);
  EXPECT_EQ(trivy.scan_sbom(sbom, scene.image.digest(), never).list.size(), 3U);

  options.server_token = Secret("wrong");
  EXPECT_TRUE(scene.failure(options).starts_with("unavailable: ")) << scene.failure(options);
  EXPECT_FALSE(holds(scene.failure(options), "wrong"));
}

TEST(Trivy, GivesThePasswordByEnvironmentOnly) {
  const Scene scene;
  TrivyOptions options =
      scene.fake(R"(printf '%s\n' "$*" "$TRIVY_USERNAME:$TRIVY_PASSWORD" >>"$(dirname "$0")/seen"
while [ $# -gt 1 ]; do [ "$1" = --output ] && out=$2; shift; done
[ -z "$out" ] || echo '{"SchemaVersion":2,"ArtifactName":"'$1'"}' >"$out")");
  const Reference reference =
      Reference::parse(concat("127.0.0.1:5000/acme/shop@", scene.image.digest()));
  Trivy(options).scan(RegistryImage{reference, "ann", Secret("s3cret")}, never);
  const std::vector<std::string> seen = split(os::read_file(scene.cache.path() / "seen"), '\n');
  EXPECT_TRUE(holds(seen.at(0), concat("--image-src remote ", reference)));
  EXPECT_FALSE(holds(seen.at(0), "s3cret"));
  EXPECT_EQ(seen.at(1), "ann:s3cret");
}

}  // namespace
}  // namespace lighterman::scan
