#include "scan/report.hpp"

#include <algorithm>
#include <array>
#include <boost/json/stream_parser.hpp>
#include <cstdlib>
#include <map>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "scan/purl.hpp"

namespace lighterman::scan {
namespace {

namespace json = boost::json;

/// Far more than any image has; what is larger is an attack or a mistake.
constexpr std::size_t most_findings = 100'000;
constexpr std::size_t longest_title = 300;

[[noreturn]] void broken(const std::filesystem::path& file, std::string_view why) {
  throw Error(ErrorKind::invalid, concat("report ", file.filename().native(), ": ", why));
}

void add(Findings& findings, Finding finding) {
  if (findings.list.size() == most_findings)
    throw Error(ErrorKind::invalid, concat("report: more than ", most_findings, " findings"));
  finding.title = shortened(valid_utf8(finding.title), longest_title);
  findings.list.push_back(std::move(finding));
}

Severity severity_of(std::string_view word) {
  const std::string name = lower(word);
  for (const Severity severity :
       {Severity::low, Severity::medium, Severity::high, Severity::critical})
    if (name == lower(render(severity))) return severity;
  if (name == "moderate") return Severity::medium;
  if (name == "negligible" || name == "info" || name == "none") return Severity::low;
  return Severity::unknown;
}

/// CVSS 3.1, section 5, "Qualitative Severity Rating Scale".
Severity severity_of_score(double score) {
  return score >= 9.0   ? Severity::critical
         : score >= 7.0 ? Severity::high
         : score >= 4.0 ? Severity::medium
         : score > 0    ? Severity::low
                        : Severity::unknown;
}

/// A word of a newer scanner is no reason to lose the finding.
FindingStatus status_of(const std::string& word, bool has_fix) {
  for (const FindingStatus status :
       {FindingStatus::not_affected, FindingStatus::affected, FindingStatus::fixed,
        FindingStatus::under_investigation, FindingStatus::will_not_fix,
        FindingStatus::fix_deferred, FindingStatus::end_of_life})
    if (word == render(status)) return status;
  return has_fix ? FindingStatus::fixed : FindingStatus::unknown;
}

std::optional<Digest> digest_of(const std::optional<std::string>& text) {
  if (!text || text->empty()) return {};
  return Digest::parse(*text);
}

void read_trivy_layer(Finding& finding, const Fields& found) {
  if (!found.find("Layer")) return;
  const Fields layer(found.get("Layer"), "report.Layer");
  finding.layer = digest_of(layer.find_text("Digest"));
  if (const auto diff_id = digest_of(layer.find_text("DiffID"))) finding.diff_id = DiffId(*diff_id);
}

}  // namespace

json::value read_report(const std::filesystem::path& file, std::uint64_t limit) {
  if (!std::filesystem::exists(file)) broken(file, "it was not written");
  const os::File source = os::File::open_to_read(file);
  if (source.size() == 0) broken(file, "it is empty");
  if (source.size() > limit)
    broken(file, concat("it has ", render_size(source.size()), ", more than the limit of ",
                        render_size(limit)));
  json::parse_options options;
  options.max_depth = 64;
  json::stream_parser parser({}, options);
  std::array<char, 65536> room;
  boost::system::error_code failure;
  for (std::uint64_t at = 0;;) {
    const std::size_t got = source.read_at(at, room.data(), room.size());
    if (got == 0) break;
    parser.write(room.data(), got, failure);
    if (failure) broken(file, concat("not JSON: ", failure.message(), " after byte ", at));
    at += got;
  }
  parser.finish(failure);
  if (failure) broken(file, "not JSON: it ends in the middle");
  return parser.release();
}

Findings findings_from_trivy(const json::value& report) {
  const Fields top(report, "trivy report");
  if (top.integer("SchemaVersion") != 2)
    top.refuse("SchemaVersion", "only version 2 is known: use Trivy 0.20 or newer");
  Findings findings;
  findings.scanner = "trivy";
  for (const json::value& entry : top.list("Results")) {
    const Fields result(entry, "trivy report.Results");
    const std::string target = result.text_or("Target", ""), type = result.text_or("Type", "");
    for (const json::value& one : result.list("Vulnerabilities")) {
      const Fields found(one, "trivy report.Vulnerabilities");
      Finding finding;
      finding.id = found.text("VulnerabilityID");
      finding.package = found.text("PkgName");
      finding.installed = found.text_or("InstalledVersion", "");
      finding.fixed = found.text_or("FixedVersion", "");
      finding.severity = severity_of(found.text_or("Severity", ""));
      finding.status = status_of(found.text_or("Status", ""), !finding.fixed.empty());
      finding.title = found.text_or("Title", "");
      finding.url = found.text_or("PrimaryURL", "");
      finding.target = found.text_or("PkgPath", target);
      if (finding.target.empty()) finding.target = target;
      read_trivy_layer(finding, found);
      if (found.find("PkgIdentifier"))
        finding.purl = Fields(found.get("PkgIdentifier"), "report").text_or("PURL", "");
      if (finding.purl.empty()) finding.purl = found.text_or("PkgRef", "");
      if (!finding.purl.starts_with("pkg:"))
        finding.purl = purl_of_trivy(type, finding.package, finding.installed);
      add(findings, std::move(finding));
    }
  }
  return findings;
}

void check_subject(const json::value& report, const std::string& name, const Digest& manifest,
                   const std::optional<Digest>& config) {
  const auto refuse = [&](std::string_view told) {
    throw Error(ErrorKind::invalid, concat("the report is about another image, ",
                                           shortened(valid_utf8(told), 300), ", not about ", name));
  };
  const Fields top(report, "trivy report");
  if (const std::string told = top.text("ArtifactName"); told != name) refuse(told);
  if (!top.find("Metadata")) return;
  const Fields facts(top.get("Metadata"), "trivy report.Metadata");
  const std::string id = facts.text_or("ImageID", "");
  if (config && !id.empty() && id != config->text()) refuse(id);
  const std::vector<std::string> digests = facts.texts("RepoDigests");
  if (!digests.empty() && std::ranges::none_of(digests, [&](const std::string& digest) {
        return digest.ends_with(concat('@', manifest));
      }))
    refuse(join(digests, ", "));
}

Findings findings_from_grype(const json::value& report) {
  const Fields top(report, "grype report");
  Findings findings;
  findings.scanner = "grype";
  if (top.find("descriptor")) {
    const Fields descriptor(top.get("descriptor"), "grype report.descriptor");
    findings.scanner_version = descriptor.text_or("version", "");
    if (descriptor.find("db")) {
      const Fields db(descriptor.get("db"), "grype report.descriptor.db");
      // Since 0.88 the facts stand in "status".
      const Fields facts(db.find("status") ? db.get("status") : descriptor.get("db"), "grype db");
      findings.database_version =
          facts.find("schemaVersion") && facts.get("schemaVersion").is_int64()
              ? std::to_string(facts.integer("schemaVersion"))
              : facts.text_or("schemaVersion", "");
      if (facts.find("built")) findings.database_time = facts.time_or("built", {});
    }
  }
  top.get("matches");
  for (const json::value& entry : top.list("matches")) {
    const Fields match(entry, "grype report.matches");
    const Fields vulnerability(match.get("vulnerability"), "grype report.vulnerability");
    const Fields artifact(match.get("artifact"), "grype report.artifact");
    Finding finding;
    finding.id = vulnerability.text("id");
    finding.package = artifact.text("name");
    finding.installed = artifact.text_or("version", "");
    finding.severity = severity_of(vulnerability.text_or("severity", ""));
    finding.title = vulnerability.text_or("description", "");
    finding.url = vulnerability.text_or("dataSource", "");
    finding.purl = artifact.text_or("purl", "");
    if (vulnerability.find("fix")) {
      const Fields fix(vulnerability.get("fix"), "grype report.fix");
      const std::vector<std::string> versions = fix.texts("versions");
      finding.fixed = join(versions, ", ");
      const std::string state = fix.text_or("state", "");
      finding.status = state == "wont-fix"    ? FindingStatus::will_not_fix
                       : state == "not-fixed" ? FindingStatus::affected
                                              : status_of(state, !finding.fixed.empty());
    }
    const auto locations = artifact.list("locations");
    if (!locations.empty()) {
      const Fields location(locations.front(), "grype report.locations");
      finding.target = location.text_or("path", "");
      // Syft names layers of an image by their diff IDs.
      if (const auto layer = digest_of(location.find_text("layerID")))
        finding.diff_id = DiffId(*layer);
    }
    add(findings, std::move(finding));
  }
  return findings;
}

Findings findings_from_sarif(const json::value& report) {
  const Fields top(report, "sarif report");
  if (top.text_or("version", "") != "2.1.0") top.refuse("version", "only SARIF 2.1.0 is known");
  Findings findings;
  top.get("runs");
  for (const json::value& entry : top.list("runs")) {
    const Fields run(entry, "sarif report.runs");
    const Fields tool(run.get("tool"), "sarif report.tool");
    const Fields driver(tool.get("driver"), "sarif report.driver");
    findings.scanner = driver.text("name");
    findings.scanner_version = driver.text_or("version", "");
    std::map<std::string, const json::value*> rules;
    for (const json::value& rule : driver.list("rules"))
      rules[Fields(rule, "sarif report.rules").text("id")] = &rule;
    for (const json::value& one : run.list("results")) {
      const Fields result(one, "sarif report.results");
      Finding finding;
      finding.id = result.text("ruleId");
      const std::string level = result.text_or("level", "warning");
      finding.severity = level == "error"     ? Severity::high
                         : level == "warning" ? Severity::medium
                         : level == "note"    ? Severity::low
                                              : Severity::unknown;
      if (const auto rule = rules.find(finding.id); rule != rules.end()) {
        const Fields facts(*rule->second, "sarif report.rules");
        finding.url = facts.text_or("helpUri", "");
        if (facts.find("shortDescription"))
          finding.title = Fields(facts.get("shortDescription"), "sarif").text_or("text", "");
        if (facts.find("properties"))
          // It is a text there, with a number inside.
          if (const auto score =
                  Fields(facts.get("properties"), "sarif").find_text("security-severity"))
            finding.severity = severity_of_score(std::strtod(score->c_str(), nullptr));
      }
      if (result.find("properties")) {
        const Fields more(result.get("properties"), "sarif report.properties");
        finding.package = more.text_or("package", "");
        finding.installed = more.text_or("installed", "");
        finding.fixed = more.text_or("fixed", "");
        finding.purl = more.text_or("purl", "");
      }
      // Trivy has the package in the message only: "Package: x\nInstalled Version: y\n...".
      if (result.find("message"))
        for (const std::string& line :
             split(Fields(result.get("message"), "sarif").text_or("text", ""), '\n')) {
          const auto value = [&line](std::string_view name) {
            return line.starts_with(name) ? std::string(trim(line.substr(name.size()))) : "";
          };
          if (finding.package.empty()) finding.package = value("Package:");
          if (finding.installed.empty()) finding.installed = value("Installed Version:");
          if (finding.fixed.empty()) finding.fixed = value("Fixed Version:");
        }
      if (!finding.fixed.empty()) finding.status = FindingStatus::fixed;
      add(findings, std::move(finding));
    }
  }
  return findings;
}

namespace {

struct Component {
  std::string name, version, purl;
  std::optional<DiffId> diff_id;
  std::optional<Digest> layer;
};

std::map<std::string, Component> components_of(const Fields& bom) {
  std::map<std::string, Component> components;
  for (const json::value& entry : bom.list("components")) {
    const Fields given(entry, "cyclonedx.components");
    Component component{
        given.text_or("name", ""), given.text_or("version", ""), given.text_or("purl", ""), {}, {}};
    for (const json::value& one : given.list("properties")) {
      const Fields property(one, "cyclonedx.properties");
      const std::string name = property.text_or("name", "");
      if (name == "aquasecurity:trivy:LayerDigest")
        component.layer = digest_of(property.find_text("value"));
      if (name == "aquasecurity:trivy:LayerDiffID")
        if (const auto digest = digest_of(property.find_text("value")))
          component.diff_id = DiffId(*digest);
    }
    components[given.text_or("bom-ref", component.purl)] = std::move(component);
  }
  return components;
}

Finding vulnerability_of(const Fields& found) {
  Finding finding;
  finding.id = found.text("id");
  finding.title = found.text_or("description", "");
  if (found.find("source"))
    finding.url = Fields(found.get("source"), "cyclonedx.source").text_or("url", "");
  for (const json::value& one : found.list("ratings")) {
    const Fields rating(one, "cyclonedx.ratings");
    Severity severity = severity_of(rating.text_or("severity", ""));
    if (severity == Severity::unknown) severity = severity_of_score(rating.number_or("score", 0));
    finding.severity = std::max(finding.severity, severity);
  }
  if (found.find("analysis")) {
    const Fields analysis(found.get("analysis"), "cyclonedx.analysis");
    const std::string state = analysis.text_or("state", "");
    if (state == "not_affected" || state == "false_positive")
      finding.status = FindingStatus::not_affected;
    const std::vector<std::string> answers = analysis.texts("response");
    if (std::find(answers.begin(), answers.end(), "will_not_fix") != answers.end())
      finding.status = FindingStatus::will_not_fix;
  }
  return finding;
}

}  // namespace

Findings findings_from_cyclonedx(const json::value& report) {
  const Fields bom(report, "cyclonedx");
  if (bom.text_or("bomFormat", "") != "CycloneDX") bom.refuse("bomFormat", "CycloneDX is expected");
  Findings findings;
  findings.scanner = "cyclonedx";
  const std::map<std::string, Component> components = components_of(bom);
  for (const json::value& entry : bom.list("vulnerabilities")) {
    const Fields found(entry, "cyclonedx.vulnerabilities");
    for (const json::value& one : found.list("affects")) {
      const Fields affected(one, "cyclonedx.affects");
      Finding finding = vulnerability_of(found);
      const std::string reference = affected.text("ref");
      if (const auto known = components.find(reference); known != components.end()) {
        finding.package = known->second.name;
        finding.installed = known->second.version;
        finding.purl = known->second.purl;
        finding.diff_id = known->second.diff_id;
        finding.layer = known->second.layer;
      } else {
        finding.purl = reference.starts_with("pkg:") ? reference : "";
        finding.package = reference;
      }
      for (const json::value& range : affected.list("versions")) {
        const Fields version(range, "cyclonedx.versions");
        if (version.text_or("status", "") == "unaffected")
          finding.fixed = version.text_or("version", "");
      }
      if (!finding.fixed.empty()) finding.status = FindingStatus::fixed;
      add(findings, std::move(finding));
    }
  }
  return findings;
}

Findings findings_from_report(const json::value& report) {
  const Fields top(report, "report");
  if (top.find("SchemaVersion")) return findings_from_trivy(report);
  if (top.find("bomFormat")) return findings_from_cyclonedx(report);
  if (top.find("runs")) return findings_from_sarif(report);
  if (top.find("matches")) return findings_from_grype(report);
  throw Error(ErrorKind::invalid,
              "report: neither Trivy's nor Grype's JSON, nor SARIF, nor CycloneDX");
}

void restore_layers(Findings& findings, const json::value& sbom) {
  const Fields bom(sbom, "sbom");
  const std::map<std::string, Component> components = components_of(bom);
  std::map<std::string, const Component*> by_purl;
  for (const auto& [reference, component] : components) by_purl[component.purl] = &component;
  for (Finding& finding : findings.list) {
    const auto found = by_purl.find(finding.purl);
    if (finding.diff_id || finding.purl.empty() || found == by_purl.end()) continue;
    finding.diff_id = found->second->diff_id;
    finding.layer = found->second->layer;
  }
}

}  // namespace lighterman::scan
