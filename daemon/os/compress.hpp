#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/bytes.hpp"

namespace lighterman::os {

enum class Compression { gzip, zstd };

/// Compresses a stream on several threads. The bytes depend on the input and the compression only,
/// never on the number of threads: blocks of fixed size are compressed apart and joined in order
/// (gzip: one member, RFC 1952; zstd: one frame per block, RFC 8878). Memory: a few blocks.
/// One thread at a time calls it.
class Compressor {
 public:
  Compressor(Compression compression, Push out, unsigned threads);
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  void write(std::string_view bytes);
  void finish();  ///< writes what is left; call once

  /// "gzip-1", "zstd-3": names the exact form, for the layer cache.
  static std::string form(Compression compression);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

/// The uncompressed stream of gzip, zstd or plain input (told apart by the first bytes).
Pull decompressed(Pull in);

}  // namespace lighterman::os
