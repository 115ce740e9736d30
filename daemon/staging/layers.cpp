#include "staging/layers.hpp"

#include "core/error.hpp"
#include "os/hash.hpp"

namespace lighterman::staging {

store::KnownLayer take_layer(Wing& wing, const ImportOptions& options, const Pull& tar,
                             const std::stop_token& stop) {
  const auto incoming = wing.layout().receive();
  os::Sha256 hash;
  std::uint64_t size = 0;
  os::Compressor compressor(
      options.compression, [&](std::string_view bytes) { incoming->write(bytes); },
      options.threads);
  std::string part(256 << 10, '\0');
  while (const std::size_t got = tar(part.data(), part.size())) {
    if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "the import was cancelled");
    const std::string_view bytes(part.data(), got);
    hash.update(bytes);
    compressor.write(bytes);
    size += got;
  }
  compressor.finish();
  const DiffId diff_id(hash.finish());
  if (auto known = find_layer(wing, options, diff_id, stop)) return *known;
  const std::uint64_t compressed = incoming->size();
  const Digest blob = wing.layout().keep(*incoming, std::nullopt);
  wing.received(blob, compressed);
  const auto type =
      options.compression == os::Compression::gzip ? media::oci_layer_gzip : media::oci_layer_zstd;
  const store::KnownLayer layer{diff_id,
                                os::Compressor::form(options.compression),
                                {std::string(type), blob, compressed},
                                size};
  wing.store().put_layer(layer);
  return layer;
}

std::optional<store::KnownLayer> find_layer(Wing& wing, const ImportOptions& options,
                                            const DiffId& diff_id, const std::stop_token& stop) {
  auto known = wing.store().find_layer(diff_id, os::Compressor::form(options.compression));
  if (!known || !wing.announce(known->blob.digest, stop)) return {};
  return known;
}

}  // namespace lighterman::staging
