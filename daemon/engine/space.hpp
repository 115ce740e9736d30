#pragma once

#include <cstdint>
#include <stop_token>

#include "engine/engine.hpp"

namespace lighterman::engine {

/// The disk space that an engine takes, in bytes.
struct Space {
  std::uint64_t images = 0;
  std::uint64_t unused = 0;  ///< of images that no container uses
  std::uint64_t cache = 0;   ///< of builds
};

/// GET /system/df, which may take an engine seconds.
Space look_at_space(const Options& options, const std::stop_token& stop);

}  // namespace lighterman::engine
