#include "scan/report.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "core/json.hpp"
#include "os/file.hpp"
#include "scan/kept.hpp"
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

TEST(Table, GroupsByWhatBroughtThemAndKeepsReportsFromSteeringTheTerminal) {
  Findings findings = example();
  findings.scanner_version = "0.50";
  findings.scanned = parse_time("2026-01-05T06:00:00Z");
  findings.database_time = parse_time("2026-01-03T00:00:00Z");
  EXPECT_EQ(table_of(findings),
            "update base debian:12\n"
            "  CRITICAL  CVE-2023-45853  zlib1g 1:1.2.13  fixed in 3.0.11-1~deb12u2\n"
            "\n"
            "Dockerfile line 7: RUN apt-get install openssl\n"
            "  HIGH      CVE-2023-5363   libssl3 3.0.9-1  fixed in 3.0.11-1~deb12u2\n"
            "\n"
            "waived\n"
            "  HIGH      CVE-1           libssl3 3.0.9-1  not  [1mreached (ann, until 2026-02-01)\n"
            "\n"
            "1 critical, 1 high, 1 waived\n"
            "scanned by trivy 0.50 at 2026-01-05 06:00; its database was of 2026-01-03 00:00, 2d6h "
            "old\n"
            "warning: the database is old\n");
  EXPECT_EQ(table_of(Findings{}), "no findings\n");
  findings.list[1].fixed.clear();
  EXPECT_TRUE(table_of(findings).starts_with("base debian:12\n")) << "an update would not help";
  const std::string worst = table_of(only_from(Severity::critical, findings));
  EXPECT_EQ(worst.find("CVE-2023-5363"), std::string::npos);
  EXPECT_NE(worst.find("warning: 2 below CRITICAL are left out"), std::string::npos) << worst;
}

