#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "api/server.hpp"
#include "config/config.hpp"
#include "core/guarded.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "store/store.hpp"

namespace lighterman::api {

namespace json = boost::json;

inline const std::string some_commit(40, 'a');
inline const std::string other_commit(40, 'b');

/// A real server on a free port over a real store in a folder of its own.
class House {
 public:
  static Options quick() {
    Options options;
    options.listen = "127.0.0.1:0";
    options.threads = 8;
    return options;
  }

  explicit House(const Options& options = quick(), config::Config config = {},
                 const Examine& examine = {})
      : deeds(deeds_with(examine)),
        config_(std::make_shared<const config::Config>(furnished(std::move(config), folder_))),
        server_(
            options, store, [this] { return this->config(); }, [this] { return readiness; },
            [this](const PushEvent& event) { return plan(event); }, deeds) {
    server_.start();
    port_ = std::stoi(server_.address().substr(server_.address().rfind(':') + 1));
  }

  /// Two sources; what the tests set goes first.
  static config::Config furnished(config::Config config, const os::ScratchFolder& folder) {
    os::replace_file(folder.path() / "secret", "s3cret");
    for (const char* name : {"hello", "other"}) {
      config::Source& source = config.sources[name];
      source.name = name;
      if (source.url.empty()) source.url = concat("https://git.example/acme/", name, ".git");
      source.secret_place = concat("file:", (folder.path() / "secret").string());
      source.images["app"].name = "app";
      source.images["tool"].name = "tool";
    }
    return config;
  }

  std::shared_ptr<const config::Config> config() const {
    return config_.with([](const auto& config) { return config; });
  }
  void reload(config::Config config) {
    auto next = std::make_shared<const config::Config>(furnished(std::move(config), folder_));
    config_.with([&](auto& current) { current = std::move(next); });
  }

  httplib::Client client() const {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(30);
    return client;
  }
  httplib::Response get(const std::string& path, const httplib::Headers& headers = {}) const {
    return answer_of(client().Get(path, headers));
  }
  httplib::Response post(const std::string& path, const std::string& body,
                         const httplib::Headers& headers = {}) const {
    return answer_of(client().Post(path, headers, body, "application/json"));
  }

  /// A run as a push would make it.
  RunId push(const std::string& delivery, const std::string& ref = "refs/heads/main",
             const std::string& commit = some_commit) {
    PushEvent event;
    event.source = "hello";
    event.delivery = delivery;
    event.ref = ref;
    event.commit = commit;
    event.received = system_now();
    return store.add(event, store::Store::Supersede::no).run;
  }
  void say(RunId run, int lines, const std::string& text = "line") {
    std::vector<JournalLine> journal;
    for (int number = 1; number <= lines; ++number) {
      journal.push_back({0, parse_time("2026-11-24T08:09:10Z"), "app", "engine", "out",
                         concat(text, ' ', number)});
    }
    store.append(run, std::move(journal));
  }

  int port() const noexcept { return port_; }
  std::string url() const { return concat("http://127.0.0.1:", port_); }
  const std::filesystem::path& folder() const { return folder_.path(); }
  Server& server() { return server_; }

 private:
  static httplib::Response answer_of(const httplib::Result& result) {
    EXPECT_TRUE(result) << httplib::to_string(result.error());
    return result ? *result : httplib::Response();
  }

  os::ScratchFolder folder_;

 public:
  store::Store store{store::Options{folder_.path() / "store.db"}};
  Readiness readiness;  ///< set before the first request
  /// What planning answers.
  Plan plan = [](const PushEvent& event) {
    return json::object{{"source", event.source}, {"ref", event.ref}, {"commit", some_commit},
                        {"title", "Say"},         {"author", "Ann"},  {"images", json::array()}};
  };

  std::vector<ReplicateWish> wishes;  ///< that were accepted
  Deeds deeds;
  static Replication replication() {
    return {0,
            1,
            "far",
            Reference::parse("near.example/shop")
                .at(Digest::parse(concat("sha256:", std::string(64, 'a')))),
            Reference::parse("far.example/shop"),
            {"main"},
            {},
            ReplicationState::waiting,
            0,
            {},
            {},
            {},
            {},
            0,
            0,
            0,
            0,
            "",
            {}};
  }

 private:
  Deeds deeds_with(const Examine& examine) {
    Deeds deeds;
    deeds.replicate = [this](const ReplicateWish& wish) -> json::value {
      wishes.push_back(wish);
      if (!wish.rule.empty())
        return json::object{{"missing", json::array()},
                            {"vanished", json::array()},
                            {"failures", json::array()},
                            {"same", 1},
                            {"left_out", 0}};
      Replication made = replication();
      return to_json(store.get_replication(store.add_replication(made)));
    };
    deeds.retain = [](const std::string& rule, bool apply) -> json::value {
      if (rule != "old") throw Error(ErrorKind::not_found, "no such rule");
      return json::array{
          {{"repository", "near.example/shop"},
           {"tags", {{{"tag", "1"}, {"digest", "sha256:1"}, {"keep", !apply}, {"why", "old"}}}},
           {"deleted", json::array()},
           {"notes", json::array()}}};
    };
    if (examine) deeds.examine = examine;
    return deeds;
  }

  Guarded<std::shared_ptr<const config::Config>> config_;  // shared with the requests under it
  Server server_;
  int port_ = 0;
};

inline json::value parsed(const httplib::Response& response) {
  return json::parse(response.body.empty() ? "null" : response.body);
}
inline std::string detail_of(const httplib::Response& response) {
  EXPECT_EQ(response.get_header_value("Content-Type"), "application/problem+json");
  const json::value problem = parsed(response);
  EXPECT_EQ(problem.at("status").to_number<int>(), response.status);
  EXPECT_TRUE(problem.at("type").as_string().starts_with("urn:lighterman:problem:"));
  EXPECT_FALSE(problem.at("title").as_string().empty());
  return json::value_to<std::string>(problem.at("detail"));
}

/// A connection whose bytes the test writes itself.
class Line {
 public:
  explicit Line(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Line() { ::close(socket_); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  /// Reads until `mark` was seen, or the end, or ten seconds; all that came so far.
  const std::string& read_until(std::string_view mark) {
    while (mark.empty() || got_.find(mark) == std::string::npos) {
      pollfd watched{socket_, POLLIN, 0};
      if (::poll(&watched, 1, 10'000) <= 0) break;
      char bytes[4096];
      const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
      if (count <= 0) {
        ended_ = true;
        break;
      }
      got_.append(bytes, static_cast<std::size_t>(count));
    }
    return got_;
  }
  const std::string& read_to_end() { return read_until(""); }
  bool ended() const noexcept { return ended_; }
  int descriptor() const noexcept { return socket_; }

 private:
  int socket_;
  std::string got_;
  bool ended_ = false;
};

}  // namespace lighterman::api
