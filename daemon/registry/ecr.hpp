#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "core/reference.hpp"
#include "core/secret.hpp"
#include "core/time.hpp"
#include "net/http.hpp"
#include "registry/credentials.hpp"
#include "registry/options.hpp"
#include "registry/sign_v4.hpp"

namespace lighterman::registry {

/// What the name of one of Amazon's private registries says.
struct EcrPlace {
  std::string account;  ///< twelve digits
  std::string region;
  std::string api;  ///< base URL
};
/// "123456789012.dkr.ecr.eu-west-1.amazonaws.com"; empty for other hosts.
std::optional<EcrPlace> ecr_place(const std::string& host);

/// An access key's id as AWS makes them: "AKIA...", "ASIA...".
bool is_aws_key_id(const std::string& name);
/// The options' username and password where these are an access key; else AWS_ACCESS_KEY_ID,
/// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; else the profile AWS_PROFILE ("default") of
/// AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials). Read anew at each call. Empty: there are none.
std::optional<AwsKeys> find_aws_keys(const Options& options);

/// Amazon ECR by its own API (docs.aws.amazon.com/AmazonECR/latest/APIReference). Errors name the
/// IAM action that is missing. Any thread.
class Ecr {
 public:
  explicit Ecr(const Options& options, Clock clock = system_now);

  struct Login {
    Credentials credentials;
    Instant end;
  };
  /// User and password for the registry, for twelve hours. Error(denied) without keys.
  Login log_in(const std::stop_token& stop);
  /// False: it was there already.
  bool make_repository(const Reference& repository, const std::stop_token& stop);

 private:
  net::Response ask(const std::string& action, const std::string& body,
                    const std::stop_token& stop);
  [[noreturn]] void refused(const net::Response& answer, const std::string& action,
                            const std::string& doing) const;

  const Options options_;
  const Clock clock_;
  net::Client http_;
};

}  // namespace lighterman::registry