TEST(Kept, FindingsComeBackAsTheyWereAndOfVeryManyTheWorst) {
  const Findings findings = example();
  EXPECT_EQ(unpack(pack(findings)), findings);
  Findings many;
  many.scanner = "trivy";
  for (int at = 0; at < 30'000; ++at) {
    many.list.push_back(openssl());
    many.list.back().severity = at % 3 == 0 ? Severity::critical : Severity::low;
  }
  const std::string packed = pack(many);
  EXPECT_LT(packed.size(), std::size_t{4} << 20);
  const Findings back = unpack(packed);
  EXPECT_EQ(back.list.size(), 20'000U);
  EXPECT_EQ(back.counts().of(Severity::critical), 10'000U);
  EXPECT_EQ(back.warnings,
            std::vector<std::string>{"only the worst 20000 of 30000 findings are kept"});
  expect_refused("kept findings", [] { unpack("???"); });
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

std::string vex_text(const std::string& statements) {
  return R"({"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","author":"sec@acme",
             "timestamp":"2026-01-01T00:00:00Z","version":1,"statements":[)" +
         statements + "]}";
}

std::vector<Waiver> vex(const std::vector<std::string>& documents) {
  std::vector<VexDocument> parsed;
  for (const std::string& text : documents)
    parsed.push_back(parse_vex(text, concat(parsed.size() + 1, ".json")));
  return waivers_from_openvex(parsed,
                              {{"registry.example/acme/shop", "mirror.example/shop"}, image});
}
std::vector<Waiver> vex(const std::string& statements) {
  return vex(std::vector{vex_text(statements)});
}

/// Whether the statement about this product waives openssl, zlib.
std::pair<bool, bool> waived_by(const std::string& product) {
  Findings findings = example();
  findings.list[1].id = findings.list[0].id;
  apply(vex(concat(R"({"vulnerability":{"name":"CVE-2023-5363"},"status":"fixed","products":[)",
                   product, "]}")),
        findings, {});
  return {findings.list[0].waived.has_value(), findings.list[1].waived.has_value()};
}

constexpr std::pair both{true, true}, openssl_only{true, false}, neither{false, false};

TEST(OpenVex, ADocumentAsTheSpecificationShowsItWaives) {
  // openvex/spec, OPENVEX-SPEC.md (v0.2.0), with our image and package as the product.
  const std::vector<Waiver> waivers = vex(std::vector<std::string>{R"({
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://openvex.dev/docs/example/vex-9fb3463de1b57",
    "author": "Wolfi J Inkinson",
    "role": "Document Creator",
    "timestamp": "2023-01-08T18:02:03.647787998-06:00",
    "last_updated": "2023-01-09T18:02:03.647787998-06:00",
    "version": 1,
    "tooling": "vexctl",
    "statements": [{
      "@id": "https://openvex.dev/docs/example/vex-9fb3463de1b57#1",
      "vulnerability": {
        "@id": "https://nvd.nist.gov/vuln/detail/CVE-2023-5363",
        "name": "CVE-2023-5363",
        "description": "cipher key length",
        "aliases": ["GHSA-xw78-pcr6-wrg8", "openssl-5363"]
      },
      "products": [{
        "@id": "pkg:oci/shop@sha256%3A)" + std::string(64, 'a') +
                                                                   R"(",
        "identifiers": {"purl": "pkg:oci/shop@sha256%3A)" + std::string(64, 'a') +
                                                                   R"(?arch=amd64"},
        "hashes": {"sha-256": ")" + std::string(64, 'a') + R"("},
        "subcomponents": [
          {"@id": "pkg:deb/debian/libssl3?arch=amd64"},
          {"@id": "pkg:deb/debian/openssl"}
        ]
      }],
      "status": "not_affected",
      "justification": "vulnerable_code_not_in_execute_path",
      "impact_statement": "ciphers are fixed at build time"
    }]})"});
  Findings findings = example();
  apply(waivers, findings, {});
  ASSERT_TRUE(findings.list[0].waived);
  EXPECT_EQ(findings.list[0].waived->who, "Wolfi J Inkinson");
  EXPECT_EQ(findings.list[0].waived->reason,
            "vulnerable_code_not_in_execute_path: ciphers are fixed at build time");
  EXPECT_FALSE(findings.list[1].waived);
  findings.list[0].id = "GHSA-xw78-pcr6-wrg8";
  apply(waivers, findings, {});
  EXPECT_TRUE(findings.list[0].waived) << "by its alias";
}

TEST(OpenVex, AProductIsTheImageByDigestOrPlaceOrAPackageByItsUrl) {
  const std::string digest = std::string(64, 'a'), other = std::string(64, 'c');
  EXPECT_EQ(waived_by(concat(R"({"@id":"sha256:)", digest, "\"}")), both);
  EXPECT_EQ(waived_by(R"({"@id":"registry.example/acme/shop"})"), both);
  EXPECT_EQ(waived_by(R"({"@id":"mirror.example/shop"})"), both);
  EXPECT_EQ(waived_by(R"({"@id":"registry.example/acme/other"})"), neither);
  EXPECT_EQ(waived_by(R"("pkg:oci/shop")"), both) << "the name alone";
  EXPECT_EQ(waived_by(R"({"@id":"pkg:oci/Shop?repository_url=registry.example%2Facme%2Fshop"})"),
            both);
  EXPECT_EQ(waived_by(R"({"@id":"pkg:oci/shop?repository_url=evil.example/acme/shop"})"), neither);
  EXPECT_EQ(waived_by(concat(R"({"@id":"pkg:oci/shop@sha256%3A)", other, "\"}")), neither);
  EXPECT_EQ(waived_by(concat(R"({"@id":"pkg:oci/any@sha256:)", digest, "\"}")), both);
  EXPECT_EQ(waived_by(R"({"@id":"pkg:deb/debian/libssl3"})"), openssl_only);
  EXPECT_EQ(waived_by(R"({"@id":"pkg:deb/debian/libssl3@3.0.9-1?distro=debian-12.1"})"),
            openssl_only);
  EXPECT_EQ(waived_by(R"({"@id":"pkg:deb/debian/libssl3@3.0.9-2"})"), neither);
  EXPECT_EQ(waived_by(R"({"@id":"pkg:deb/debian/libssl3?arch=arm64"})"), neither);
  EXPECT_EQ(waived_by(R"({"@id":"x","identifiers":{"purl":"pkg:deb/debian/libssl3"}})"),
            openssl_only);
  EXPECT_EQ(waived_by(R"({"@id":"pkg:oci/shop","subcomponents":["pkg:deb/debian/libssl3"]})"),
            openssl_only);
  EXPECT_EQ(waived_by(R"({"@id":"pkg:oci/shop","subcomponents":["openssl"]})"), neither)
      << "a part that we cannot tell is not the whole";
  EXPECT_EQ(waived_by(R"({"@id":"pkg:oci/other","subcomponents":["pkg:deb/debian/libssl3"]})"),
            neither);
}

