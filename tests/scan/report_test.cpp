#include "scan/report.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "core/json.hpp"
#include "os/file.hpp"
#include "scan/purl.hpp"
#include "scan/waivers.hpp"
#include "scan/writers.hpp"
#include "support/failure.hpp"

namespace lighterman::scan {
namespace {

const Digest image = Digest::parse("sha256:" + std::string(64, 'a'));

Finding openssl() {
  Finding finding;
  finding.id = "CVE-2023-5363";
  finding.package = "libssl3";
  finding.installed = "3.0.9-1";
  finding.fixed = "3.0.11-1~deb12u2";
  finding.severity = Severity::high;
  finding.status = FindingStatus::fixed;
  finding.title = "openssl: key length";
  finding.purl = "pkg:deb/debian/libssl3@3.0.9-1?arch=amd64&distro=debian-12.1";
  return finding;
}

Findings example() {
  Findings findings;
  findings.scanner = "trivy";
  findings.list = {openssl(), openssl(), openssl()};
  findings.list[0].origin = FindingOrigin{"", "RUN apt-get install openssl", 7};
  findings.list[1].id = "CVE-2023-45853";
  findings.list[1].severity = Severity::critical;
  findings.list[1].package = "zlib1g";
  findings.list[1].installed = "1:1.2.13";
  findings.list[1].purl = "pkg:deb/debian/zlib1g@1.2.13?epoch=1";
  findings.list[1].origin = FindingOrigin{"debian:12", "", 0};
  findings.list[2].id = "CVE-1";
  findings.list[2].title = "x\x1b[31m";
  findings.list[2].waived = Waived{"not \x1b[1mreached", "ann", parse_time("2026-02-01T00:00:00Z")};
  findings.warnings = {"the database is old"};
  return findings;
}

TEST(Table, ShowsTheWorstFirstWithAdviceAndKeepsReportsFromSteeringTheTerminal) {
  EXPECT_EQ(table_of(example()),
            "CRITICAL  CVE-2023-45853  update base debian:12: it brings zlib1g 1:1.2.13, fixed in "
            "3.0.11-1~deb12u2\n"
            "HIGH      CVE-2023-5363   line 7 installs libssl3 3.0.9-1, fixed in "
            "3.0.11-1~deb12u2\n"
            "waived    CVE-1           libssl3: not  [1mreached (ann, until 2026-02-01)\n"
            "1 critical, 1 high, 1 waived\n"
            "warning: the database is old\n");
  EXPECT_EQ(table_of(Findings{}), "no findings\n");
}

TEST(Writers, WriteSarifAndCycloneDxThatTheirReadersUnderstand) {
  const boost::json::value sarif = sarif_of(example(), "acme/shop");
  EXPECT_NE(boost::json::serialize(sarif).find(R"("suppressions":[{"kind":"external")"),
            std::string::npos);
  for (const boost::json::value& report : {sarif, cyclonedx_of(example(), "acme/shop")}) {
    const Findings back =
        findings_from_report(parse_json(boost::json::serialize(report), "report"));
    ASSERT_EQ(back.list.size(), 3U);
    EXPECT_EQ(back.list[0].id, "CVE-2023-45853");
    EXPECT_EQ(back.list[0].severity, Severity::critical);
    EXPECT_EQ(back.list[0].package, "zlib1g");
    EXPECT_EQ(back.list[1].severity, Severity::high);
    EXPECT_EQ(back.list[1].purl, openssl().purl);
  }
}

TEST(Reports, ReadGrype) {
  const Findings findings = findings_from_report(parse_json(R"({
    "matches": [{
      "vulnerability": {"id": "CVE-1", "severity": "Negligible", "dataSource": "https://x",
                        "fix": {"versions": ["1.2"], "state": "fixed"}},
      "artifact": {"name": "a", "version": "1.1", "purl": "pkg:npm/a@1.1",
                   "locations": [{"path": "/app/package.json", "layerID": "sha256:)" +
                                                                std::string(64, 'b') + R"("}]}
    }, {
      "vulnerability": {"id": "CVE-2", "severity": "Critical",
                        "fix": {"versions": [], "state": "wont-fix"}},
      "artifact": {"name": "b", "version": "2"}
    }],
    "descriptor": {"name": "grype", "version": "0.74.0",
                   "db": {"built": "2026-01-01T00:00:00Z", "schemaVersion": 5}}})",
                                                            "x"));
  EXPECT_EQ(findings.scanner_version, "0.74.0");
  EXPECT_EQ(findings.database_version, "5");
  ASSERT_EQ(findings.list.size(), 2U);
  EXPECT_EQ(findings.list[0].severity, Severity::low);
  EXPECT_EQ(findings.list[0].fixed, "1.2");
  EXPECT_EQ(findings.list[0].status, FindingStatus::fixed);
  EXPECT_EQ(findings.list[0].diff_id, DiffId::parse("sha256:" + std::string(64, 'b')));
  EXPECT_EQ(findings.list[1].severity, Severity::critical);
  EXPECT_EQ(findings.list[1].status, FindingStatus::will_not_fix);
}

TEST(Reports, RefuseWhatIsTooLargeOrUnknown) {
  const os::ScratchFolder folder;
  os::replace_file(folder.path() / "r.json", R"({"SchemaVersion":2})");
  expect_refused("more than the limit", [&] { read_report(folder.path() / "r.json", 10); });
  expect_refused("neither Trivy's", [] { findings_from_report(parse_json("{}", "x")); });
  expect_refused("runs: missing",
                 [] { findings_from_sarif(parse_json(R"({"version":"2.1.0"})", "x")); });
}

