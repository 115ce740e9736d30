#pragma once

#include <httplib.h>

#include <atomic>
#include <charconv>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::test {

/// A registry by the book (distribution-spec 1.1) on a loopback port, with a script of surprises.
/// Unlike docker's own it keeps what arrived of a request that was cut.
class FakeRegistry {
 public:
  /// Looks at a request first; true: it has answered.
  using Surprise = std::function<bool(const httplib::Request&, httplib::Response&)>;

  /// `more`: paths of a product's own. `rule` looks at each request before the registry does.
  explicit FakeRegistry(const std::function<void(httplib::Server&)>& more = {}, Surprise rule = {})
      : rule_(std::move(rule)) {
    using httplib::Request;
    using httplib::Response;
    server_.set_pre_routing_handler([this](const Request& request, Response& response) {
      const std::lock_guard lock(mutex);
      requests.push_back(concat(request.method, ' ', request.target));
      for (auto surprise = surprises.begin(); surprise != surprises.end(); ++surprise) {
        if (!(*surprise)(request, response)) continue;
        surprises.erase(surprise);
        return early(response);
      }
      if (rule_ && rule_(request, response)) return early(response);
      if (!admit(request, response)) return early(response);
      return httplib::Server::HandlerResponse::Unhandled;
    });
    const auto token = [this](const Request& request, Response& response) {
      issue(request, response);
    };
    server_.Get("/token", token);
    server_.Post("/token", token);
    server_.Get("/v2/", [](const Request&, Response& response) { response.status = 200; });
    server_.Get(R"(/v2/(.+)/blobs/(sha256:[0-9a-f]{64}))",
                [this](const Request& request, Response& response) {
                  const std::lock_guard lock(mutex);
                  const auto found = blobs.find({request.matches[1], request.matches[2]});
                  if (found == blobs.end()) return refuse(response, 404, "BLOB_UNKNOWN");
                  response.set_content(found->second, "application/octet-stream");
                });
    server_.Post(R"(/v2/(.+)/blobs/uploads/)", [this](const Request& request, Response& response) {
      const std::lock_guard lock(mutex);
      const std::string name = request.matches[1];
      if (request.has_param("mount") && mounts) {
        const auto found =
            blobs.find({request.get_param_value("from"), request.get_param_value("mount")});
        if (found != blobs.end()) {
          const std::string bytes = found->second;
          blobs[{name, request.get_param_value("mount")}] = bytes;
          response.status = 201;
          return;
        }
      }
      const std::string id = os::random_id();
      uploads[id] = "";
      response.status = 202;
      response.set_header("Location", location(name, id));
    });
    server_.Patch(R"(/v2/(.+)/uploads/([0-9a-f]+))",
                  [this](const Request& request, Response& response,
                         const httplib::ContentReader& read) { append(request, response, read); });
    server_.Put(R"(/v2/(.+)/uploads/([0-9a-f]+))",
                [this](const Request& request, Response& response,
                       const httplib::ContentReader& read) { finish(request, response, read); });
    server_.Get(R"(/v2/(.+)/uploads/([0-9a-f]+))",
                [this](const Request& request, Response& response) {
                  const std::lock_guard lock(mutex);
                  const auto found = uploads.find(request.matches[2]);
                  if (found == uploads.end()) return refuse(response, 404, "BLOB_UPLOAD_UNKNOWN");
                  response.status = 204;
                  say_range(response, found->second);
                  response.set_header("Location", location(request.matches[1], found->first));
                });
    server_.Delete(R"(/v2/(.+)/uploads/([0-9a-f]+))",
                   [this](const Request& request, Response& response) {
                     const std::lock_guard lock(mutex);
                     uploads.erase(request.matches[2]);
                     response.status = 204;
                   });
    server_.Put(R"(/v2/(.+)/manifests/(.+))", [this](const Request& request, Response& response) {
      const std::lock_guard lock(mutex);
      const std::string digest = os::sha256(request.body).text();
      for (const std::string& name : {std::string(request.matches[2]), digest})
        manifests[{request.matches[1], name}] = {request.get_header_value("Content-Type"),
                                                 request.body};
      response.status = 201;
      response.set_header("Docker-Content-Digest", digest);
    });
    server_.Get(R"(/v2/(.+)/manifests/(.+))", [this](const Request& request, Response& response) {
      const std::lock_guard lock(mutex);
      accepted = request.get_header_value("Accept");
      const auto found = manifests.find({request.matches[1], request.matches[2]});
      if (found == manifests.end()) return refuse(response, 404, "MANIFEST_UNKNOWN");
      response.set_content(found->second.second, found->second.first);
    });
    server_.Delete(R"(/v2/(.+)/manifests/(sha256:[0-9a-f]{64}))",
                   [this](const Request& request, Response& response) {
                     const std::lock_guard lock(mutex);
                     const std::string name = request.matches[1], digest = request.matches[2];
                     const auto found = manifests.find({name, digest});
                     if (found == manifests.end()) return refuse(response, 404, "MANIFEST_UNKNOWN");
                     const auto gone = found->second;
                     std::erase_if(manifests, [&](const auto& entry) {
                       return entry.first.first == name && entry.second == gone;
                     });
                     response.status = 202;
                   });
    server_.Get(R"(/v2/(.+)/tags/list)", [this](const Request& request, Response& response) {
      const std::lock_guard lock(mutex);
      std::vector<std::string> tags;
      for (const auto& [key, manifest] : manifests)
        if (key.first == request.matches[1] && !key.second.starts_with("sha256:"))
          tags.push_back(concat('"', key.second, '"'));
      response.set_content(concat(R"({"tags":[)", join(tags, ","), "]}"), "application/json");
    });
    if (more) more(server_);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~FakeRegistry() {
    server_.stop();
    thread_.join();
  }
  FakeRegistry(const FakeRegistry&) = delete;
  FakeRegistry& operator=(const FakeRegistry&) = delete;

  std::string host() const { return concat("127.0.0.1:", port_); }
  int port() const { return port_; }

  /// The body was not read, so nothing can follow it on this connection.
  static httplib::Server::HandlerResponse early(httplib::Response& response) {
    response.set_header("Connection", "close");
    return httplib::Server::HandlerResponse::Handled;
  }
  static void refuse(httplib::Response& response, int status, const std::string& code) {
    response.status = status;
    response.set_content(concat(R"({"errors":[{"code":")", code, R"(","message":"so it is"}]})"),
                         "application/json");
  }
  void next(Surprise surprise) {
    const std::lock_guard lock(mutex);
    surprises.push_back(std::move(surprise));
  }
  /// The next request that begins so ("PATCH /v2/a") is answered with this status.
  void next(const std::string& beginning, int status, const std::string& code = "UNKNOWN",
            httplib::Headers headers = {}) {
    next([=](const httplib::Request& request, httplib::Response& response) {
      if (!concat(request.method, ' ', request.target).starts_with(beginning)) return false;
      refuse(response, status, code);
      for (const auto& [name, value] : headers) response.set_header(name.c_str(), value);
      return true;
    });
  }
  std::size_t count(const std::string& beginning) {
    const std::lock_guard lock(mutex);
    return static_cast<std::size_t>(
        std::count_if(requests.begin(), requests.end(),
                      [&](const std::string& line) { return line.starts_with(beginning); }));
  }
  void expire_tokens() {
    const std::lock_guard lock(mutex);
    tokens.clear();
  }

  std::mutex mutex;
  std::map<std::pair<std::string, std::string>, std::string> blobs;
  std::map<std::pair<std::string, std::string>, std::pair<std::string, std::string>> manifests;
  std::map<std::string, std::string> uploads;
  std::vector<std::string> requests;
  std::vector<Surprise> surprises;
  std::string accepted;  ///< the last Accept of a manifest
  bool mounts = true;
  bool wants_token = false;
  std::string basic;  ///< what /token and, without tokens, all requests must carry
  std::map<std::string, std::string> tokens;  ///< and the scopes they were made for
  std::vector<std::string> token_requests;
  std::atomic<std::uint64_t> received = 0;  ///< bytes of blobs, also of those that were cut

 private:
  // Relative, and with a query of its own: both are allowed, and both are common.
  static std::string location(const std::string& name, const std::string& id) {
    return concat("/v2/", name, "/uploads/", id, "?_state=a%2Fb");
  }
  static void say_range(httplib::Response& response, const std::string& bytes) {
    if (!bytes.empty()) response.set_header("Range", concat("0-", bytes.size() - 1));
  }
  bool admit(const httplib::Request& request, httplib::Response& response) {
    if (request.path == "/token" || request.path.starts_with("/api/")) return true;
    const std::string given = request.get_header_value("Authorization");
    if (wants_token) {
      if (given.starts_with("Bearer ") && tokens.contains(given.substr(7))) return true;
      refuse(response, 401, "UNAUTHORIZED");
      response.set_header("WWW-Authenticate",
                          concat("Bearer realm=\"http://", host(),
                                 "/token\",service=\"fake, really\",scope=\"a:b:c\""));
      return false;
    }
    if (basic.empty() || given == basic) return true;
    refuse(response, 401, "UNAUTHORIZED");
    response.set_header("WWW-Authenticate", "Basic realm=\"fake\"");
    return false;
  }
  void issue(const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    token_requests.push_back(concat(request.method, ' ', request.target, ' ', request.body));
    if (request.method == "GET" && !basic.empty() &&
        request.get_header_value("Authorization") != basic)
      return refuse(response, 401, "UNAUTHORIZED");
    const std::string token = os::random_id();
    tokens[token] = request.target;
    response.set_content(concat(R"({"token":")", token, R"(","expires_in":300})"),
                         "application/json");
  }
  void append(const httplib::Request& request, httplib::Response& response,
              const httplib::ContentReader& read) {
    const std::string id = request.matches[2];
    {
      const std::lock_guard lock(mutex);
      if (!uploads.contains(id)) return refuse(response, 404, "BLOB_UPLOAD_UNKNOWN");
      const std::string range = request.get_header_value("Content-Range");
      std::uint64_t from = 0;
      std::from_chars(range.data(), range.data() + range.size(), from);
      if (from != uploads[id].size()) return refuse(response, 416, "RANGE_INVALID");
    }
    read([&](const char* bytes, std::size_t count) {
      const std::lock_guard lock(mutex);
      uploads[id].append(bytes, count);
      received += count;
      return true;
    });
    const std::lock_guard lock(mutex);
    response.status = 202;
    say_range(response, uploads[id]);
    response.set_header("Location", location(request.matches[1], id));
  }
  void finish(const httplib::Request& request, httplib::Response& response,
              const httplib::ContentReader& read) {
    const std::string id = request.matches[2];
    std::string bytes;
    read([&](const char* part, std::size_t count) {
      bytes.append(part, count);
      received += count;
      return true;
    });
    const std::lock_guard lock(mutex);
    if (!uploads.contains(id)) return refuse(response, 404, "BLOB_UPLOAD_UNKNOWN");
    bytes = uploads[id] + bytes;
    uploads.erase(id);
    const std::string digest = request.get_param_value("digest");
    if (os::sha256(bytes).text() != digest) return refuse(response, 400, "DIGEST_INVALID");
    blobs[{request.matches[1], digest}] = bytes;
    response.status = 201;
  }

  httplib::Server server_;
  Surprise rule_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace lighterman::test
