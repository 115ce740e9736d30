#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>

#include "core/bytes.hpp"
#include "os/compress.hpp"
#include "staging/wing.hpp"

namespace lighterman::staging {

struct ImportOptions {
  os::Compression compression = os::Compression::gzip;
  unsigned threads = 1;
  std::filesystem::path scratch;  ///< a folder for small files
};

/// Reads an engine's `GET /images/{name}/get` (Docker image spec v1.2 tar, or an OCI layout with a
/// manifest.json), compresses the layers whose compressed form is not known, and keeps an OCI
/// manifest under the wing's tag. Returns that manifest's digest.
Digest import_image(Wing& wing, const ImportOptions& options,
                    const std::function<void(const Push&)>& exporter, const std::stop_token& stop);

}  // namespace lighterman::staging