bool covers(std::string_view product, std::string_view package) {
  return Purl::parse(product)->covers(*Purl::parse(package));
}

TEST(Purl, MatchesPackagesByTheRulesOfTheirKind) {
  EXPECT_TRUE(covers("pkg:deb/debian/zlib1g@1%3A1.2.13", "pkg:deb/debian/zlib1g@1.2.13?epoch=1"));
  EXPECT_FALSE(covers("pkg:deb/debian/zlib1g@1.2.13", "pkg:deb/debian/zlib1g@1.2.13?epoch=1"));
  EXPECT_FALSE(covers("pkg:deb/ubuntu/zlib1g", "pkg:deb/debian/zlib1g@1"));
  EXPECT_FALSE(covers("pkg:deb/debian/a?arch=arm64", "pkg:deb/debian/a@1?arch=amd64"));
  EXPECT_TRUE(covers("pkg:apk/alpine/busybox", "pkg:apk/alpine/busybox@1.36.1-r0?distro=3.18"));
  EXPECT_TRUE(covers("pkg:golang/github.com/A/b@v1.2.0", "pkg:golang/github.com/a/b@1.2.0"));
  EXPECT_TRUE(covers("pkg:npm/%40scope/x@1.0", "pkg:npm/@scope/x@1.0"));
  EXPECT_TRUE(covers("pkg:pypi/My_Package.x", "pkg:pypi/my-package-x@2"));
  EXPECT_FALSE(covers("pkg:pypi/a@1", "pkg:pypi/a@2"));
  EXPECT_FALSE(Purl::parse("openssl"));
  EXPECT_EQ(purl_of_trivy("debian", "zlib1g", "1:1.2"), "pkg:deb/debian/zlib1g@1%3A1.2");
  EXPECT_EQ(purl_of_trivy("gobinary", "github.com/a/b", "v1"), "pkg:golang/github.com/a/b@v1");
}

TEST(Waivers, ReportThoseThatMatchNothingAndThoseThatEnded) {
  Findings findings = example();
  const WaiverUse use =
      apply({{.vulnerability = "CVE-2023-5363", .package = "libssl*", .reason = "r", .who = "ann"},
             {.vulnerability = "CVE-2023-45853", .package = "libssl*", .reason = "r", .who = "bob"},
             {.vulnerability = "CVE-2023-45853",
              .reason = "r",
              .who = "eve",
              .until = parse_until("2026-01-01")}},
            findings, parse_time("2026-01-05T00:00:00Z"));
  EXPECT_TRUE(findings.list[0].waived);
  EXPECT_FALSE(findings.list[1].waived);
  EXPECT_FALSE(findings.list[2].waived);  // what an earlier call marked
  EXPECT_EQ(use.unused,
            std::vector<std::string>{"waiver of CVE-2023-45853 in libssl* by bob matches nothing"});
  ASSERT_EQ(use.expired.size(), 1U);
  EXPECT_NE(use.expired[0].find("by eve ended at 2026-01-02"), std::string::npos);
}

std::vector<Waiver> vex(const std::string& statements) {
  return waivers_from_openvex(
      parse_json(R"({"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","author":"sec@acme",
                     "timestamp":"2026-01-01T00:00:00Z","version":1,"statements":[)" +
                     statements + "]}",
                 "vex"),
      "acme/shop", image);
}

TEST(OpenVex, WaivesByProductAndSubcomponent) {
  const std::vector<Waiver> waivers = vex(R"({
    "vulnerability": {"name": "CVE-2023-5363"},
    "products": [{"@id": "pkg:oci/shop@sha256%3A)" +
                                          std::string(64, 'a') + R"(",
                  "subcomponents": [{"@id": "pkg:deb/debian/libssl3"}]}],
    "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"})");
  Findings findings = example();
  EXPECT_TRUE(apply(waivers, findings, {}).unused.empty());
  ASSERT_TRUE(findings.list[0].waived);
  EXPECT_EQ(findings.list[0].waived->who, "sec@acme");
  EXPECT_EQ(findings.list[0].waived->reason, "vulnerable_code_not_in_execute_path");
  EXPECT_FALSE(findings.list[1].waived);
}

TEST(OpenVex, LeavesOtherImagesAloneAndLetsTheLatestStatementHold) {
  const std::string other = std::string(64, 'c');
  EXPECT_TRUE(vex(R"({"vulnerability":{"name":"CVE-1"},"status":"fixed",
                      "products":[{"@id":"pkg:oci/shop@sha256%3A)" +
                  other + R"("}]})")
                  .empty());
  const std::string product = R"("products":[{"@id":"pkg:deb/debian/libssl3"}])";
  const std::string fixed =
      R"({"vulnerability":{"name":"CVE-1"},"status":"fixed",)" + product + "}";
  EXPECT_EQ(vex(fixed).size(), 1U);
  EXPECT_TRUE(vex(fixed + R"(,{"vulnerability":{"name":"CVE-1"},"status":"affected",
                               "timestamp":"2026-02-01T00:00:00Z",)" +
                  product + "}")
                  .empty());
  EXPECT_TRUE(
      vex(R"({"vulnerability":{"name":"CVE-1"},"status":"under_investigation",)" + product + "}")
          .empty());
  expect_refused("needs a justification", [&] {
    vex(R"({"vulnerability":{"name":"CVE-1"},"status":"not_affected",)" + product + "}");
  });
}

}  // namespace
}  // namespace lighterman::scan
