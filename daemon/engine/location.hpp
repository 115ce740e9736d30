#pragma once

#include <functional>
#include <string>

#include "engine/engine.hpp"

namespace lighterman::engine {

/// The value of an environment variable; empty: not set.
using Variable = std::function<std::string(const std::string& name)>;

/// options_from_environment() over any environment.
Options options_from(const Variable& variable);

/// An engine's address in the parts a request needs.
struct Address {
  std::string url;     ///< "http://docker", "https://build.example:2376", without a path
  std::string socket;  ///< of unix://
};
/// Throws Error(invalid) for anything but unix:// and tcp://.
Address parse_address(const std::string& host, bool tls);

}  // namespace lighterman::engine
