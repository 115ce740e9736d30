#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <string>

namespace lighterman::policy {

/// A hook's use of something outside Lua. JSON in, JSON out, so that it can be performed, recorded,
/// replayed or faked. A secret is only named in it: {"$secret": "name"}.
struct Wish {
  std::string seat;        ///< the plugin's name in the configuration
  std::string capability;  ///< "run", "http", "registry", "scan"
  boost::json::value body;
};

/// Does what is wished, or throws Error; called on the hook's thread. Form and grant of the wish
/// have been checked before.
using Perform = std::function<boost::json::value(const Wish& wish)>;

}  // namespace lighterman::policy
