#pragma once

#include <cstdint>
#include <stop_token>

#include "staging/layers.hpp"

namespace lighterman::staging {

/// The wing's image without what a build's own clock left in it: no time in its configuration, nor
/// of a file in its layers from number `own` on, is later than `latest` seconds since 1970
/// (reproducible-builds.org/specs/source-date-epoch). Its new manifest is kept under the wing's
/// tag.
Digest redate(Wing& wing, const ImportOptions& options, const StagedImage& image,
              std::int64_t latest, std::size_t own, const std::stop_token& stop);

}  // namespace lighterman::staging
