#include "registry/harbor.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "net/retry.hpp"
#include "registry/credentials.hpp"

namespace lighterman::registry {
namespace json = boost::json;
namespace {

constexpr std::size_t page_size = 100;
constexpr std::size_t most_pages = 1000;
constexpr std::size_t longest_title = 200;
constexpr std::string_view base_path = "/api/v2.0";
/// The newer first; of an answer with both, that one is read.
constexpr std::string_view report_types[] = {
    "application/vnd.security.vulnerability.report; version=1.1",
    "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"};

std::string accepted_reports() { return concat(report_types[0], ", ", report_types[1]); }

/// "/projects/acme/repositories/a%252Fb": Harbor takes the slash for a part's end unless it is
/// encoded twice.
std::string path_of(const Reference& repository) {
  const std::string& name = repository.repository();
  const std::string project = Harbor::project_of(repository);
  if (project.size() + 1 >= name.size())
    throw Error(ErrorKind::invalid,
                concat("\"", repository.name(), "\": Harbor's names are project/name"));
  return concat("/projects/", render_url_part(project), "/repositories/",
                render_url_part(render_url_part(name.substr(project.size() + 1))));
}

std::string path_of_image(const Reference& image) {
  const std::string which =
      image.digest() ? image.digest()->text() : image.tag().value_or("latest");
  return concat(path_of(image), "/artifacts/", render_url_part(which));
}

/// What Harbor writes for "never" is the year 1.
std::optional<Instant> moment(const Fields& fields, std::string_view name) {
  const auto text = fields.find_text(name);
  if (!text || text->empty() || text->starts_with("0001-")) return {};
  return parse_time(*text);
}

/// The number at the end of a Location.
std::int64_t number_at_end(std::string_view location) {
  const std::string_view last = location.substr(location.rfind('/') + 1);
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), id);
  return error == std::errc() && end == last.data() + last.size() ? id : 0;
}

HarborSchedule schedule_from(const Fields& fields, std::string_view kind) {
  return {fields.text_or(kind, ""), fields.text_or("cron", "")};
}

HarborRobot robot_from(const Fields& fields) {
  HarborRobot robot;
  robot.name = fields.text("name");
  robot.disabled = fields.flag_or("disable", false);
  if (const std::int64_t end = fields.integer_or("expires_at", -1); end > 0)
    robot.expires = Instant(std::chrono::seconds(end));
  for (const json::value& entry : fields.list("permissions")) {
    const Fields permission(entry, "permission");
    for (const json::value& inner : permission.list("access")) {
      const Fields access(inner, "access");
      robot.permissions.push_back(concat(permission.text_or("namespace", "/"), ": ",
                                         access.text("action"), ' ', access.text("resource")));
    }
  }
  return robot;
}

/// Harbor has words that we do not, and the other way round.
Severity severity_from(const std::string& word) {
  const std::string given = lower(word);
  if (given == "critical") return Severity::critical;
  if (given == "high") return Severity::high;
  if (given == "medium") return Severity::medium;
  if (given == "low" || given == "negligible") return Severity::low;
  return Severity::unknown;
}

FindingStatus status_from(const std::string& word) {
  try {
    return parse_finding_status(word);
  } catch (const Error&) {
    // Each scanner has words of its own here, and the finding counts whatever they are.
    return FindingStatus::unknown;
  }
}

lighterman::Finding finding_from(const json::value& entry) {
  const Fields fields(entry, "vulnerability");
  lighterman::Finding finding;
  finding.id = fields.text("id");
  finding.package = fields.text_or("package", "");
  finding.installed = fields.text_or("version", "");
  finding.fixed = fields.text_or("fix_version", "");
  finding.severity = severity_from(fields.text_or("severity", ""));
  finding.status = status_from(fields.text_or("status", ""));
  finding.title = shortened(valid_utf8(fields.text_or("description", "")), longest_title);
  if (const auto links = fields.texts("links"); !links.empty()) finding.url = links.front();
  return finding;
}

/// The report of the newest kind in an answer that has one for each.
const json::value* report_in(const Fields& by_type) {
  for (const std::string_view type : report_types)
    if (const json::value* found = by_type.find(type)) return found;
  return nullptr;
}

}  // namespace

bool HarborRobot::may(const std::string& project, const std::string& action,
                      const std::string& resource) const {
  return std::ranges::any_of(
      std::array{project, std::string("*"), std::string("/")}, [&](const std::string& space) {
        return std::ranges::find(permissions, concat(space, ": ", action, ' ', resource)) !=
               permissions.end();
      });
}

// The words of tasks, jobs and scans (goharbor/harbor, src/jobservice/job/status.go and
// src/controller/replication/model).
bool HarborJob::failed() const noexcept {
  return state == "Error" || state == "Failed" || state == "Stopped" || state == "ERROR";
}
bool HarborJob::ended() const noexcept {
  return failed() || state == "Success" || state == "Succeed" || state == "SUCCESS";
}