TEST(OpenVex, TheLatestStatementHoldsInWhicheverDocumentItStands) {
  const auto says = [](const std::string& id, const std::string& status, const std::string& when,
                       const std::string& product) {
    return concat(R"({"vulnerability":{"name":")", id, R"("},"status":")", status,
                  R"(","timestamp":")", when, R"(","products":[{"@id":")", product, "\"}]}");
  };
  const std::string january = "2026-01-10T00:00:00Z", march = "2026-03-01T00:00:00Z",
                    ssl = "pkg:deb/debian/libssl3";
  const std::string fixed = says("CVE-1", "fixed", january, ssl);
  EXPECT_EQ(vex(fixed).size(), 1U);
  for (const std::string& product : {ssl, concat(ssl, "@3.0.9-1"), std::string("pkg:oci/shop")}) {
    for (const std::string status : {"affected", "under_investigation"}) {
      const std::string later = vex_text(says("CVE-1", status, march, product));
      EXPECT_TRUE(vex({vex_text(fixed), later}).empty()) << product;
      EXPECT_TRUE(vex({later, vex_text(fixed)}).empty()) << "times count, not places: " << product;
    }
  }
  const std::string early = vex_text(says("CVE-1", "affected", "2025-01-01T00:00:00Z", ssl));
  EXPECT_EQ(vex({vex_text(fixed), early}).size(), 1U);
  EXPECT_EQ(vex({vex_text(fixed), vex_text(says("CVE-2", "affected", march, ssl))}).size(), 1U);
  EXPECT_EQ(
      vex({vex_text(fixed), vex_text(says("CVE-1", "affected", march, "pkg:deb/debian/zlib1g"))})
          .size(),
      1U);
  // What was waived for all of the image counts again where somebody sees it in a part.
  EXPECT_TRUE(vex({vex_text(says("CVE-1", "fixed", january, "pkg:oci/shop")),
                   vex_text(says("CVE-1", "affected", march, ssl))})
                  .empty());
}

TEST(OpenVex, ABadDocumentIsRefusedByItsNameAndPlace) {
  const auto refused = [](const std::string& why, const std::string& statement) {
    expect_refused(why, [&] { vex({vex_text(""), vex_text(statement)}); });
  };
  const std::string product = R"("products":[{"@id":"pkg:deb/debian/libssl3"}])";
  const std::string good =
      R"({"vulnerability":{"name":"CVE-1"},"status":"fixed",)" + product + "},";
  refused("2.json: openvex.statements[1].status: unknown status \"fine\"",
          good + R"({"vulnerability":{"name":"CVE-1"},"status":"fine",)" + product + "}");
  refused("2.json: openvex.statements[0].justification: \"not_affected\" needs",
          R"({"vulnerability":{"name":"CVE-1"},"status":"not_affected",)" + product + "}");
  refused("2.json: openvex.statements[0].products: what the statement is about is missing",
          R"({"vulnerability":{"name":"CVE-1"},"status":"fixed"})");
  refused("2.json: openvex.statements[0].vulnerability", R"({"status":"fixed",)" + product + "}");
  expect_refused("2.json: ", [] { vex({vex_text(""), "{"}); });
  expect_refused("1.json: openvex.@context", [] {
    vex(std::vector<std::string>{R"({"@context":"https://example/","statements":[]})"});
  });
  EXPECT_EQ(failure_of([] { read_vex("/nowhere/vex.json"); }),
            "not_found: opening /nowhere/vex.json: No such file or directory");
}

TEST(Reports, OfAnotherImageAreRefused) {
  const Digest config = Digest::parse("sha256:" + std::string(64, 'b'));
  const std::string name = concat("registry.example/shop@", image);
  const auto check = [&](const std::string& told, const std::string& id,
                         const std::string& digest) {
    check_subject(parse_json(concat(R"({"ArtifactName":")", told, R"(","Metadata":{"ImageID":")",
                                    id, R"(","RepoDigests":[")", digest, "\"]}}"),
                             "report"),
                  name, image, config);
  };
  check(name, config.text(), name);
  const std::string other = concat("registry.example/shop@", config);
  expect_refused("about another image, registry.example/shop@sha256:bbb",
                 [&] { check(other, config.text(), name); });
  expect_refused("about another image, sha256:aaa", [&] { check(name, image.text(), name); });
  expect_refused("about another image, registry.example/shop@sha256:bbb",
                 [&] { check(name, config.text(), other); });
  expect_refused("ArtifactName: missing",
                 [&] { check_subject(parse_json("{}", "x"), name, image, {}); });
}

}  // namespace
}  // namespace lighterman::scan
