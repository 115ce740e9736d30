#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "net/http.hpp"
#include "registry/client.hpp"
#include "registry/credentials.hpp"

namespace lighterman::registry {

/// The error of a registry's answer, with its own words (distribution-spec, "Error Codes") and what
/// to do. 429 and 5xx are unavailable, with Retry-After obeyed. `doing`: "pushing blob 1f0c";
/// `needs`: the permission it takes, "push to acme/shop".
[[noreturn]] void refuse(const Options& options, const net::Response& answer,
                         const std::string& doing, const std::string& needs);

/// What a request is for: the scope of a token (distribution's docs/spec/auth/scope.md).
std::string pull_scope(const std::string& repository);
std::string push_scope(const std::string& repository);

/// Gets requests through a registry's door: scheme, trust, basic or token authentication
/// (distribution's docs/spec/auth/token.md). Any thread.
class Access {
 public:
  Access(const Options& options, net::Client& client);

  /// "https://host" or "http://host"; found out at first use where both are allowed.
  std::string base(const std::stop_token& stop);
  /// Likewise, without asking: on loopback perhaps a guess, which perform() corrects.
  std::string probable_base(const std::stop_token& stop);
  /// The absolute URL that a Location or Link in the answer to `asked` means.
  std::string resolve(const std::string& asked, const std::string& location,
                      const std::stop_token& stop);
  bool is_own(const std::string& url, const std::stop_token& stop);

  /// Sends it, authenticating first when the registry is known to want that. On 401 it
  /// authenticates and sends once more, unless the body cannot be sent twice: then the 401 is
  /// returned, and the next call carries the new token. A 401 to a token that our credentials had
  /// just got is returned as what it means: 403.
  net::Response perform(net::Request request, const std::string& scope,
                        const std::stop_token& stop);
  /// What we log in with; empty: nothing. Of ECR it is the password that AWS's keys got there.
  std::optional<Credentials> credentials(const std::stop_token& stop);
  /// As Client::get_token; several scopes have spaces between them.
  Client::FreshToken get_token(const std::string& realm, const std::string& service,
                               const std::string& scope, const std::stop_token& stop);
  /// Fills in trust and credentials, for requests that others send.
  void prepare(net::Request& request, const std::string& scope, const std::stop_token& stop);

 private:
  struct Token {
    Secret value;
    std::chrono::steady_clock::time_point renew;
  };
  enum class Kind { unknown, basic, bearer };
  class Turn;
  std::string find_base(const std::stop_token& stop);
  bool may_guess() const;
  std::optional<net::Response> find_answer_to_guess(net::Request& request,
                                                    const std::stop_token& stop);
  void add_credentials(net::Request& request, const std::string& scope,
                       const std::stop_token& stop);
  void add_new_token(net::Request& request, const std::string& scope, const std::stop_token& stop);
  bool add_known_token(net::Request& request, const std::string& scope) const;
  void learn(const net::Response& answer, const net::Request& request, const std::string& scope);
  void forget_refused(const net::Request& request, const std::string& scope);
  net::Trust trust_to(const std::string& url, const std::stop_token& stop);
  /// Our credentials go where the registry says; from https to nothing less.
  void require_safe(const std::string& realm) const;

  const Options& options_;
  net::Client& client_;
  net::Trust trust_;
  std::mutex mutex_;
  std::string base_;
  Kind kind_ = Kind::unknown;
  std::string realm_, service_;
  std::map<std::string, Token> tokens_;
  std::set<std::string> asking_;  ///< scopes, and "credentials", that somebody asks for now
  std::condition_variable_any asked_;
  std::optional<Credentials> credentials_;  ///< kept a minute: a helper program may be slow
  std::chrono::steady_clock::time_point credentials_end_;
};

}  // namespace lighterman::registry
