#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace lighterman::policy {

/// Capability ("run", "http", "secret", "registry", "scan") -> the names it is limited to.
using Grants = std::map<std::string, std::vector<std::string>>;

/// A hook's use of something outside Lua. JSON in, JSON out, so that it can be performed, recorded,
/// replayed or faked. A secret is only named in it: {"$secret": "name"}.
struct Wish {
  std::string seat;        ///< the plugin's name in the configuration
  std::string capability;  ///< "run", "http", "registry", "scan"
  boost::json::value body;
  Grants granted = {};  ///< what the plugin needs and is allowed
  std::chrono::milliseconds timeout{std::chrono::seconds(30)};
};

/// Does what is wished, or throws Error; called on the hook's thread. Form and grant of the wish
/// have been checked before, but for a URL that is a secret.
using Perform = std::function<boost::json::value(const Wish& wish)>;

/// What the code that runs now may use.
struct Allowance {
  std::string seat;
  Grants needs;        ///< as the plugin declares; a capability that is not here is not there
  Grants granted;      ///< of those, what the operator allows
  std::string staged;  ///< the reference that a grant of "staged" stands for
  Perform perform;     ///< empty: a dry run
};

}  // namespace lighterman::policy
