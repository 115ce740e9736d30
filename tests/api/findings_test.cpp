#include "house.hpp"
#include "scan/kept.hpp"

namespace lighterman::api {
namespace {

Findings two_findings() {
  Findings findings;
  findings.scanner = "trivy";
  Finding finding;
  finding.id = "CVE-1";
  finding.package = "openssl";
  finding.severity = Severity::critical;
  finding.origin = FindingOrigin{"debian:12", "", 0};
  finding.waived = Waived{"not used", "ann", {}};
  findings.list.push_back(finding);
  finding.id = "CVE-2";
  finding.severity = Severity::low;
  finding.waived.reset();
  findings.list.push_back(finding);
  return findings;
}

/// A run whose image "web" was scanned and whose image "tool" was not.
RunId scanned(House& house) {
  const RunId run = house.push("1");
  for (const std::string image : {"web", "tool"}) {
    house.store.begin_stage(run, image, "engine");
    house.store.end_stage(run, image, "engine", StageState::done, json::object());
  }
  house.store.begin_stage(run, "web", "scan");
  house.store.end_stage(run, "web", "scan", StageState::done, json::object());
  house.store.put_fact(scan::kept_scope, scan::kept_name(run, "web"), scan::pack(two_findings()));
  return run;
}

TEST(Findings, AreAnsweredInEachFormWithItsMediaType) {
  House house;
  const std::string path = concat("/api/v1/runs/", scanned(house), "/images/web/findings");
  const httplib::Response whole = house.get(path);
  EXPECT_EQ(whole.get_header_value("Content-Type"), "application/json");
  EXPECT_EQ(json::parse(whole.body).at("counts").at("waived"), 1);
  EXPECT_EQ(house.get(path + "?format=sarif").get_header_value("Content-Type"),
            "application/sarif+json");
  const httplib::Response bom = house.get(path + "?format=cyclonedx");
  EXPECT_EQ(bom.get_header_value("Content-Type"), "application/vnd.cyclonedx+json");
  EXPECT_EQ(json::parse(bom.body).at("vulnerabilities").as_array().size(), 2U);
  const httplib::Response text = house.get(path + "?format=text&severity=high");
  EXPECT_EQ(text.get_header_value("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_NE(text.body.find("CVE-1"), std::string::npos);
  EXPECT_EQ(text.body.find("CVE-2"), std::string::npos);
  EXPECT_EQ(house.get(path + "?format=xml").status, 400);
  EXPECT_EQ(house.get(path + "?severity=bad").status, 400);
  EXPECT_EQ(house.get(path + "?formt=json").status, 400);
}

TEST(Findings, OfAnImageForTwoPlatformsAreThoseOfBoth) {
  House house;
  const RunId run = house.push("1");
  Findings found = two_findings();
  for (const std::string part : {"web@linux/amd64", "web@linux/arm64"}) {
    found.subject = Digest::parse(concat("sha256:", os::sha256(part).hex()));
    found.warnings = {"the database is 9d old", concat("of ", part)};
    house.store.begin_stage(run, part, "scan");
    house.store.end_stage(run, part, "scan", StageState::done, json::object());
    house.store.put_fact(scan::kept_scope, scan::kept_name(run, part), scan::pack(found));
    found.list.front().id = "CVE-3";
  }
  const auto ids = [&](const std::string& image) {
    const httplib::Response answer =
        house.get(concat("/api/v1/runs/", run, "/images/", image, "/findings"));
    std::set<std::string> seen;
    EXPECT_EQ(answer.status, 200) << answer.body;
    const json::value body = json::parse(answer.body);
    for (const json::value& each : body.at("list").as_array())
      seen.insert(std::string(each.at("id").as_string()));
    return seen;
  };
  EXPECT_EQ(ids("web"), (std::set<std::string>{"CVE-1", "CVE-2", "CVE-3"}));
  EXPECT_EQ(ids("web%40linux%2Farm64"), (std::set<std::string>{"CVE-2", "CVE-3"}));
  const auto answer = [&](const std::string& image) {
    return parsed(house.get(concat("/api/v1/runs/", run, "/images/", image, "/findings")));
  };
  EXPECT_EQ(answer("web").at("warnings"),
            json::value({"the database is 9d old", "of web@linux/amd64", "of web@linux/arm64"}));
  EXPECT_FALSE(answer("web").as_object().contains("subject")) << "they are of two images";
  EXPECT_EQ(answer("web%40linux%2Farm64").at("subject"),
            json::value(concat("sha256:", os::sha256("web@linux/arm64").hex())));
}

TEST(Findings, ThatAreNotThereAreAProblemThatSaysWhy) {
  House house;
  const RunId run = scanned(house);
  const auto detail = [&](const std::string& path, int status = 404) {
    const httplib::Response answer = house.get("/api/v1/runs/" + path);
    EXPECT_EQ(answer.status, status) << path;
    EXPECT_EQ(answer.get_header_value("Content-Type"), "application/problem+json");
    return json::value_to<std::string>(json::parse(answer.body).at("detail"));
  };
  const std::string images = concat(run, "/images/");
  EXPECT_NE(detail(images + "wbe/findings").find("did you mean \"web\""), std::string::npos);
  EXPECT_NE(detail(images + "tool/findings").find("was not scanned"), std::string::npos);
  detail("77/images/web/findings");
  house.store.end_stage(run, "web", "engine", StageState::done, json::object());
  house.store.begin_stage(run, "tool", "scan");
  EXPECT_NE(detail(images + "tool/findings").find("are not there yet"), std::string::npos);
  house.store.end_stage(run, "tool", "scan", StageState::failed,
                        json::object{{"error", "no database"}});
  EXPECT_NE(detail(images + "tool/findings").find("could not be scanned: no database"),
            std::string::npos);
  house.store.end_stage(run, "tool", "scan", StageState::done, json::object());
  EXPECT_NE(detail(images + "tool/findings").find("no longer kept"), std::string::npos);
}

}  // namespace
}  // namespace lighterman::api
