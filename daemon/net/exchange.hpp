#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <stop_token>

#include "net/answer.hpp"
#include "net/curl_line.hpp"

namespace lighterman::net {

/// Where the body of an answer goes, decided when its head is there.
using Receiver = std::function<Push(const Response& head)>;

/// One request and its answer over one line. Used once, by one thread.
class Exchange {
 public:
  Exchange(Line& line, CURLSH* share, const Request& request, const Url& url, Receiver receiver);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Response perform(const std::stop_token& stop);

 private:
  static std::size_t on_header(char* bytes, std::size_t, std::size_t count, void* self) noexcept;
  static std::size_t on_body(char* bytes, std::size_t, std::size_t count, void* self) noexcept;
  static std::size_t on_send(char* into, std::size_t, std::size_t room, void* self) noexcept;
  static int on_rewind(void* self, curl_off_t offset, int origin) noexcept;

  void set_options();
  void set_body();
  void drive(const std::stop_token& stop);
  void watch_silence();
  void take_head();
  void rescue(curl_socket_t socket) noexcept;
  Response outcome(const std::stop_token& stop);
  std::size_t send(char* into, std::size_t room);
  bool sending() const noexcept { return has_body_ && !sent_all_; }
  /// Nothing more to wait for, although libcurl would go on sending.
  bool answered_early() const noexcept { return answer_.complete() && sending(); }

  Line& line_;
  CURLSH* share_;
  const Request& request_;
  const Url& url_;
  Receiver receiver_;
  Push sink_;
  Answer answer_;
  Fields fields_;
  bool has_body_ = false;
  std::optional<std::uint64_t> size_;  ///< of the body, where known
  std::uint64_t pulled_ = 0;
  bool sent_all_ = false;
  std::exception_ptr failure_;
  std::optional<CURLcode> ended_;
  std::chrono::steady_clock::time_point began_, moved_;
  std::uint64_t moved_bytes_ = 0;
  char detail_[CURL_ERROR_SIZE] = {};
};

}  // namespace lighterman::net
