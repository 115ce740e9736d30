#include "os/compress.hpp"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "core/handles.hpp"

namespace lighterman::os {
namespace {

// Part of the form: other sizes or levels give other bytes and need another name in form().
constexpr std::size_t gzip_block = std::size_t{1} << 20;
constexpr std::size_t zstd_block = std::size_t{2} << 20;
constexpr int gzip_level = 1;
constexpr int zstd_level = 3;
constexpr unsigned most_threads = 64;

/// A buffer that is never filled with zeros for nothing.
struct Buffer {
  explicit Buffer(std::size_t size)
      : bytes(std::make_unique_for_overwrite<char[]>(size)), room(size) {}
  std::unique_ptr<char[]> bytes;
  std::size_t room;
  std::size_t used = 0;
  std::string_view view() const noexcept { return {bytes.get(), used}; }
};

/// Turns one block into one piece of the stream. Each worker has its own.
class BlockMaker {
 public:
  virtual ~BlockMaker() = default;
  virtual void make(const Buffer& plain, Buffer& packed) = 0;
};

/// Deflate blocks that refer to nothing outside, up to a byte boundary (an empty stored block), so
/// that pieces can be joined (RFC 1951 section 3.2.4).
class GzipBlocks : public BlockMaker {
 public:
  /// Incompressible bytes are stored, at 5 bytes for each 65535; the rest is for the block's ends.
  static constexpr std::size_t room = gzip_block + gzip_block / 65535 * 5 + 1024;

  void make(const Buffer& plain, Buffer& packed) override {
    isal_deflate_stateless_init(&stream_);
    stream_.level = gzip_level;
    stream_.level_buf = scratch_.data();
    stream_.level_buf_size = static_cast<std::uint32_t>(scratch_.size());
    stream_.flush = FULL_FLUSH;
    stream_.end_of_stream = 0;
    stream_.next_in = reinterpret_cast<std::uint8_t*>(plain.bytes.get());
    stream_.avail_in = static_cast<std::uint32_t>(plain.used);
    stream_.next_out = reinterpret_cast<std::uint8_t*>(packed.bytes.get());
    stream_.avail_out = static_cast<std::uint32_t>(packed.room);
    if (const int result = isal_deflate_stateless(&stream_); result != COMP_OK || stream_.avail_in)
      throw Error(ErrorKind::internal, concat("compressing: ISA-L answered ", result));
    packed.used = packed.room - stream_.avail_out;
  }

 private:
  isal_zstream stream_{};
  std::vector<std::uint8_t> scratch_ = std::vector<std::uint8_t>(ISAL_DEF_LVL1_DEFAULT);
};

class ZstdBlocks : public BlockMaker {
 public:
  static std::size_t room() { return ZSTD_compressBound(zstd_block); }

  ZstdBlocks() {
    if (!context_) throw Error(ErrorKind::internal, "compressing: out of memory");
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, zstd_level);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }
  void make(const Buffer& plain, Buffer& packed) override {
    const std::size_t size = ZSTD_compress2(context_.get(), packed.bytes.get(), packed.room,
                                            plain.bytes.get(), plain.used);
    if (ZSTD_isError(size))
      throw Error(ErrorKind::internal, concat("compressing: zstd: ", ZSTD_getErrorName(size)));
    packed.used = size;
  }

 private:
  std::unique_ptr<ZSTD_CCtx, By<ZSTD_freeCCtx>> context_{ZSTD_createCCtx()};
};

std::string little_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

}  // namespace

/// The caller fills blocks and writes finished pieces, in order; the workers only turn the one into
/// the other. So `out` is called on the caller's thread, and its exceptions go where they belong.
struct Compressor::Inside {
  struct Slot {
    Slot(std::size_t plain_room, std::size_t packed_room)
        : plain(plain_room), packed(packed_room) {}
    Buffer plain, packed;
    bool done = false;
    std::exception_ptr failure;
  };

  Inside(Compression how, Push push, unsigned threads) : compression(how), out(std::move(push)) {
    // Two more than are at work: one being filled, one being written out.
    const unsigned workers_wanted = std::clamp(threads, 1U, most_threads);
    const bool gzip = how == Compression::gzip;
    for (unsigned i = 0; i < workers_wanted + 2; ++i)
      slots.push_back(std::make_unique<Slot>(gzip ? gzip_block : zstd_block,
                                             gzip ? GzipBlocks::room : ZstdBlocks::room()));
    for (auto& slot : slots) spare.push_back(slot.get());
    for (unsigned i = 0; i < workers_wanted; ++i)
      workers.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }

