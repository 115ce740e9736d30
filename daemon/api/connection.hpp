#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <string>
#include <string_view>

#include "api/head.hpp"
#include "os/tls.hpp"

namespace lighterman::api {

using Moment = std::chrono::steady_clock::time_point;

/// What all connections share. Outlives them.
struct Berths {
  explicit Berths(unsigned slow_ones) : slow(slow_ones) {}
  std::atomic<std::size_t> open{0};
  /// Threads that may wait for a slow client at a time; the others stay free for the quick ones.
  std::counting_semaphore<> slow;
};

/// One client's connection: reads ahead without waiting, gathers what is written, and keeps
/// deadlines. httplib speaks HTTP through it. One thread at a time.
class Connection final : public httplib::Stream {
 public:
  /// Speaks TLS where that is not null.
  Connection(int socket, Berths& berths, const os::ServerTls* tls = nullptr);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Whether a request can be served: its head is here, and its body if it is a small one.
  enum class Arrival { ready, partial, closed, head_too_large };
  /// Takes what has arrived, without waiting.
  Arrival fill();
  /// The same about what was taken before.
  Arrival arrival();
  bool idle() const noexcept { return in_.empty(); }
  /// Reads and drops, so that our last words are not lost to a reset; false at the end.
  bool drain() noexcept;

  /// Begins serving the request that is ready; its views live until end_request().
  const Head& begin_request();
  void end_request();
  /// The body, decoded from its chunks and otherwise as it was sent. Throws Refused (413) as soon
  /// as it is known to be longer than `limit`, Refused (408) when it takes too long.
  std::string read_body(std::uint64_t limit, std::chrono::milliseconds time);
  /// Whether the whole body was taken from the wire, so that another request can follow.
  bool body_taken() const noexcept { return body_taken_; }
  /// Sends what was written; false when the client is gone or too slow.
  bool flush(std::chrono::milliseconds time);
  /// Sends as much of `bytes` as fits now, removes it; false when the client is gone.
  bool offer(std::string& bytes) noexcept;
  bool is_encrypted() const noexcept { return tls_ != nullptr; }
  bool hung_up() noexcept;  ///< the other side closed
  void shut() noexcept;     ///< no more from us

  bool closing = false;  ///< after this response
  Moment deadline{};     ///< for who parks it
  std::chrono::milliseconds write_limit{std::chrono::seconds(10)};

  // httplib::Stream
  bool is_readable() const override { return true; }
  bool is_writable() const override { return !broken_; }
  ssize_t read(char* into, std::size_t room) override;
  ssize_t write(const char* bytes, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  /// For httplib, which refuses descriptors that select() could not watch; nothing here selects.
  socket_t socket() const override { return 0; }
  int descriptor() const noexcept { return socket_; }

 private:
  class SlowPass;
  /// Appends to `into` from what was read ahead or from the wire; waits.
  void take(std::string& into, std::size_t size, Moment until, SlowPass& pass);
  std::string take_line(Moment until, SlowPass& pass);
  std::size_t receive(char* into, std::size_t room, Moment until, SlowPass& pass);
  std::string read_chunks(std::uint64_t limit, Moment until, SlowPass& pass);
  /// As recv() and send() that never wait.
  ssize_t receive_some(char* into, std::size_t room) noexcept;
  ssize_t send_some(const char* bytes, std::size_t size) noexcept;

  int socket_;
  std::unique_ptr<os::TlsLine> tls_;  ///< null: plain http
  Berths& berths_;
  std::string in_;        ///< read ahead
  std::size_t used_ = 0;  ///< of it, by the request being served
  std::size_t told_ = 0;  ///< of its head, to httplib
  std::string out_;
  Head head_;
  bool parsed_ = false;  ///< head_ is about in_
  bool body_taken_ = true;
  bool broken_ = false;
};

}  // namespace lighterman::api