Harbor::Harbor(Options options) : options_(std::move(options)), access_(options_, http_) {}

std::string Harbor::project_of(const Reference& repository) {
  return repository.repository().substr(0, repository.repository().find('/'));
}

std::string Harbor::account() const {
  const auto known = find_credentials(options_);
  return known ? known->first : std::string();
}

net::Response Harbor::ask(const std::string& method, const std::string& path,
                          const std::string& body, net::Headers headers,
                          const std::stop_token& stop) {
  return net::retried(options_.retry, stop, [&] {
    net::Request request;
    request.method = method;
    request.url = concat(
        options_.api.empty() ? access_.base(stop) + std::string(base_path) : options_.api, path);
    request.headers = headers;
    request.headers.add("Accept", "application/json");
    if (!body.empty()) {
      request.headers.add("Content-Type", "application/json");
      request.body = body;
    }
    request.trust = trust_for(options_);
    request.basic = find_credentials(options_);
    request.body_limit = 64 << 20;
    net::Response answer = http_.perform(request, stop);
    if (answer.status == 429 || answer.status >= 500)
      refused(answer, concat(method, ' ', path), "use its API");
    return answer;
  });
}

void Harbor::refused(const net::Response& answer, const std::string& doing,
                     const std::string& needs) const {
  refuse(options_, answer, doing, needs);
}

json::value Harbor::get(const std::string& path, const std::string& doing, const std::string& needs,
                        const std::stop_token& stop) {
  const net::Response answer = ask("GET", path, stop);
  if (answer.status != 200) refused(answer, doing, needs);
  return parse_json(answer.body, "Harbor's answer");
}

json::array Harbor::list(const std::string& path, const std::string& doing,
                         const std::string& needs, const std::stop_token& stop) {
  json::array all;
  for (std::size_t page = 1; page <= most_pages; ++page) {
    const json::value value = get(concat(path, path.find('?') == std::string::npos ? '?' : '&',
                                         "page=", page, "&page_size=", page_size),
                                  doing, needs, stop);
    if (!value.is_array())
      throw Error(ErrorKind::invalid,
                  concat("registry ", options_.host, ": ", doing, ": its answer is no list"));
    for (const json::value& each : value.get_array()) all.push_back(each);
    if (value.get_array().size() < page_size) break;
  }
  return all;
}

/// Something that is made or begun; its number is in the answer's Location.
std::int64_t Harbor::start(const std::string& path, const std::string& body,
                           const std::string& doing, const std::string& needs,
                           const std::stop_token& stop) {
  const net::Response answer = ask("POST", path, body, {}, stop);
  if (answer.status != 201 && answer.status != 202 && answer.status != 200)
    refused(answer, doing, needs);
  return number_at_end(answer.headers.find("Location").value_or(""));
}

std::optional<Harbor::About> Harbor::find(const std::stop_token& stop) {
  const net::Response answer = ask("GET", "/systeminfo", stop);
  if (answer.status == 401) refused(answer, "asking for its version", "log in");
  if (answer.status != 200) return {};
  boost::system::error_code error;
  const json::value value = json::parse(answer.body, error);
  // Others answer any path with their home page.
  if (error || !value.is_object() || !value.get_object().contains("auth_mode")) return {};
  const Fields fields(value, "Harbor's answer");
  return About{fields.text_or("harbor_version", ""), fields.flag_or("read_only", false)};
}

bool Harbor::has_project(const std::string& name, const std::stop_token& stop) {
  const net::Response answer =
      ask("HEAD", concat("/projects?project_name=", render_url_part(name)), stop);
  if (answer.status == 404) return false;
  if (answer.status != 200)
    refused(answer, concat("looking for project ", name), concat("see project ", name));
  return true;
}

bool Harbor::make_project(const std::string& name, const std::stop_token& stop) {
  const json::object wanted{{"project_name", name}, {"metadata", {{"public", "false"}}}};
  const net::Response answer = ask("POST", "/projects", json::serialize(wanted), {}, stop);
  if (answer.status == 409) return false;
  if (answer.status != 201) refused(answer, concat("creating project ", name), "create projects");
  return true;
}

