#pragma once

#include <boost/json.hpp>

#include "core/json.hpp"
#include "registry/fake_registry.hpp"

namespace lighterman::test {

/// Harbor as its API's description has it (goharbor/harbor, api/v2.0/swagger.yaml), over a registry
/// that lets nobody into a project that is not there. All requests must log in as `account`.
class FakeHarbor {
 public:
  using Request = httplib::Request;
  using Response = httplib::Response;

  explicit FakeHarbor(std::string account = "Basic cm9ib3QkY2k6czNjcmV0")  // robot$ci, s3cret
      : registry([this](httplib::Server& server) { add_paths(server); },
                 [this](const Request& request, Response& response) {
                   return refuse_stranger(request, response);
                 }),
        account_(std::move(account)) {}

  std::string host() const { return registry.host(); }
  /// What somebody posted there last.
  boost::json::value posted(const std::string& path) {
    const std::lock_guard lock(registry.mutex);
    return boost::json::parse(posts[path]);
  }

  // Changed before requests come, or under registry.mutex.
  std::set<std::string> projects{"acme"};
  std::string robots = "[]";
  bool may_create_projects = true;
  bool may_list_robots = true;
  std::string policies = R"([{"id":7,"name":"to-europe","enabled":true,
    "dest_registry":{"id":1,"name":"eu","type":"harbor"},"trigger":{"type":"manual"}}])";
  std::string execution = R"({"id":31,"policy_id":7,"status":"InProgress","status_text":"",
    "total":4,"failed":0,"succeed":1,"in_progress":3,"stopped":0,
    "start_time":"2026-01-02T03:04:05.000Z","end_time":"0001-01-01T00:00:00.000Z"})";
  std::string artifact = R"({"digest":"sha256:aa"})";
  std::string report = "{}";
  std::function<void()> scan_begun;  ///< under registry.mutex
  bool scans_already = false;        ///< it was told to, or does so at each push
  std::string project = R"({"project_id":5,"name":"acme","metadata":{"retention_id":"9"}})";
  std::vector<std::string> artifacts;
  std::map<std::string, std::string> posts;
  FakeRegistry registry;

 private:
  bool refuse_stranger(const Request& request, Response& response) {
    const std::string given = request.get_header_value("Authorization");
    if (request.path.starts_with("/api/")) {
      if (given == account_) return false;
      FakeRegistry::refuse(response, 401, "UNAUTHORIZED");
      return true;
    }
    if (given != account_) {
      FakeRegistry::refuse(response, 401, "UNAUTHORIZED");
      response.set_header("WWW-Authenticate", "Basic realm=\"harbor\"");
      return true;
    }
    // "/v2/PROJECT/...": so it answers to an account it knows (goharbor/harbor issue 21373).
    const std::string name = request.path.substr(std::min<std::size_t>(4, request.path.size()));
    if (name.empty() || projects.contains(name.substr(0, name.find('/')))) return false;
    response.status = 401;
    response.set_content(
        R"({"errors":[{"code":"UNAUTHORIZED","message":"unauthorized to access repository: )" +
            name + R"(, action: push: unauthorized to access repository"}]})",
        "application/json");
    return true;
  }
  static void answer(Response& response, const std::string& json) {
    response.set_content(json, "application/json");
  }
  void begin(const Request& request, Response& response, int status, const std::string& place) {
    posts[request.path] = request.body;
    response.status = status;
    if (!place.empty()) response.set_header("Location", place);
  }

  void add_paths(httplib::Server& server) {
    using Lock = std::lock_guard<std::mutex>;
    const std::string base = "/api/v2.0";
    server.Get(base + "/systeminfo", [](const Request&, Response& response) {
      answer(response, R"({"auth_mode":"db_auth","harbor_version":"v2.11.0-70c03096",
        "read_only":false,"self_registration":false})");
    });
    // httplib answers HEAD by what GET has.
    server.Get(base + "/projects", [this](const Request& request, Response& response) {
      const Lock lock(registry.mutex);
      if (!projects.contains(request.get_param_value("project_name"))) response.status = 404;
    });
    server.Post(base + "/projects", [this](const Request& request, Response& response) {
      const Lock lock(registry.mutex);
      posts[request.path] = request.body;
      const std::string name(boost::json::parse(request.body).at("project_name").as_string());
      if (!may_create_projects) return FakeRegistry::refuse(response, 403, "FORBIDDEN");
      if (!projects.insert(name).second) return FakeRegistry::refuse(response, 409, "CONFLICT");
      begin(request, response, 201, "/api/v2.0/projects/12");
    });
    server.Get(base + "/projects/acme", [this](const Request& request, Response& response) {
      const Lock lock(registry.mutex);
      if (request.get_header_value("X-Is-Resource-Name") != "true")
        return FakeRegistry::refuse(response, 400, "BAD_REQUEST");
      answer(response, project);
    });
    server.Get(base + "/robots", [this](const Request& request, Response& response) {
      const Lock lock(registry.mutex);
      if (!may_list_robots) return FakeRegistry::refuse(response, 403, "FORBIDDEN");
      posts["robots"] = request.get_param_value("q");
      answer(response, robots);
    });
    server.Get(base + "/replication/policies", [this](const Request&, Response& response) {
      const Lock lock(registry.mutex);
      answer(response, policies);
    });
    server.Post(base + "/replication/executions",
                [this](const Request& request, Response& response) {
                  const Lock lock(registry.mutex);
                  begin(request, response, 201, "/api/v2.0/replication/executions/31");
                });
    server.Get(base + "/replication/executions/31", [this](const Request&, Response& response) {
      const Lock lock(registry.mutex);
      answer(response, execution);
    });
    server.Put(base + "/replication/executions/31",
               [this](const Request& request, Response& response) {
                 const Lock lock(registry.mutex);
                 begin(request, response, 200, "");
               });
    // The path comes decoded once: Harbor wants the name's slash encoded twice.
    const std::string image = base + "/projects/acme/repositories/team%2Fshop/artifacts";
    server.Get(image, [this](const Request& request, Response& response) {
      const Lock lock(registry.mutex);
      const auto page = static_cast<std::size_t>(std::stoul(request.get_param_value("page")));
      const auto size = static_cast<std::size_t>(std::stoul(request.get_param_value("page_size")));
      std::vector<std::string> part;
      for (std::size_t i = (page - 1) * size; i < std::min(page * size, artifacts.size()); ++i)
        part.push_back(artifacts[i]);
      answer(response, concat('[', join(part, ","), ']'));
    });
    server.Get(image + "/(sha256:[0-9a-f]{64}|[a-z0-9.]+)",
               [this](const Request& request, Response& response) {
                 const Lock lock(registry.mutex);
                 if (request.get_param_value("with_scan_overview") != "true")
                   return FakeRegistry::refuse(response, 400, "BAD_REQUEST");
                 answer(response, artifact);
               });
    server.Post(image + "/([^/]+)/scan", [this](const Request& request, Response& response) {
      const Lock lock(registry.mutex);
      if (scan_begun) scan_begun();
      if (scans_already) return FakeRegistry::refuse(response, 409, "CONFLICT");
      begin(request, response, 202, "");
    });
    server.Get(image + "/([^/]+)/additions/vulnerabilities",
               [this](const Request& request, Response& response) {
                 const Lock lock(registry.mutex);
                 if (request.get_header_value("X-Accept-Vulnerabilities").empty())
                   return FakeRegistry::refuse(response, 400, "BAD_REQUEST");
                 answer(response, report);
               });
    server.Get(base + "/retentions/9", [](const Request&, Response& response) {
      answer(response, R"({"id":9,"algorithm":"or","rules":[{"id":1},{"id":2}],
        "trigger":{"kind":"Schedule","settings":{"cron":"0 0 0 * * *"},"references":{}},
        "scope":{"level":"project","ref":5}})");
    });
    server.Post(base + "/retentions/9/executions",
                [this](const Request& request, Response& response) {
                  const Lock lock(registry.mutex);
                  begin(request, response, 201, "/api/v2.0/retentions/9/executions/77");
                });
    server.Get(base + "/retentions/9/executions", [](const Request&, Response& response) {
      answer(response, R"([{"id":77,"policy_id":9,"status":"Succeed","dry_run":true,
        "start_time":"2026-01-02T03:04:05.000Z","end_time":"2026-01-02T03:05:05.000Z"}])");
    });
    server.Get(base + "/system/gc/schedule", [](const Request&, Response& response) {
      answer(response, R"({"id":3,"schedule":{"type":"Custom","cron":"0 0 3 * * *"}})");
    });
    server.Post(base + "/system/gc/schedule", [this](const Request& request, Response& response) {
      const Lock lock(registry.mutex);
      begin(request, response, 201, "/api/v2.0/system/gc/41");
    });
    server.Get(base + "/system/gc", [](const Request&, Response& response) {
      answer(response, R"([{"id":41,"job_name":"GARBAGE_COLLECTION","job_status":"Running",
        "update_time":"2026-01-02T03:04:05.000Z"}])");
    });
  }

  std::string account_;
};

}  // namespace lighterman::test
