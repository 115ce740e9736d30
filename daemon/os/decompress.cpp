#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/handles.hpp"
#include "os/compress.hpp"

namespace lighterman::os {
namespace {

/// Compressed bytes as they come, with a look at the front.
class Source {
 public:
  explicit Source(Pull in) : in_(std::move(in)) {}

  /// The unread bytes; at least one unless the stream has ended.
  std::string_view unread() {
    if (begin_ == end_ && !ended_) {
      begin_ = end_ = 0;
      more();
    }
    return {buffer_.data() + begin_, end_ - begin_};
  }
  /// The first bytes, up to `count`, without reading them.
  std::string_view front(std::size_t count) {
    while (end_ - begin_ < count && !ended_) more();
    return {buffer_.data() + begin_, std::min(count, end_ - begin_)};
  }
  void read(std::size_t count) noexcept { begin_ += count; }

 private:
  void more() {
    if (begin_ > 0 && end_ == buffer_.size()) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
    }
    const std::size_t got = in_(buffer_.data() + end_, buffer_.size() - end_);
    ended_ = got == 0;
    end_ += got;
  }

  Pull in_;
  std::vector<char> buffer_ = std::vector<char>(131072);
  std::size_t begin_ = 0, end_ = 0;
  bool ended_ = false;
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual std::size_t read(Source& in, char* into, std::size_t room) = 0;
};

class Plain : public Decoder {
 public:
  std::size_t read(Source& in, char* into, std::size_t room) override {
    const std::string_view bytes = in.unread();
    const std::size_t part = std::min(room, bytes.size());
    std::memcpy(into, bytes.data(), part);
    in.read(part);
    return part;
  }
};

/// One member after the other, each checked against its CRC-32 and length.
class Gzip : public Decoder {
 public:
  std::size_t read(Source& in, char* into, std::size_t room) override {
    room = std::min<std::size_t>(room, 1U << 30);
    for (;;) {
      if (between_members_ && !next_member(in)) return 0;
      const std::string_view bytes = in.unread();
      state_->next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(bytes.data()));
      state_->avail_in = static_cast<std::uint32_t>(bytes.size());
      state_->next_out = reinterpret_cast<std::uint8_t*>(into);
      state_->avail_out = static_cast<std::uint32_t>(room);
      const int result = isal_inflate(state_.get());
      assert(state_->avail_in <= bytes.size());
      in.read(bytes.size() - state_->avail_in);
      const std::size_t got = room - state_->avail_out;
      if (result < 0 || result > ISAL_END_INPUT)
        throw Error(
            ErrorKind::invalid,
            concat("reading gzip: the bytes are damaged (",
                   result == ISAL_INCORRECT_CHECKSUM ? "wrong checksum" : "not a deflate stream",
                   ")"));
      if (state_->block_state == ISAL_BLOCK_FINISH) between_members_ = true;
      if (got > 0) return got;
      if (!between_members_ && bytes.empty())
        throw Error(ErrorKind::invalid, "reading gzip: the stream ends in the middle");
    }
  }

 private:
  /// False at the end. Zeros after the last member are padding, as for gzip(1).
  bool next_member(Source& in) {
    if (members_ > 0) {
      for (std::string_view rest = in.unread(); !rest.empty() && rest.front() == '\0';
           rest = in.unread())
        in.read(std::min(rest.find_first_not_of('\0'), rest.size()));
      if (in.unread().empty()) return false;
      if (!in.front(2).starts_with("\x1f\x8b"))
        throw Error(ErrorKind::invalid, "reading gzip: other bytes follow the compressed ones");
    }
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;
    ++members_;
    between_members_ = false;
    return true;
  }

  // Some 90 KB of tables.
  std::unique_ptr<inflate_state> state_ = std::make_unique<inflate_state>();
  std::uint64_t members_ = 0;
  bool between_members_ = true;
};

class Zstd : public Decoder {
 public:
  Zstd() {
    if (!context_) throw Error(ErrorKind::internal, "reading zstd: out of memory");
  }
  std::size_t read(Source& in, char* into, std::size_t room) override {
    for (;;) {
      const std::string_view bytes = in.unread();
      if (bytes.empty() && !in_frame_) return 0;
      ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
      ZSTD_outBuffer output{into, room, 0};
      const std::size_t result = ZSTD_decompressStream(context_.get(), &output, &input);
      if (ZSTD_isError(result))
        throw Error(ErrorKind::invalid, concat("reading zstd: ", ZSTD_getErrorName(result)));
      in.read(input.pos);
      in_frame_ = result != 0;
      if (output.pos > 0) return output.pos;
      if (bytes.empty() && in_frame_)
        throw Error(ErrorKind::invalid, "reading zstd: the stream ends in the middle");
    }
  }

 private:
  std::unique_ptr<ZSTD_DCtx, By<ZSTD_freeDCtx>> context_{ZSTD_createDCtx()};
  bool in_frame_ = false;
};

std::unique_ptr<Decoder> decoder_for(std::string_view front) {
  if (front.starts_with("\x1f\x8b")) return std::make_unique<Gzip>();
  if (front.starts_with("\x28\xb5\x2f\xfd")) return std::make_unique<Zstd>();
  // A skippable frame may come first (RFC 8878 section 3.1.2).
  if (front.size() == 4 && (static_cast<unsigned char>(front[0]) & 0xF0) == 0x50 &&
      front.substr(1) == "\x2a\x4d\x18")
    return std::make_unique<Zstd>();
  return std::make_unique<Plain>();
}

}  // namespace

Pull decompressed(Pull in) {
  struct Stream {
    Source source;
    std::unique_ptr<Decoder> decoder;
  };
  // Shared by the copies that std::function makes of the stream.
  const auto stream = std::make_shared<Stream>(Stream{Source(std::move(in)), nullptr});
  return [stream](char* into, std::size_t room) -> std::size_t {
    if (room == 0) return 0;
    if (!stream->decoder) stream->decoder = decoder_for(stream->source.front(4));
    return stream->decoder->read(stream->source, into, room);
  };
}

}  // namespace lighterman::os
