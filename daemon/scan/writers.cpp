#include "scan/writers.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <utility>

#include "core/text.hpp"

namespace lighterman::scan {
namespace {

namespace json = boost::json;

constexpr Severity worst_first[] = {Severity::critical, Severity::high, Severity::medium,
                                    Severity::low, Severity::unknown};

std::vector<const Finding*> sorted(const Findings& findings) {
  std::vector<const Finding*> list;
  list.reserve(findings.list.size());
  for (const Finding& finding : findings.list) list.push_back(&finding);
  std::stable_sort(list.begin(), list.end(), [](const Finding* a, const Finding* b) {
    if (a->severity != b->severity) return a->severity > b->severity;
    return std::pair(a->package, a->id) < std::pair(b->package, b->id);
  });
  return list;
}

/// Reports come from images, so from anybody: nothing in them may steer a terminal.
std::string one_line(std::string_view text) {
  std::string line = valid_utf8(text);
  std::replace_if(
      line.begin(), line.end(),
      [](char letter) { return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f; }, ' ');
  return line;
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string fix_of(const Finding& finding) {
  if (!finding.fixed.empty()) return concat("fixed in ", finding.fixed);
  switch (finding.status) {
    case FindingStatus::will_not_fix:
      return "its distributor will not fix it";
    case FindingStatus::end_of_life:
      return "its distribution is no longer maintained";
    case FindingStatus::fix_deferred:
      return "its distributor put the fix off";
    default:
      return "no fix is known";
  }
}

/// Findings that one part of the image brought.
struct Group {
  std::string heading;
  std::vector<const Finding*> list;
  bool fixable = false;
};

std::string heading_of(const Finding& finding) {
  if (!finding.origin) return "from somewhere in the image";
  const FindingOrigin& origin = *finding.origin;
  if (!origin.base.empty()) return one_line(concat("base ", origin.base));
  const std::string instruction = one_line(shortened(origin.instruction, 100));
  if (origin.line > 0) return concat("Dockerfile line ", origin.line, ": ", instruction);
  return instruction.empty() ? "from somewhere in the image" : instruction;
}

/// Columns as wide as what stands in them, within reason.
struct Widths {
  std::size_t id = 0, package = 0;

  static std::string package_of(const Finding& finding) {
    return one_line(
        concat(finding.package, finding.installed.empty() ? "" : " ", finding.installed));
  }
  void see(const Finding& finding) {
    id = std::min<std::size_t>(std::max(id, finding.id.size()), 30);
    package = std::min<std::size_t>(std::max(package, package_of(finding).size()), 50);
  }
  std::string row(std::string severity, const Finding& finding) const {
    return concat(padded(std::move(severity), 8), "  ", padded(one_line(finding.id), id), "  ",
                  padded(package_of(finding), package), "  ");
  }
};

/// "2026-01-31 12:00"
std::string shown(Instant when) {
  std::string text = render_time(when).substr(0, 16);
  text[10] = ' ';
  return text;
}

std::string age_of(const Findings& findings) {
  if (!findings.database_time) return "";
  const auto age =
      std::chrono::floor<std::chrono::hours>(findings.scanned - *findings.database_time);
  return concat("; its database was of ", shown(*findings.database_time),
                age.count() > 0 ? concat(", ", render_duration(age), " old") : "");
}

std::string_view level_of(Severity severity) {
  return severity >= Severity::high ? "error" : severity == Severity::medium ? "warning" : "note";
}

/// The middle of CVSS's ranges: code scanning sorts by a number, and scanners differ on it.
std::string_view score_of(Severity severity) {
  switch (severity) {
    case Severity::critical:
      return "9.5";
    case Severity::high:
      return "8.0";
    case Severity::medium:
      return "5.5";
    case Severity::low:
      return "2.0";
    case Severity::unknown:
      break;
  }
  return "0.0";
}

}  // namespace

std::string advice_of(const Finding& finding) {
  const std::string package =
      concat(finding.package, finding.installed.empty() ? "" : " ", finding.installed);
  std::string advice = concat(package, ", ", fix_of(finding));
  if (finding.origin && !finding.origin->base.empty())
    advice = concat(finding.fixed.empty() ? "base " : "update base ", finding.origin->base,
                    ": it brings ", advice);
  else if (finding.origin && finding.origin->line > 0)
    advice = concat("line ", finding.origin->line, " installs ", advice);
  else if (finding.origin && !finding.origin->instruction.empty())
    advice = concat('"', shortened(finding.origin->instruction, 80), "\" installs ", advice);
  return one_line(advice);
}

Findings only_from(Severity least, Findings findings) {
  const std::size_t left_out = std::erase_if(
      findings.list, [least](const Finding& finding) { return finding.severity < least; });
  if (left_out > 0)
    findings.warnings.push_back(concat(left_out, " below ", render(least), " are left out"));
  return findings;
}

std::string sums_of(const Findings::Counts& counts) {
  std::string sums;
  for (const Severity severity : worst_first)
    if (counts.of(severity) > 0)
      sums += concat(sums.empty() ? "" : ", ", counts.of(severity), ' ', lower(render(severity)));
  if (sums.empty()) sums = "no findings";
  if (counts.waived > 0) sums += concat(", ", counts.waived, " waived");
  return sums;
}

std::string table_of(const Findings& findings) {
  std::vector<Group> groups;
  std::vector<const Finding*> waived;
  Widths widths;
  for (const Finding* finding : sorted(findings)) {
    widths.see(*finding);
    if (finding->waived) {
      waived.push_back(finding);
      continue;
    }
    const std::string heading = heading_of(*finding);
    auto group = std::ranges::find(groups, heading, &Group::heading);
    if (group == groups.end()) group = groups.insert(group, Group{heading, {}, false});
    group->list.push_back(finding);
    group->fixable = group->fixable || !finding->fixed.empty();
  }
  std::string text;
  for (const Group& group : groups) {
    // Only a base that some fix is known for is worth an update.
    const bool update = group.fixable && group.heading.starts_with("base ");
    text += concat(update ? "update " : "", group.heading, '\n');
    for (const Finding* finding : group.list)
      text += concat("  ", widths.row(std::string(render(finding->severity)), *finding),
                     one_line(fix_of(*finding)), '\n');
    text += '\n';
  }
  if (!waived.empty()) text += "waived\n";
  for (const Finding* finding : waived)
    text += concat("  ", widths.row(std::string(render(finding->severity)), *finding),
                   one_line(finding->waived->reason), " (", one_line(finding->waived->who),
                   finding->waived->until
                       ? concat(", until ", render_time(*finding->waived->until).substr(0, 10))
                       : "",
                   ")\n");
  if (!waived.empty()) text += '\n';
  text += concat(sums_of(findings.counts()), '\n');
  if (!findings.scanner.empty())
    text += one_line(concat("scanned by ", findings.scanner, ' ', findings.scanner_version, " at ",
                            shown(findings.scanned), age_of(findings))) +
            '\n';
  for (const std::string& warning : findings.warnings)
    text += concat("warning: ", one_line(warning), '\n');
  return text;
}

json::value sarif_of(const Findings& findings, const std::string& image) {
  json::array rules, results;
  std::map<std::string, std::size_t> known;
  for (const Finding* finding : sorted(findings)) {
    const auto [rule, is_new] = known.try_emplace(finding->id, rules.size());
    if (is_new) {
      json::object entry{
          {"id", finding->id},
          {"shortDescription",
           json::object{{"text", finding->title.empty() ? finding->id : finding->title}}},
          {"properties", json::object{{"security-severity", score_of(finding->severity)},
                                      {"tags", json::array{"vulnerability", "security"}}}}};
      if (!finding->url.empty()) entry["helpUri"] = finding->url;
      rules.push_back(std::move(entry));
    }
    json::object location{
        {"artifactLocation",
         json::object{
             {"uri", finding->origin && finding->origin->line > 0 ? "Dockerfile" : image}}},
        {"region",
         json::object{{"startLine",
                       finding->origin && finding->origin->line > 0 ? finding->origin->line : 1}}}};
    json::object result{
        {"ruleId", finding->id},
        {"ruleIndex", rule->second},
        {"level", level_of(finding->severity)},
        {"message", json::object{{"text", advice_of(*finding)}}},
        {"locations", json::array{json::object{{"physicalLocation", std::move(location)}}}},
        {"properties", json::object{{"package", finding->package},
                                    {"installed", finding->installed},
                                    {"fixed", finding->fixed},
                                    {"purl", finding->purl}}}};
    if (finding->waived)
      result["suppressions"] =
          json::array{json::object{{"kind", "external"},
                                   {"status", "accepted"},
                                   {"justification", finding->waived->reason}}};
    results.push_back(std::move(result));
  }
  json::object driver{{"name", findings.scanner}, {"rules", std::move(rules)}};
  if (!findings.scanner_version.empty()) driver["version"] = findings.scanner_version;
  return json::object{
      {"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
      {"version", "2.1.0"},
      {"runs", json::array{json::object{{"tool", json::object{{"driver", std::move(driver)}}},
                                        {"results", std::move(results)}}}}};
}

json::value cyclonedx_of(const Findings& findings, const std::string& image) {
  json::array components, vulnerabilities;
  std::map<std::string, std::size_t> known;
  for (const Finding* finding : sorted(findings)) {
    const std::string reference =
        finding->purl.empty() ? concat(finding->package, '@', finding->installed) : finding->purl;
    if (known.try_emplace(reference, components.size()).second) {
      json::object component{{"bom-ref", reference},
                             {"type", "library"},
                             {"name", finding->package},
                             {"version", finding->installed}};
      if (!finding->purl.empty()) component["purl"] = finding->purl;
      components.push_back(std::move(component));
    }
    json::object entry{
        {"id", finding->id},
        {"ratings", json::array{json::object{{"severity", lower(render(finding->severity))}}}},
        {"description", finding->title},
        {"recommendation", advice_of(*finding)},
        {"affects", json::array{json::object{{"ref", reference}}}}};
    if (!finding->url.empty())
      entry["source"] = json::object{{"name", findings.scanner}, {"url", finding->url}};
    if (finding->waived)
      entry["analysis"] = json::object{
          {"state", "not_affected"},
          {"detail", concat(finding->waived->reason, " (", finding->waived->who, ')')}};
    else if (finding->status == FindingStatus::will_not_fix)
      entry["analysis"] =
          json::object{{"state", "exploitable"}, {"response", json::array{"will_not_fix"}}};
    vulnerabilities.push_back(std::move(entry));
  }
  json::object subject{{"bom-ref", image}, {"type", "container"}, {"name", image}};
  if (findings.subject) subject["version"] = findings.subject->text();
  return json::object{{"bomFormat", "CycloneDX"},
                      {"specVersion", "1.5"},
                      {"version", 1},
                      {"metadata", json::object{{"timestamp", render_time(findings.scanned)},
                                                {"component", std::move(subject)}}},
                      {"components", std::move(components)},
                      {"vulnerabilities", std::move(vulnerabilities)}};
}

}  // namespace lighterman::scan
