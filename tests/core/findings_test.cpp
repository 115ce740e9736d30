#include "core/findings.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "core/json.hpp"
#include "support/failure.hpp"

namespace lighterman {
namespace {

Findings example() {
  const Digest digest = Digest::parse("sha256:" + std::string(64, 'a'));
  Findings findings{
      "trivy", "0.47",  "2", parse_time("2026-01-01T00:00:00Z"), parse_time("2026-01-02T00:00:00Z"),
      digest,  {"old"}, {}};
  Finding finding;
  finding.id = "CVE-1";
  finding.package = "openssl";
  finding.installed = "3.0.9-1";
  finding.fixed = "3.0.11";
  finding.severity = Severity::critical;
  finding.status = FindingStatus::fixed;
  finding.title = "t";
  finding.url = "https://x";
  finding.target = "debian 12.1";
  finding.purl = "pkg:deb/debian/openssl@3.0.9-1";
  finding.diff_id = DiffId(digest);
  finding.layer = digest;
  finding.origin = FindingOrigin{"debian:12", "RUN x", 7};
  findings.list.push_back(finding);
  finding.waived = Waived{"not reachable", "ann", parse_time("2026-06-01T00:00:00Z")};
  findings.list.push_back(finding);
  finding.waived->until.reset();
  findings.list.push_back(finding);
  return findings;
}

TEST(Findings, AreReadBackAsTheyWereWritten) {
  const Findings findings = example();
  EXPECT_EQ(findings_from(parse_json(boost::json::serialize(to_json(findings)), "x")), findings);
}

TEST(Findings, CountWaivedOnesApart) {
  const Findings::Counts counts = example().counts();
  EXPECT_EQ(counts.of(Severity::critical), 1U);
  EXPECT_EQ(counts.of(Severity::high), 0U);
  EXPECT_EQ(counts.waived, 2U);
}

TEST(Severity, IsReadInAnyCaseAndUnknownWordsAreRefused) {
  EXPECT_EQ(parse_severity("critical"), Severity::critical);
  EXPECT_EQ(parse_severity("High"), Severity::high);
  expect_refused("choices: UNKNOWN, LOW", [] { parse_severity("dire"); });
}

}  // namespace
}  // namespace lighterman
