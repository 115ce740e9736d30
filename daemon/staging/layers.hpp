#pragma once

#include <filesystem>
#include <stop_token>

#include "core/bytes.hpp"
#include "os/compress.hpp"
#include "staging/wing.hpp"
#include "store/store.hpp"

namespace lighterman::staging {

struct ImportOptions {
  os::Compression compression = os::Compression::gzip;
  unsigned threads = 1;
  std::filesystem::path scratch;  ///< a folder for small files
};

/// Compresses a layer's tar into the layout, once: what the same tar was compressed to before
/// stands where it is still held or upstream.
store::KnownLayer take_layer(Wing& wing, const ImportOptions& options, const Pull& tar,
                             const std::stop_token& stop);
/// One that was taken before, if it is still held or upstream.
std::optional<store::KnownLayer> find_layer(Wing& wing, const ImportOptions& options,
                                            const DiffId& diff_id, const std::stop_token& stop);

}  // namespace lighterman::staging
