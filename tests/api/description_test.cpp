#include "api/description.hpp"

#include <set>

#include "api/routes.hpp"
#include "house.hpp"
#include "registry/profile.hpp"
#include "scan/kept.hpp"
#include "trust/keyring.hpp"

namespace lighterman::api {
namespace {

const json::value& described() {
  static const json::value document = json::parse(description());
  return document;
}

const json::value& resolved(const json::value& schema) {
  const json::value* reference = schema.as_object().if_contains("$ref");
  if (reference == nullptr) return schema;
  return described().at_pointer(std::string_view(reference->as_string()).substr(1));
}

bool has_type(const json::value& value, std::string_view type) {
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_int64() || value.is_uint64();
  if (type == "boolean") return value.is_bool();
  if (type == "null") return value.is_null();
  if (type == "array") return value.is_array();
  return type == "object" && value.is_object();
}

bool type_fits(const json::value& value, const json::value& type) {
  if (type.is_string()) return has_type(value, type.as_string());
  for (const json::value& choice : type.as_array())
    if (has_type(value, choice.as_string())) return true;
  return false;
}

/// As much of JSON Schema as openapi.json uses; and stricter: what is not described does not fit.
std::string misfit(const json::value& value, const json::value& given, const std::string& where) {
  const json::object& schema = resolved(given).as_object();
  if (const json::value* type = schema.if_contains("type"); type && !type_fits(value, *type))
    return where + ": another type is described";
  if (const json::value* choices = schema.if_contains("enum")) {
    const json::array& all = choices->as_array();
    if (std::find(all.begin(), all.end(), value) == all.end()) return where + ": not a choice";
  }
  if (value.is_array() && schema.contains("items")) {
    for (const json::value& item : value.as_array())
      if (auto fault = misfit(item, schema.at("items"), where + "[]"); !fault.empty()) return fault;
  }
  if (!value.is_object() || !schema.contains("properties")) return "";
  for (const json::value& name : schema.at("required").as_array())
    if (!value.as_object().contains(name.as_string()))
      return concat(where, ".", std::string(name.as_string()), ": missing");
  for (const auto& field : value.as_object()) {
    const std::string path = concat(where, ".", std::string(field.key()));
    const json::value* property = schema.at("properties").as_object().if_contains(field.key());
    if (property == nullptr) return path + ": not described";
    if (auto fault = misfit(field.value(), *property, path); !fault.empty()) return fault;
  }
  return "";
}

void expect_described(const httplib::Response& response, const std::string& method,
                      const std::string& path) {
  SCOPED_TRACE(method + " " + path);
  const json::value& operation = described().at("paths").at(path).at(method);
  const json::value* found =
      operation.at("responses").as_object().if_contains(std::to_string(response.status));
  ASSERT_NE(found, nullptr) << response.status << " " << response.body;
  std::string type = response.get_header_value("Content-Type");
  type = type.substr(0, type.find(';'));
  const json::value* content = resolved(*found).at("content").as_object().if_contains(type);
  ASSERT_NE(content, nullptr) << type;
  if (!type.ends_with("json")) return;
  EXPECT_EQ(misfit(json::parse(response.body), content->at("schema"), "body"), "");
}

/// An image with all that can be known of one.
void describe_why(House& house, RunId run) {
  const Reference image = House::replication().source;
  const auto end = [&](const std::string& name, const json::value& result) {
    house.store.begin_stage(run, "app", name);
    house.store.end_stage(run, "app", name, StageState::done, result);
  };
  end("engine", {{"builder", "buildkit"}, {"engine", "local"}});
  end("staging", {{"manifest", image.digest()->text()}});
  end("gate", {{"denied", ""}, {"decision", json::object()}});
  end(concat("publish:", image.name()),
      {{"reference", image.text()}, {"tags", json::array()}, {"layers", json::array()}});
  ScanRecord scan;
  scan.publication = house.store.put_publication({0,
                                                  run,
                                                  "hello",
                                                  "app",
                                                  *image.digest(),
                                                  {{image.bare(), {"1"}}},
                                                  Instant{},
                                                  nullptr,
                                                  "",
                                                  false});
  house.store.put_scan(scan);
  house.store.put_signatures(std::vector<SignatureRecord>{
      {"hint", image, "x", "bundle", *image.digest(), *image.digest(), Instant{}}});
  const std::string why = "/api/v1/why";
  const auto told = house.get(concat(why, "?image=", image.digest()->text()));
  expect_described(told, "get", why);
  for (const char* list : {"names", "signatures", "replicas", "runs"})
    EXPECT_FALSE(parsed(told).at(list).as_array().empty()) << list;
  expect_described(house.get(why), "get", why);
  expect_described(house.get(why + "?image=r.example/none:1"), "get", why);
}

TEST(Description, NamesExactlyWhatIsServed) {
  std::set<std::string> served;
  for (const Route& route : routes()) served.insert(concat(lower(route.method), " ", route.path));
  std::set<std::string> told;
  std::set<std::string> names;
  for (const auto& path : described().at("paths").as_object()) {
    for (const auto& operation : path.value().as_object()) {
      told.insert(concat(std::string(operation.key()), " ", std::string(path.key())));
      names.insert(json::value_to<std::string>(operation.value().at("operationId")));
    }
  }
  EXPECT_EQ(served, told);
  EXPECT_EQ(names.size(), told.size());
}

TEST(Description, SaysWhichOperationsAreOpen) {
  for (const Route& route : routes()) {
    const json::value& operation = described().at("paths").at(route.path).at(lower(route.method));
    EXPECT_EQ(operation.as_object().contains("security"), route.access == Access::open)
        << route.path;
  }
}

TEST(Description, HasEverythingItRefersTo) {
  std::string text(description());
  for (std::size_t at = 0; (at = text.find("\"#/", at)) != std::string::npos; ++at) {
    const std::string pointer = text.substr(at + 2, text.find('"', at + 2) - at - 2);
    EXPECT_NO_THROW(described().at_pointer(pointer)) << pointer;
  }
}

TEST(Description, FitsWhatIsAnswered) {
  House house;
  const RunId run = house.push("1");
  house.say(run, 3);
  house.store.begin_stage(run, "", "source");
  house.store.end_stage(run, "", "source", StageState::done, json::object{{"commit", "x"}});
  const std::string body = R"({"source":"hello","ref":"main"})";
  const std::string base = "/api/v1";
  expect_described(house.post(base + "/runs", body), "post", base + "/runs");
  expect_described(house.post(base + "/runs", "{}"), "post", base + "/runs");
  expect_described(house.post(base + "/runs", R"({"source":"x","ref":"a"})"), "post",
                   base + "/runs");
  expect_described(house.get(base + "/runs?limit=1"), "get", base + "/runs");
  expect_described(house.get(base + "/runs?limit=0"), "get", base + "/runs");
  const std::string one = base + "/runs/{id}";
  expect_described(house.get(base + "/runs/1"), "get", one);
  expect_described(house.get(base + "/runs/77"), "get", one);
  expect_described(house.get(base + "/runs/1/log"), "get", one + "/log");
  expect_described(house.get(base + "/runs/1/log", {{"Range", "bytes=0-1"}}), "get", one + "/log");
  expect_described(house.get(base + "/runs/1/log", {{"Range", "bytes=9999-"}}), "get",
                   one + "/log");
  expect_described(house.get(base + "/runs/1/log", {{"Accept", "application/json"}}), "get",
                   one + "/log");
  Findings found;
  found.scanner = "trivy";
  found.subject = Digest::parse(concat("sha256:", std::string(64, 'a')));
  Finding& finding = found.list.emplace_back();
  finding.id = "CVE-1";
  finding.fixed = finding.title = finding.url = finding.target = finding.purl = "x";
  finding.layer = found.subject;
  finding.diff_id = DiffId(*found.subject);
  finding.origin = FindingOrigin{"debian:12", "", 0};
  finding.waived = Waived{"not used", "ann", Instant{}};
  house.store.begin_stage(run, "app", "scan");
  house.store.put_fact(scan::kept_scope, scan::kept_name(run, "app"), scan::pack(found));
  for (const std::string format : {"json", "sarif", "cyclonedx", "text", "xml"})
    expect_described(house.get(concat(base, "/runs/1/images/app/findings?format=", format)), "get",
                     one + "/images/{name}/findings");
  expect_described(house.post(base + "/runs/1/retry", "{}"), "post", one + "/retry");
  expect_described(house.post(base + "/runs/1/cancel", "{}"), "post", one + "/cancel");
  expect_described(house.post(base + "/runs/1/cancel", "{}"), "post", one + "/cancel");
  expect_described(house.get(base + "/runs/1/events"), "get", one + "/events");
  expect_described(house.post(base + "/runs/1/retry", "{}"), "post", one + "/retry");
  expect_described(house.get(base + "/sources"), "get", base + "/sources");
  expect_described(house.post(base + "/plan", body), "post", base + "/plan");
  expect_described(house.post(base + "/plan", "{}"), "post", base + "/plan");
  HookRecord asked;
  asked.run = run;
  asked.hook = "on_push";
  asked.facts = json::object{{"branch", "main"}};
  asked.answers = json::array();
  asked.decision = json::object();
  ActionRecord action;
  action.kind = "post";
  action.body = json::object{{"url", "https://chat.example"}};
  house.store.put_hook(asked, std::vector{action});
  expect_described(house.get(base + "/questions"), "get", base + "/questions");
  expect_described(house.get(base + "/questions?limit=0"), "get", base + "/questions");
  expect_described(house.get(base + "/runs/1"), "get", one);
  expect_described(house.get(base + "/runs/1/log/outline"), "get", one + "/log/outline");
  expect_described(house.get("/badge/hello.svg"), "get", "/badge/{source}.svg");
  expect_described(house.get("/"), "get", "/");
  expect_described(house.get("/page/x/main.js"), "get", "/page/{version}/{file}");
  expect_described(house.get(base + "/session"), "get", base + "/session");
  expect_described(house.post(base + "/session", R"({"token":"x"})"), "post", base + "/session");
  expect_described(house.post(base + "/session", "{}"), "post", base + "/session");
  for (const std::string& prefix : {std::string(), base}) {
    for (const char* path : {"/healthz", "/readyz", "/version", "/openapi.json"})
      expect_described(house.get(prefix + path), "get", prefix + path);
  }
  const std::string carried = base + "/replications";
  for (const char* wish :
       {R"({"source":"near.example/shop:1","target":"far.example/shop"})",
        R"({"rule":"far","dry_run":true})", R"({"source":"nothing"})", R"({"surce":"x"})"})
    expect_described(house.post(carried, wish), "post", carried);
  expect_described(house.get(carried), "get", carried);
  expect_described(house.get(carried + "?state=gone"), "get", carried);
  expect_described(house.get(carried + "/1"), "get", carried + "/{id}");
  expect_described(house.get(carried + "/9"), "get", carried + "/{id}");
  expect_described(house.post(carried + "/1/cancel", "{}"), "post", carried + "/{id}/cancel");
  expect_described(house.post(carried + "/1/cancel", "{}"), "post", carried + "/{id}/cancel");
  expect_described(house.post(base + "/retention", R"({"rule":"old"})"), "post",
                   base + "/retention");
  expect_described(house.post(base + "/retention", R"({"rule":"x"})"), "post", base + "/retention");
  expect_described(house.get(base + "/audit"), "get", base + "/audit");
  expect_described(house.get(base + "/audit?limit=0"), "get", base + "/audit");
  expect_described(house.get(base + "/audit/verification"), "get", base + "/audit/verification");
  expect_described(house.get(base + "/checkup"), "get", base + "/checkup");
  expect_described(house.post(base + "/checkup", "{}"), "post", base + "/checkup");
  expect_described(house.post(base + "/checkup", R"({"x":1})"), "post", base + "/checkup");
  describe_why(house, run);
  expect_described(house.get(base + "/tokens"), "get", base + "/tokens");
  const std::string revoke = base + "/tokens/{name}/revoke";
  for (const char* wish : {R"({"name":"a b","role":"admin"})", R"({"name":"a","role":"viewer"})",
                           R"({"name":"a","role":"admin","sources":["x"]})"})
    expect_described(house.post(base + "/tokens", wish), "post", base + "/tokens");
  expect_described(house.post(base + "/tokens/x/revoke", "{}"), "post", revoke);
  os::ScratchFolder keys;
  trust::Keyring ring(keys.path());
  ring.add("release", Secret(), system_now());
  ring.rotate("release", Secret(), system_now());
  config::Config config;
  config.keys = config::Keys{keys.path(), "", true};
  house.reload(config);
  expect_described(house.get(base + "/keys"), "get", base + "/keys");
  registry::note(house.store, "r.example", registry::Trait::mounts, true);
  expect_described(house.get(base + "/registries?host=r.example"), "get", base + "/registries");
  expect_described(house.get(base + "/registries?host=far.example"), "get", base + "/registries");
  expect_described(house.get(base + "/keys?name=x"), "get", base + "/keys");
  expect_described(house.get(base + "/status"), "get", base + "/status");
  expect_described(house.get("/metrics"), "get", "/metrics");
  house.readiness = {false, "starting"};
  expect_described(house.get("/readyz"), "get", "/readyz");
  // The first token ends the time without tokens.
  const auto made = house.post(base + "/tokens", R"({"name":"root","role":"admin"})");
  expect_described(made, "post", base + "/tokens");
  const httplib::Headers root{
      {"Authorization", concat("Bearer ", json::value_to<std::string>(parsed(made).at("token")))}};
  expect_described(house.get(base + "/tokens", root), "get", base + "/tokens");
  expect_described(house.get(base + "/tokens"), "get", base + "/tokens");
  expect_described(house.post(base + "/tokens/root/revoke", "{}", root), "post", revoke);
}

}  // namespace
}  // namespace lighterman::api