  ~Inside() {
    for (std::jthread& worker : workers) worker.request_stop();
    workers.clear();
  }

  void work(const std::stop_token& stop) {
    std::unique_ptr<BlockMaker> maker;
    for (;;) {
      Slot* slot = nullptr;
      {
        std::unique_lock lock(mutex);
        if (!filled_changed.wait(lock, stop, [&] { return !filled.empty(); }) ||
            stop.stop_requested())
          return;
        slot = filled.front();
        filled.pop_front();
      }
      try {
        // Made by the first block: small inputs never need all of the workers' tables.
        if (!maker) maker = make_maker();
        maker->make(slot->plain, slot->packed);
      } catch (...) {
        // Handed to the caller, who waits for this block.
        slot->failure = std::current_exception();
      }
      const std::lock_guard lock(mutex);
      slot->done = true;
      done_changed.notify_one();
    }
  }

  std::unique_ptr<BlockMaker> make_maker() const {
    if (compression == Compression::gzip) return std::make_unique<GzipBlocks>();
    return std::make_unique<ZstdBlocks>();
  }

  Slot& current() {
    if (spare.empty()) write_oldest();
    return *spare.front();
  }

  void submit() {
    Slot* slot = spare.front();
    spare.pop_front();
    if (compression == Compression::gzip) {
      crc = crc32_gzip_refl(crc, reinterpret_cast<const unsigned char*>(slot->plain.bytes.get()),
                            slot->plain.used);
      total += slot->plain.used;
    }
    in_order.push_back(slot);
    const std::lock_guard lock(mutex);
    filled.push_back(slot);
    filled_changed.notify_one();
  }

  void write_oldest() {
    Slot* slot = in_order.front();
    {
      std::unique_lock lock(mutex);
      done_changed.wait(lock, [&] { return slot->done; });
    }
    in_order.pop_front();
    spare.push_back(slot);
    slot->done = false;
    slot->plain.used = 0;
    if (slot->failure) std::rethrow_exception(slot->failure);
    begin();
    out(slot->packed.view());
  }

  void begin() {
    if (begun) return;
    begun = true;
    // No name, no time, unknown system: nothing that differs from day to day (RFC 1952, 2.3.1).
    if (compression == Compression::gzip) out(std::string_view("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10));
  }

  Compression compression;
  Push out;
  std::vector<std::unique_ptr<Slot>> slots;
  std::deque<Slot*> spare;     ///< the caller's: free, the first one being filled
  std::deque<Slot*> in_order;  ///< the caller's: handed over, not yet written
  std::uint32_t crc = 0;
  std::uint64_t total = 0;
  bool begun = false;

  std::mutex mutex;
  std::condition_variable_any filled_changed;
  std::condition_variable done_changed;
  std::deque<Slot*> filled;  ///< guarded by mutex
  std::vector<std::jthread> workers;
};

Compressor::Compressor(Compression compression, Push out, unsigned threads)
    : inside_(std::make_unique<Inside>(compression, std::move(out), threads)) {}

Compressor::~Compressor() = default;

void Compressor::write(std::string_view bytes) {
  while (!bytes.empty()) {
    Buffer& plain = inside_->current().plain;
    const std::size_t part = std::min(bytes.size(), plain.room - plain.used);
    std::copy_n(bytes.data(), part, plain.bytes.get() + plain.used);
    plain.used += part;
    bytes.remove_prefix(part);
    if (plain.used == plain.room) inside_->submit();
  }
}

void Compressor::finish() {
  Inside& inside = *inside_;
  const bool nothing = inside.in_order.empty() && !inside.begun;
  // An empty zstd stream still needs a frame; gzip's last block below is enough.
  if (inside.current().plain.used > 0 || (nothing && inside.compression == Compression::zstd))
    inside.submit();
  while (!inside.in_order.empty()) inside.write_oldest();
  inside.begin();
  // An empty last block, then CRC-32 and length (RFC 1951 section 3.2.3, RFC 1952 section 2.3.1).
  if (inside.compression == Compression::gzip)
    inside.out(concat(std::string_view("\x03\0", 2), little_endian(inside.crc),
                      little_endian(static_cast<std::uint32_t>(inside.total))));
}

std::string Compressor::form(Compression compression) {
  return compression == Compression::gzip ? "gzip-1" : "zstd-3";
}

}  // namespace lighterman::os
