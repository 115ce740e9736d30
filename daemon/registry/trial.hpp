#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "core/time.hpp"
#include "registry/client.hpp"

namespace lighterman::registry {

/// What a registry showed of itself.
struct Door {
  std::string url;                     ///< "https://registry.example"
  std::optional<Instant> clock;        ///< by its Date header
  std::optional<Instant> certificate;  ///< when it ends
};

/// GET /v2/ with credentials, once. Throws as Client::ping().
Door look_at(const Options& options, const std::stop_token& stop);

/// Begins an upload to the repository, as a push does, and cancels it: nothing stays. Throws as a
/// push does, naming the permission that is missing.
void try_push(const Options& options, const Reference& repository, const std::stop_token& stop);

/// Asks what a registry tells without anything being left there: whether it lists referrers and
/// repositories. The answers are in its profile.
void look_around(Client& client, const Reference& repository, const std::stop_token& stop);

}  // namespace lighterman::registry
