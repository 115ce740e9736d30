#include "api/connection.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "api/problem.hpp"
#include "core/text.hpp"

namespace lighterman::api {
namespace {

constexpr std::size_t head_limit = 32 << 10;  // as the common proxies have it
/// Bodies up to here are gathered before a thread is spent on them: most webhooks.
constexpr std::size_t gathered_limit = 64 << 10;
constexpr std::size_t piece = 64 << 10;
constexpr std::size_t chunk_line_limit = 256;
/// A slow client is given more time for more bytes, at no less than this rate a second.
constexpr std::uint64_t least_rate = 64 << 10;

int milliseconds_until(Moment until) noexcept {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

/// False when the time is over.
bool wait_for(int socket, short event, Moment until) noexcept {
  for (;;) {
    pollfd watched{socket, event, 0};
    const int count = ::poll(&watched, 1, milliseconds_until(until));
    if (count > 0) return true;
    if (count == 0 && std::chrono::steady_clock::now() >= until) return false;
    if (count < 0 && errno != EINTR) return false;
  }
}

void name_of(const sockaddr_storage& address, socklen_t size, std::string& ip, int& port) {
  char host[NI_MAXHOST];
  char service[NI_MAXSERV];
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host, sizeof host, service,
                    sizeof service, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return;
  }
  ip = host;
  port = static_cast<int>(std::strtol(service, nullptr, 10));
}

}  // namespace

/// Held while a thread waits for this client. There are fewer of them than threads.
class Connection::SlowPass {
 public:
  explicit SlowPass(Berths& berths) : berths_(berths) {}
  ~SlowPass() {
    if (held_) berths_.slow.release();
  }
  SlowPass(const SlowPass&) = delete;
  SlowPass& operator=(const SlowPass&) = delete;
  bool acquire() noexcept { return held_ || (held_ = berths_.slow.try_acquire()); }

