#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/bytes.hpp"
#include "core/run.hpp"
#include "core/secret.hpp"
#include "net/http.hpp"

namespace lighterman::cli {

/// A daemon's API as its description (/api/v1/openapi.json) tells. Problems (RFC 9457) become
/// Errors of the kind their status means. One thread at a time.
class Remote {
 public:
  Remote(std::string server, Secret token, std::string ca_file);
  /// LIGHTERMAN_SERVER (default http://127.0.0.1:7070), the token in the file that
  /// LIGHTERMAN_TOKEN_FILE names, and certificates to believe in LIGHTERMAN_CA_FILE (PEM).
  static Remote from_environment();

  boost::json::value get(const std::string& path);
  boost::json::value post(const std::string& path, const boost::json::value& body,
                          const std::string& idempotency_key = "");
  void stream(const std::string& path, const Push& sink);

  /// Told what happens to a run: "line", "stage", "run", and at last "end".
  using Event = std::function<void(std::string_view event, const boost::json::value& value)>;
  /// Follows a run until it is final; a broken connection is taken up again where it broke, for as
  /// long as a restart of the daemon may take. Returns the final run.
  boost::json::value follow(RunId run, const Event& event);

  const std::string& server() const noexcept { return server_; }

 private:
  net::Request request(const std::string& path) const;
  boost::json::value answered(const net::Response& response) const;

  std::string server_;
  Secret token_;
  std::string ca_file_;
  net::Client client_;
};

/// What a verb does that asks the daemon of the environment; says which one was not reached.
std::function<int()> with_daemon(std::function<int(Remote&)> act);

}  // namespace lighterman::cli
