#pragma once

#include <map>
#include <string>

#include "core/secret.hpp"
#include "core/time.hpp"

namespace lighterman::registry {

/// An AWS identity's keys; `session` only of those that end by themselves.
struct AwsKeys {
  std::string id;
  Secret secret, session;
};

/// What is signed of a request. Header names are in lower case and hold host and x-amz-date; path
/// and query are encoded already, the query's parts sorted.
struct AwsRequest {
  std::string method = "POST";
  std::string path = "/";
  std::string query = {};
  std::map<std::string, std::string> headers = {};
  std::string body = {};
};

/// "20150830T123600Z", for x-amz-date.
std::string render_aws_time(Instant when);

/// The Authorization header of a request by AWS Signature Version 4
/// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
std::string sign_v4(const AwsRequest& request, const AwsKeys& keys, const std::string& region,
                    const std::string& service);

}  // namespace lighterman::registry
