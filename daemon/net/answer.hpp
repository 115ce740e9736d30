#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.hpp"
#include "net/http.hpp"

namespace lighterman::net {

/// Takes chunked transfer coding away (RFC 9112 section 7.1), trailers included.
class Dechunker {
 public:
  /// Gives content to `sink`; what follows the last chunk is ignored. Throws Error(unavailable)
  /// where the coding is broken.
  void feed(std::string_view raw, const Push& sink);
  bool complete() const noexcept { return state_ == State::end; }

 private:
  enum class State { size, content, content_end, trailer, end };
  void take_line();

  State state_ = State::size;
  std::uint64_t left_ = 0;
  std::string line_;
};

/// An HTTP/1.1 answer while it arrives, in raw bytes: what its head says, and whether its body is
/// whole. libcurl tells neither when it gives up because sending failed.
class Answer {
 public:
  explicit Answer(std::string_view method) : to_head_(method == "HEAD") {}

  /// One line of the head, with or without its line end. True: the final head has just ended.
  bool add_line(std::string_view line);
  /// Body bytes as they came, chunk framing included. `sink` gets the content.
  void add_body(std::string_view raw, const Push& sink);
  /// Bytes of head or body, wherever we are; `ended` is called when the head has ended.
  void add(std::string_view raw, const Push& sink, const std::function<void()>& ended = {});

  bool headed() const noexcept { return headed_; }
  /// Head and body are there. Never true for a body that ends with its connection.
  bool complete() const noexcept;
  /// The body has no length of its own and ends with the connection.
  bool ends_with_connection() const noexcept { return headed_ && !left_ && !chunked_; }
  const Response& response() const noexcept { return response_; }
  Response& response() noexcept { return response_; }

 private:
  void begin_body();

  Response response_;
  bool to_head_;
  bool http2_ = false;
  bool headed_ = false;
  std::string line_;                   ///< an unfinished head line
  std::optional<std::uint64_t> left_;  ///< of a body with a known length
  std::optional<Dechunker> chunked_;
};

}  // namespace lighterman::net