 private:
  Berths& berths_;
  bool held_ = false;
};

Connection::Connection(int socket, Berths& berths, const os::ServerTls* tls)
    : socket_(socket),
      tls_(tls == nullptr ? nullptr : std::make_unique<os::TlsLine>(*tls, socket)),
      berths_(berths) {
  ++berths_.open;
}

Connection::~Connection() {
  ::close(socket_);
  --berths_.open;
}

Connection::Arrival Connection::fill() {
  char arrived[16384];  // as much as TLS has in a record
  for (;;) {
    const ssize_t count = receive_some(arrived, sizeof arrived);
    if (count > 0) {
      in_.append(arrived, static_cast<std::size_t>(count));
      const Arrival now = arrival();
      if (now != Arrival::partial || static_cast<std::size_t>(count) < sizeof arrived) return now;
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return arrival();
    return Arrival::closed;
  }
}

ssize_t Connection::receive_some(char* into, std::size_t room) noexcept {
  return tls_ ? tls_->receive(into, room) : ::recv(socket_, into, room, MSG_DONTWAIT);
}

ssize_t Connection::send_some(const char* bytes, std::size_t size) noexcept {
  return tls_ ? tls_->send(bytes, size) : ::send(socket_, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

Connection::Arrival Connection::arrival() {
  if (!parsed_) {
    std::optional<Head> found = find_head(in_);
    if (!found) return in_.size() > head_limit ? Arrival::head_too_large : Arrival::partial;
    if (found->size > head_limit) return Arrival::head_too_large;
    head_ = std::move(*found);
    // The views must survive the growth of in_, so they are taken again in begin_request().
    parsed_ = true;
  }
  if (!head_.fault.empty() || head_.chunked || head_.awaits_continue) return Arrival::ready;
  const std::uint64_t length = head_.length.value_or(0);
  const std::uint64_t have = in_.size() - head_.size;
  return have >= std::min<std::uint64_t>(length, gathered_limit) ? Arrival::ready
                                                                 : Arrival::partial;
}

bool Connection::drain() noexcept {
  char dropped[16384];
  for (int turn = 0; turn < 64; ++turn) {
    const ssize_t count = ::recv(socket_, dropped, sizeof dropped, MSG_DONTWAIT);
    if (count > 0) continue;
    return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  }
  return true;
}

const Head& Connection::begin_request() {
  head_ = find_head(in_).value();
  used_ = head_.size;
  told_ = 0;
  body_taken_ = !head_.has_body();
  return head_;
}

void Connection::end_request() {
  in_.erase(0, used_);
  if (in_.empty() && in_.capacity() > gathered_limit) in_.shrink_to_fit();
  // Whoever parks us is told by the socket when more comes, and this came already.
  while (tls_ && tls_->has_more()) {
    char arrived[16384];
    const ssize_t count = tls_->receive(arrived, sizeof arrived);
    if (count <= 0) break;
    in_.append(arrived, static_cast<std::size_t>(count));
  }
  used_ = 0;
  parsed_ = false;
  head_ = {};
}

std::size_t Connection::receive(char* into, std::size_t room, Moment until, SlowPass& pass) {
  if (used_ < in_.size()) {
    const std::size_t count = std::min(room, in_.size() - used_);
    std::memcpy(into, in_.data() + used_, count);
    used_ += count;
    return count;
  }
  for (;;) {
    const ssize_t count = receive_some(into, room);
    if (count > 0) return static_cast<std::size_t>(count);
    if (count == 0) refuse(400, "the body ended before its end");
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) refuse(400, "the connection broke in the body");
    if (!pass.acquire()) refuse(503, "too many slow uploads at a time");
    if (!wait_for(socket_, POLLIN, until)) refuse(408, "the body took too long");
  }
}

void Connection::take(std::string& into, std::size_t size, Moment until, SlowPass& pass) {
  while (size > 0) {
    // Room is made for what arrives and not for what was announced.
    const std::size_t before = into.size();
    const std::size_t room = std::min(size, piece);
    into.resize(before + room);
    const std::size_t count = receive(into.data() + before, room, until, pass);
    into.resize(before + count);
    size -= count;
  }
}

std::string Connection::take_line(Moment until, SlowPass& pass) {
  std::string line;
  while (!line.ends_with("\r\n")) {
    if (line.size() > chunk_line_limit) refuse(400, "the body's chunks are broken");
    take(line, 1, until, pass);
  }
  line.resize(line.size() - 2);
  return line;
}

/// RFC 9112, section 7.1.
std::string Connection::read_chunks(std::uint64_t limit, Moment until, SlowPass& pass) {
  std::string body;
  for (;;) {
    const std::string line = take_line(until, pass);
    const std::string_view digits =
        trim(std::string_view(line).substr(0, std::min(line.find(';'), line.size())));
    std::uint64_t size = 0;
    const auto [end, fault] =
        std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
    if (digits.empty() || fault != std::errc() || end != digits.data() + digits.size())
      refuse(400, "the body's chunks are broken");
    if (size == 0) break;
    if (size > limit - body.size())
      refuse(413, concat("the body is larger than ", render_size(limit)));
    take(body, size, until, pass);
    if (!take_line(until, pass).empty()) refuse(400, "the body's chunks are broken");
  }
  for (std::size_t trailers = 0; !take_line(until, pass).empty(); ++trailers)
    if (trailers > 16) refuse(400, "the body's trailer is too long");
  return body;
}

std::string Connection::read_body(std::uint64_t limit, std::chrono::milliseconds time) {
  if (!head_.has_body()) return {};
  const std::uint64_t length = head_.length.value_or(0);
  if (length > limit) {
    refuse(413,
           concat("the body of ", render_size(length), " is larger than ", render_size(limit)));
  }
  const std::uint64_t expected = head_.chunked ? limit : length;
  const Moment until = std::chrono::steady_clock::now() + time +
                       std::chrono::milliseconds(expected * 1000 / least_rate);
  // "100 Continue" is among what was written.
  if (head_.awaits_continue && !flush(time)) refuse(400, "the connection broke");
  SlowPass pass(berths_);
  std::string body;
  if (head_.chunked) {
    body = read_chunks(limit, until, pass);
  } else {
    body.reserve(std::min<std::uint64_t>(length, gathered_limit));
    take(body, length, until, pass);
  }
  body_taken_ = true;
  return body;
}

bool Connection::flush(std::chrono::milliseconds time) {
  SlowPass pass(berths_);
  Moment until = std::chrono::steady_clock::now() + time;
  while (!broken_ && !out_.empty()) {
    const std::size_t before = out_.size();
    broken_ = !offer(out_);
    if (out_.size() < before) {
      until = std::chrono::steady_clock::now() + time;
    } else if (!broken_) {
      broken_ = !pass.acquire() || !wait_for(socket_, POLLOUT, until);
    }
  }
  return !broken_;
}

bool Connection::offer(std::string& bytes) noexcept {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = send_some(bytes.data() + sent, bytes.size() - sent);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      return false;
    }
  }
  bytes.erase(0, sent);
  return true;
}

bool Connection::hung_up() noexcept {
  if (tls_) return tls_->ended();
  char byte = 0;
  return ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void Connection::shut() noexcept {
  if (tls_) tls_->say_goodbye();
  ::shutdown(socket_, SHUT_WR);
}

ssize_t Connection::read(char* into, std::size_t room) {
  // httplib gets the head and nothing else: bodies are read by read_body().
  const std::size_t count = std::min(room, head_.size - told_);
  std::memcpy(into, in_.data() + told_, count);
  told_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* bytes, std::size_t size) {
  out_.append(bytes, size);
  if (out_.size() > piece && !flush(write_limit)) return -1;
  return static_cast<ssize_t>(size);
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0)
    name_of(address, size, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0)
    name_of(address, size, ip, port);
}

}  // namespace lighterman::api
