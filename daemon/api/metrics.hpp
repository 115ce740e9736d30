#pragma once

#include <optional>
#include <vector>

#include "core/guarded.hpp"
#include "core/time.hpp"
#include "store/figures.hpp"

namespace lighterman::store {
class Store;
}

namespace lighterman::api {

/// What the published images count, looked up once a minute at most: they may be many, and change
/// by the night. Any thread.
class ImageCounts {
 public:
  std::vector<store::ImageFigures> get(const store::Store& store, Instant now);

 private:
  struct Kept {
    std::optional<Instant> when{};
    std::vector<store::ImageFigures> images{};
  };
  Guarded<Kept> kept_;
};

}  // namespace lighterman::api