std::optional<HarborRobot> Harbor::find_robot(const std::stop_token& stop) {
  const std::string name = account();
  const std::size_t dollar = name.find('$');
  if (dollar == std::string::npos) return {};
  std::string path = "/robots";
  // A project's own are "robot$PROJECT+NAME".
  if (const std::size_t plus = name.find('+', dollar); plus != std::string::npos) {
    const std::string project = name.substr(dollar + 1, plus - dollar - 1);
    const net::Response answer = ask("GET", concat("/projects/", render_url_part(project)), "",
                                     {{"X-Is-Resource-Name", "true"}}, stop);
    if (answer.status != 200)
      refused(answer, concat("looking at project ", project), concat("read project ", project));
    const json::value value = parse_json(answer.body, "Harbor's answer");
    path += concat("?q=", render_url_part(concat("Level=project,ProjectID=",
                                                 Fields(value, "project").integer("project_id"))));
  }
  for (const json::value& each : list(path, "looking for our robot account", "list robot", stop)) {
    HarborRobot robot = robot_from(Fields(each, "robot"));
    if (robot.name == name) return robot;
  }
  return {};
}

std::vector<HarborPolicy> Harbor::policies(const std::stop_token& stop) {
  std::vector<HarborPolicy> found;
  for (const json::value& each : list("/replication/policies", "listing its replication policies",
                                      "list replication policies", stop)) {
    const Fields fields(each, "policy");
    HarborPolicy policy{fields.integer("id"), fields.text("name"), "", "",
                        fields.flag_or("enabled", true)};
    if (const json::value* registry = fields.find("dest_registry"))
      policy.destination = Fields(*registry, "dest_registry").text_or("name", "");
    if (const json::value* trigger = fields.find("trigger"))
      policy.trigger = Fields(*trigger, "trigger").text_or("type", "");
    found.push_back(std::move(policy));
  }
  return found;
}

HarborPolicy Harbor::policy(const std::string& name, const std::stop_token& stop) {
  const std::vector<HarborPolicy> all = policies(stop);
  const auto found = std::ranges::find(all, name, &HarborPolicy::name);
  if (found != all.end()) return *found;
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const HarborPolicy& each : all) names.push_back(each.name);
  throw Error(ErrorKind::not_found, concat("registry ", options_.host, " has no policy \"", name,
                                           '"', did_you_mean(name, names)));
}

std::int64_t Harbor::start_replication(std::int64_t policy, const std::stop_token& stop) {
  return start("/replication/executions", json::serialize(json::object{{"policy_id", policy}}),
               "starting its replication", "create replications", stop);
}

void Harbor::stop_replication(std::int64_t execution, const std::stop_token& stop) {
  const net::Response answer =
      ask("PUT", concat("/replication/executions/", execution), "", {}, stop);
  if (answer.status != 200 && answer.status != 404)
    refused(answer, "stopping its replication", "operate replications");
}

HarborJob Harbor::replication(std::int64_t execution, const std::stop_token& stop) {
  const json::value value = get(concat("/replication/executions/", execution),
                                "looking at its replication", "read replications", stop);
  const Fields fields(value, "execution");
  HarborJob job{execution, fields.text_or("status", ""), fields.text_or("status_text", ""),
                moment(fields, "end_time")};
  const std::string sum =
      concat(fields.natural_or("succeed", 0), " of ", fields.natural_or("total", 0), " carried, ",
             fields.natural_or("failed", 0), " failed");
  job.text = job.text.empty() ? sum : concat(sum, ": ", job.text);
  return job;
}

void Harbor::start_scan(const Reference& image, const std::stop_token& stop) {
  start(concat(path_of_image(image), "/scan"), R"({"scan_type":"vulnerability"})",
        concat("scanning ", image.text()), "create scan", stop);
}

std::optional<HarborJob> Harbor::find_scan(const Reference& image, const std::stop_token& stop) {
  const net::Response answer = ask("GET", concat(path_of_image(image), "?with_scan_overview=true"),
                                   "", {{"X-Accept-Vulnerabilities", accepted_reports()}}, stop);
  if (answer.status != 200) refused(answer, concat("looking at ", image.text()), "read artifact");
  const json::value value = parse_json(answer.body, "Harbor's answer");
  const Fields fields(value, "artifact");
  const json::value* const overview = fields.find("scan_overview");
  if (overview == nullptr) return {};
  const Fields by_type(*overview, "scan_overview");
  const json::value* const found = report_in(by_type);
  if (found == nullptr) return {};
  const Fields scan(*found, "scan_overview");
  return HarborJob{0, scan.text_or("scan_status", ""), scan.text_or("severity", ""),
                   moment(scan, "end_time")};
}

