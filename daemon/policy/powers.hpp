#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "net/http.hpp"
#include "policy/capability.hpp"
#include "policy/host.hpp"
#include "registry/client.hpp"

namespace lighterman::policy {

struct PowersOptions {
  std::map<std::string, std::string> secrets;  ///< name -> "file:PATH" or "env:NAME"
  std::function<registry::Client&(const std::string& host)> registry;
  /// Findings of a reference, as facts have them; empty: no scanner is set up.
  std::function<boost::json::value(const std::string& reference, const boost::json::value& options,
                                   const std::stop_token& stop)>
      scan;
  net::Trust trust;  ///< for http and post
  std::uint64_t answer_limit =
      1 << 20;  ///< bytes of an HTTP answer or a program's output: no hook needs more
  std::chrono::milliseconds post_timeout{std::chrono::seconds(30)};
};

/// Does for real what plugins wish. Secrets are read when they are used, go where the wish says,
/// and are blacked out of whatever comes back. Any thread.
class Powers {
 public:
  explicit Powers(PowersOptions options);

  /// Errors: denied for hosts that are not granted or not public, unavailable for what may pass,
  /// invalid for a wish that cannot be performed.
  Perform performer(std::stop_token stop);
  /// Does what a post{} asks for, once. Error(unavailable) where another try may help: no answer, a
  /// status of 408, 429 or 5xx, an answer that is not what the post expects, a program that failed.
  void perform_post(const Seat& seat, const boost::json::value& body, const std::stop_token& stop);

 private:
  PowersOptions options_;
  net::Client client_;
};

}  // namespace lighterman::policy
