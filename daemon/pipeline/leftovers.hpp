#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/time.hpp"
#include "pipeline/holdings.hpp"
#include "pipeline/yard.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

struct ClearTerms {
  std::string staging;  ///< the address that our images' names begin with
  Instant now{};
  std::chrono::milliseconds keep_denied{0};  ///< somebody may still allow what was denied
};

/// What was taken away from one engine.
struct Cleared {
  std::string engine;
  unsigned images = 0;  ///< and names of images
  unsigned containers = 0;
  std::uint64_t image_bytes = 0, cache_bytes = 0;

  bool anything() const { return images + containers != 0 || cache_bytes != 0; }
};

/// Brings each engine within its `image_age`, `image_limit`, `cache_age`, `cache_limit` and
/// `min_free`. Images, names and containers go only where our builds left them there, the least
/// recently used first: nothing that was used since the oldest run began that is not over, nothing
/// that a queued run will want, and no image while a build is under way on the engine. `warn` is
/// told of engines that cannot be asked.
std::vector<Cleared> clear_leftovers(Yard& yard, store::Store& store, const ClearTerms& terms,
                                     const std::function<void(const std::string&)>& warn,
                                     const std::stop_token& stop);

/// Takes a name of ours from an image; where that was its last, and no build is under way on the
/// engine, what our steps left below it goes too. False: a container of somebody's keeps the name.
bool drop_name(Yard& yard, const std::string& engine, Holdings& holdings, const std::string& name,
               const std::stop_token& stop);

}  // namespace lighterman::pipeline
