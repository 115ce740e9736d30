#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "core/reference.hpp"
#include "registry/options.hpp"

namespace lighterman::registry {

/// What a mirror answered when it was asked for an image.
struct Warmed {
  unsigned blobs = 0;
  unsigned hits = 0;   ///< that it had already, as its answers say (X-Cache, Age, ...)
  bool tells = false;  ///< it says of any whether it had it
  std::uint64_t bytes = 0;
  std::vector<std::string> stale;                     ///< tags that still name something else there
  std::string text(const std::string& mirror) const;  ///< for people
};

/// Reads an image by its digest through a mirror that fetches what it lacks (a pull-through cache):
/// its manifests, its tags, and its blobs (those of `fresh`; all without it). `prefix`
/// stands before the repository's name there: "/", "/proxy/". Each is tried three times. What
/// arrives is compared with its digest: Error(invalid).
Warmed warm(Options mirror, const std::string& prefix, const Reference& image,
            const std::vector<std::string>& tags, const std::optional<std::set<Digest>>& fresh,
            const std::stop_token& stop);

}  // namespace lighterman::registry