Findings Harbor::findings(const Reference& image, const std::stop_token& stop) {
  const net::Response answer =
      ask("GET", concat(path_of_image(image), "/additions/vulnerabilities"), "",
          {{"X-Accept-Vulnerabilities", accepted_reports()}}, stop);
  const std::string doing = concat("reading what was found in ", image.text());
  if (answer.status != 200) refused(answer, doing, "read artifact-addition");
  const json::value value = parse_json(answer.body, "Harbor's answer");
  const Fields by_type(value, "report");
  const json::value* const report = report_in(by_type);
  if (report == nullptr)
    throw Error(ErrorKind::not_found,
                concat("registry ", options_.host, ": ", doing, ": it was not scanned yet"));
  const Fields fields(*report, "report");
  Findings findings;
  if (const json::value* scanner = fields.find("scanner")) {
    findings.scanner = Fields(*scanner, "scanner").text_or("name", "");
    findings.scanner_version = Fields(*scanner, "scanner").text_or("version", "");
  }
  findings.scanned = moment(fields, "generated_at").value_or(Instant{});
  findings.subject = image.digest();
  for (const json::value& each : fields.list("vulnerabilities"))
    findings.list.push_back(finding_from(each));
  return findings;
}

std::optional<HarborRetention> Harbor::find_retention(const std::string& project,
                                                      const std::stop_token& stop) {
  const net::Response answer = ask("GET", concat("/projects/", render_url_part(project)), "",
                                   {{"X-Is-Resource-Name", "true"}}, stop);
  if (answer.status != 200)
    refused(answer, concat("looking at project ", project), concat("read project ", project));
  const json::value value = parse_json(answer.body, "Harbor's answer");
  const Fields fields(value, "project");
  const json::value* const metadata = fields.find("metadata");
  const std::string id =
      metadata == nullptr ? "" : Fields(*metadata, "metadata").text_or("retention_id", "");
  if (id.empty()) return {};
  const json::value policy =
      get(concat("/retentions/", render_url_part(id)), concat("reading the retention of ", project),
          concat("read tag-retention in ", project), stop);
  const Fields rules(policy, "retention");
  HarborRetention retention{rules.integer("id"), rules.list("rules").size(), {}};
  if (const json::value* trigger = rules.find("trigger")) {
    const Fields when(*trigger, "trigger");
    retention.schedule.kind = when.text_or("kind", "");
    if (const json::value* settings = when.find("settings"))
      retention.schedule.cron = Fields(*settings, "settings").text_or("cron", "");
  }
  return retention;
}

std::int64_t Harbor::start_retention(std::int64_t id, bool dry_run, const std::stop_token& stop) {
  return start(concat("/retentions/", id, "/executions"),
               json::serialize(json::object{{"dry_run", dry_run}}), "starting its retention",
               "operate tag-retention", stop);
}

std::optional<HarborJob> Harbor::last_retention(std::int64_t id, const std::stop_token& stop) {
  const json::value value = get(concat("/retentions/", id, "/executions?page=1&page_size=1"),
                                "looking at its retention", "list tag-retention", stop);
  if (!value.is_array() || value.get_array().empty()) return {};
  const Fields fields(value.get_array().front(), "execution");
  return HarborJob{fields.integer("id"), fields.text_or("status", ""),
                   fields.flag_or("dry_run", false) ? "only looked" : "",
                   moment(fields, "end_time")};
}

HarborSchedule Harbor::garbage_schedule(const std::stop_token& stop) {
  const json::value value = get("/system/gc/schedule", "reading when it collects garbage",
                                "read garbage-collection", stop);
  const Fields fields(value, "schedule");
  const json::value* const schedule = fields.find("schedule");
  if (schedule == nullptr) return {};
  return schedule_from(Fields(*schedule, "schedule"), "type");
}

std::int64_t Harbor::collect_garbage(const std::stop_token& stop) {
  return start("/system/gc/schedule",
               R"({"schedule":{"type":"Manual"},"parameters":{"delete_untagged":false}})",
               "starting its garbage collection", "create garbage-collection", stop);
}

std::optional<HarborJob> Harbor::last_collection(const std::stop_token& stop) {
  const json::value value =
      get("/system/gc?page=1&page_size=1&sort=-creation_time", "looking at its garbage collection",
          "list garbage-collection", stop);
  if (!value.is_array() || value.get_array().empty()) return {};
  const Fields fields(value.get_array().front(), "collection");
  return HarborJob{fields.integer("id"), fields.text_or("job_status", ""), "",
                   moment(fields, "update_time")};
}

std::map<Digest, HarborArtifact> Harbor::artifacts(const Reference& repository,
                                                   const std::stop_token& stop) {
  std::map<Digest, HarborArtifact> found;
  for (const json::value& each :
       list(concat(path_of(repository), "/artifacts"),
            concat("listing the images of ", repository.repository()), "list artifact", stop)) {
    const Fields fields(each, "artifact");
    HarborArtifact artifact{moment(fields, "push_time"), moment(fields, "pull_time"), {}};
    for (const json::value& child : fields.list("references"))
      artifact.children.push_back(Digest::parse(Fields(child, "reference").text("child_digest")));
    found.emplace(Digest::parse(fields.text("digest")), std::move(artifact));
  }
  return found;
}

}  // namespace lighterman::registry
