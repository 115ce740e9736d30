#pragma once

#include <functional>
#include <stop_token>

#include "core/bytes.hpp"
#include "staging/layers.hpp"

namespace lighterman::staging {

/// Reads an engine's `GET /images/{name}/get` (Docker image spec v1.2 tar, or an OCI layout with a
/// manifest.json), compresses the layers whose compressed form is not known, and keeps an OCI
/// manifest under the wing's tag. Returns that manifest's digest.
Digest import_image(Wing& wing, const ImportOptions& options,
                    const std::function<void(const Push&)>& exporter, const std::stop_token& stop);

}  // namespace lighterman::staging
