#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "core/guarded.hpp"
#include "core/text.hpp"
#include "net/loopback.hpp"
#include "support/background.hpp"

namespace lighterman::support {

/// A forge's API on loopback: what it was sent, and what it answers: its script first, then 201.
class FakeForge {
 public:
  struct Call {
    std::string head;
    boost::json::value body;
    std::string line() const { return head.substr(0, head.find("\r\n")); }
  };

  FakeForge()
      : server_([this](test::Connection& connection, int) {
          for (std::string head = connection.read_head(); !head.empty();
               head = connection.read_head()) {
            const std::string small = lower(head);
            const std::size_t at = small.find("content-length: ");
            const std::string body = at == std::string::npos
                                         ? "null"
                                         : connection.read(std::stoul(small.substr(at + 16)));
            std::string answer = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
            script_.with([&](auto& next) {
              if (next.empty()) return;
              answer = next.front();
              next.erase(next.begin());
            });
            calls_.with([&](auto& all) { all.push_back({head, boost::json::parse(body)}); });
            connection.send(answer);
          }
        }) {}

  void next(const std::string& status, const std::string& headers = "",
            const std::string& body = "{}") {
    script_.with([&](auto& all) {
      all.push_back(concat("HTTP/1.1 ", status, "\r\n", headers, "Content-Length: ", body.size(),
                           "\r\n\r\n", body));
    });
  }
  std::string url(const std::string& path = "") const { return server_.url(path); }
  std::vector<Call> calls() const {
    return calls_.with([](const auto& all) { return all; });
  }
  bool told(std::size_t times) const {
    return eventually([&] { return calls().size() >= times; });
  }
  std::string last_state() const {
    const std::vector<std::string> all = states();
    return all.empty() ? "" : all.back();
  }
  std::vector<std::string> states() const {
    std::vector<std::string> states;
    for (const Call& call : calls()) states.emplace_back(call.body.at("state").as_string());
    return states;
  }

 private:
  Guarded<std::vector<std::string>> script_;
  Guarded<std::vector<Call>> calls_;
  test::RawServer server_;
};

}  // namespace lighterman::support
