#include "core/findings.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "core/choices.hpp"
#include "core/json.hpp"

namespace lighterman {
namespace {

namespace json = boost::json;

constexpr Choice<Severity> severities[] = {{Severity::unknown, "UNKNOWN"},
                                           {Severity::low, "LOW"},
                                           {Severity::medium, "MEDIUM"},
                                           {Severity::high, "HIGH"},
                                           {Severity::critical, "CRITICAL"}};
constexpr Choice<FindingStatus> statuses[] = {
    {FindingStatus::unknown, "unknown"},
    {FindingStatus::not_affected, "not_affected"},
    {FindingStatus::affected, "affected"},
    {FindingStatus::fixed, "fixed"},
    {FindingStatus::under_investigation, "under_investigation"},
    {FindingStatus::will_not_fix, "will_not_fix"},
    {FindingStatus::fix_deferred, "fix_deferred"},
    {FindingStatus::end_of_life, "end_of_life"}};

std::optional<Instant> time_in(const Fields& fields, std::string_view name) {
  if (!fields.find(name)) return {};
  return fields.time_or(name, {});
}

std::optional<Digest> digest_in(const Fields& fields, std::string_view name) {
  const std::optional<std::string> text = fields.find_text(name);
  if (!text) return {};
  return during(fields.path(name), [&] { return Digest::parse(*text); });
}

Finding finding_from(const json::value& given) {
  const Fields fields(given, "findings.list");
  Finding finding;
  finding.id = fields.text("id");
  finding.package = fields.text_or("package", "");
  finding.installed = fields.text_or("installed", "");
  finding.fixed = fields.text_or("fixed", "");
  finding.severity = parse_severity(fields.text("severity"));
  finding.status = parse_finding_status(fields.text_or("status", "unknown"));
  finding.title = fields.text_or("title", "");
  finding.url = fields.text_or("url", "");
  finding.target = fields.text_or("target", "");
  finding.purl = fields.text_or("purl", "");
  if (const auto digest = digest_in(fields, "diff_id")) finding.diff_id = DiffId(*digest);
  finding.layer = digest_in(fields, "layer");
  if (const json::value* found = fields.find("origin")) {
    const Fields origin(*found, fields.path("origin"));
    finding.origin = FindingOrigin{origin.text_or("base", ""), origin.text_or("instruction", ""),
                                   static_cast<int>(origin.integer_or("line", 0))};
  }
  if (const json::value* found = fields.find("waived")) {
    const Fields waived(*found, fields.path("waived"));
    finding.waived =
        Waived{waived.text_or("reason", ""), waived.text_or("who", ""), time_in(waived, "until")};
  }
  return finding;
}

}  // namespace

std::string_view render(Severity severity) noexcept { return name_of(severities, severity); }
Severity parse_severity(std::string_view given) {
  for (const Choice<Severity>& choice : severities)
    if (lower(choice.name) == lower(given)) return choice.value;
  return choice_of(severities, given, "severity");
}
std::string_view render(FindingStatus status) noexcept { return name_of(statuses, status); }
FindingStatus parse_finding_status(std::string_view given) {
  return choice_of(statuses, given, "status of a finding");
}

Findings::Counts Findings::counts() const {
  Counts counts;
  for (const Finding& finding : list)
    ++(finding.waived ? counts.waived
                      : counts.by_severity[static_cast<std::size_t>(finding.severity)]);
  return counts;
}

json::value to_json(const Finding& finding) {
  json::object object{{"id", finding.id},
                      {"package", finding.package},
                      {"installed", finding.installed},
                      {"severity", std::string(render(finding.severity))},
                      {"status", std::string(render(finding.status))}};
  const auto add = [&object](std::string_view name, const std::string& text) {
    if (!text.empty()) object[name] = text;
  };
  add("fixed", finding.fixed);
  add("title", finding.title);
  add("url", finding.url);
  add("target", finding.target);
  add("purl", finding.purl);
  if (finding.diff_id) object["diff_id"] = finding.diff_id->text();
  if (finding.layer) object["layer"] = finding.layer->text();
  if (finding.origin)
    object["origin"] = json::object{{"base", finding.origin->base},
                                    {"instruction", finding.origin->instruction},
                                    {"line", finding.origin->line}};
  if (finding.waived)
    object["waived"] = json::object{{"reason", finding.waived->reason},
                                    {"who", finding.waived->who},
                                    {"until", json_time(finding.waived->until)}};
  return object;
}

void unite(Findings& findings, const Findings& more) {
  if (findings.subject != more.subject) findings.subject.reset();
  for (const std::string& warning : more.warnings)
    if (std::ranges::find(findings.warnings, warning) == findings.warnings.end())
      findings.warnings.push_back(warning);
  const auto key = [](const Finding& each) {
    return std::tuple<std::string_view, std::string_view, std::string_view>(each.id, each.package,
                                                                            each.installed);
  };
  // The keys look into the list, which must not move.
  findings.list.reserve(findings.list.size() + more.list.size());
  std::set<decltype(key(Finding()))> known;
  for (const Finding& each : findings.list) known.insert(key(each));
  for (const Finding& each : more.list)
    if (known.insert(key(each)).second) findings.list.push_back(each);
}

json::value to_json(const Findings& findings) {
  const Findings::Counts counts = findings.counts();
  json::object counted{{"waived", counts.waived}};
  for (const Choice<Severity>& choice : severities) counted[choice.name] = counts.of(choice.value);
  json::array list;
  list.reserve(findings.list.size());
  for (const Finding& finding : findings.list) list.push_back(to_json(finding));
  json::object object{{"scanner", findings.scanner},
                      {"scanner_version", findings.scanner_version},
                      {"database_version", findings.database_version},
                      {"database_time", json_time(findings.database_time)},
                      {"scanned", render_time(findings.scanned)}};
  if (findings.subject) object["subject"] = findings.subject->text();
  object["counts"] = std::move(counted);
  object["warnings"] = json_array(findings.warnings);
  object["list"] = std::move(list);
  return object;
}

Findings findings_from(const json::value& given) {
  const Fields fields(given, "findings");
  Findings findings;
  findings.scanner = fields.text("scanner");
  findings.scanner_version = fields.text_or("scanner_version", "");
  findings.database_version = fields.text_or("database_version", "");
  findings.database_time = time_in(fields, "database_time");
  findings.scanned = fields.time_or("scanned", {});
  findings.subject = digest_in(fields, "subject");
  findings.warnings = fields.texts("warnings");
  for (const json::value& entry : fields.list("list")) findings.list.push_back(finding_from(entry));
  return findings;
}

}  // namespace lighterman
