#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/secret.hpp"
#include "core/time.hpp"
#include "net/http.hpp"
#include "os/program.hpp"
#include "policy/capability.hpp"

namespace lighterman::policy {

/// The secrets of one wish, opened while it is performed.
class Opened {
 public:
  /// Opens what `body` names; Error(denied) for one that is not granted, Error(invalid) for one
  /// that is not configured or cannot be read.
  Opened(const boost::json::value& body, const Grants& granted,
         const std::map<std::string, std::string>& places);

  /// A text, or the secret that a handle stands for.
  std::string reveal(const boost::json::value& text_or_secret) const;
  /// With each secret, as it is or as JSON, URLs and base64 write it, replaced by "***".
  std::string blacken(std::string text) const;

 private:
  std::map<std::string, Secret> values_;
};

/// A table of names and texts or handles; numbers and booleans are written out.
std::vector<std::pair<std::string, std::string>> pairs_of(const boost::json::value* given,
                                                          const Opened& opened);
/// The request that an http wish or a post describes; its host is checked against the grants.
net::Request request_of(const boost::json::value& body, const Grants& granted,
                        const Opened& opened);
/// Adds the signature that a post asks for: in a header, "sha256=" and the HMAC of the body in hex,
/// as GitHub and Gitea sign their webhooks; or over the time, where DingTalk and Feishu look for
/// it.
void add_signature(net::Request& request, const boost::json::value& body, const Opened& opened,
                   Instant now);
/// The program that a run wish (`program`) or a post (`run`) describes.
os::Program program_of(const boost::json::value& body, const char* name_key, const Opened& opened);

}  // namespace lighterman::policy
