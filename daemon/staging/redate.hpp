#pragma once

#include <stop_token>

#include "staging/layers.hpp"

namespace lighterman::staging {

/// The wing's image without what a build's clock left in it. File times in the layers from number
/// `own` on are limited, and not set: those that a package or the context brought stay, and layers
/// of equal content stay equal from commit to commit. Its new manifest is kept under the wing's
/// tag.
Digest redate(Wing& wing, const ImportOptions& options, const StagedImage& image,
              const Dates& dates, std::size_t own, const std::stop_token& stop);

}  // namespace lighterman::staging
