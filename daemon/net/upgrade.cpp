#include "net/upgrade.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <thread>

#include "core/error.hpp"
#include "net/transfer.hpp"

namespace lighterman::net {
namespace {

constexpr std::size_t most_header_bytes = 64 << 10;
constexpr int look_milliseconds = 200;

class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset();
    value_ = other.release();
    return *this;
  }
  ~Descriptor() { reset(); }
  int get() const noexcept { return value_; }
  int release() noexcept { return std::exchange(value_, -1); }
  void reset() noexcept {
    if (value_ >= 0) close(value_);
    value_ = -1;
  }

 private:
  int value_;
};

/// The target of the request line: what stands behind the host.
std::string_view target_of(std::string_view url) {
  const std::size_t path = url.find('/', url.find("://") + 3);
  return path == std::string_view::npos ? "/" : url.substr(path);
}

std::string_view host_of(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  return url.substr(0, url.find_first_of("/?#"));
}

std::string rendered(const Request& request) {
  std::string text = concat(request.method, ' ', target_of(request.url),
                            " HTTP/1.1\r\nHost: ", host_of(request.url), "\r\n");
  for (const auto& [name, value] : request.headers.fields())
    text += concat(name, ": ", value, "\r\n");
  return text + "\r\n";
}

/// Waits until the socket can be read (or written); Error(cancelled) on stop, false on timeout.
bool await(int descriptor, short events, std::chrono::steady_clock::time_point until,
           const std::stop_token& stop) {
  while (std::chrono::steady_clock::now() < until) {
    if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "stopped");
    pollfd waiting{descriptor, events, 0};
    if (poll(&waiting, 1, look_milliseconds) > 0) return true;
  }
  return false;
}

struct Answer {
  Response response;
  std::string rest;  ///< bytes of the new protocol that came with the header
};

Answer parse(const std::string& bytes, std::size_t end) {
  Answer answer;
  bool first = true;
  for (const std::string& line : split(std::string_view(bytes).substr(0, end), '\n')) {
    const std::string_view text = trim(line);
    if (first) {
      const std::size_t space = text.find(' ');
      if (space != std::string_view::npos) {
        std::from_chars(text.data() + space + 1, text.data() + text.size(), answer.response.status);
      }
      first = false;
    } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
      answer.response.headers.add(std::string(text.substr(0, colon)),
                                  std::string(trim(text.substr(colon + 1))));
    }
  }
  answer.rest = bytes.substr(end + 4);
  return answer;
}

}  // namespace

struct Upgraded::Inside {
  Easy easy;
  int socket = -1;  ///< libcurl's
  Descriptor near, far;
  std::jthread pump;

  void send_all(std::string_view bytes, const Request& request,
                std::chrono::steady_clock::time_point until, const std::stop_token& stop) {
    while (!bytes.empty()) {
      std::size_t sent = 0;
      const CURLcode code = curl_easy_send(easy.get(), bytes.data(), bytes.size(), &sent);
      if (code == CURLE_AGAIN) {
        if (!await(socket, POLLOUT, until, stop))
          throw failure_of(request, CURLE_OPERATION_TIMEDOUT, "");
        continue;
      }
      if (code != CURLE_OK) throw failure_of(request, code, "");
      bytes.remove_prefix(sent);
    }
  }

  Answer receive(const Request& request, std::chrono::steady_clock::time_point until,
                 const std::stop_token& stop) {
    std::string bytes;
    std::array<char, 8192> part{};
    while (bytes.size() < most_header_bytes) {
      std::size_t got = 0;
      const CURLcode code = curl_easy_recv(easy.get(), part.data(), part.size(), &got);
      if (code == CURLE_AGAIN) {
        if (!await(socket, POLLIN, until, stop))
          throw failure_of(request, CURLE_OPERATION_TIMEDOUT, "");
        continue;
      }
      if (code != CURLE_OK || got == 0) {
        throw failure_of(request, code == CURLE_OK ? CURLE_GOT_NOTHING : code, "");
      }
      bytes.append(part.data(), got);
      const std::size_t end = bytes.find("\r\n\r\n");
      if (end != std::string::npos) return parse(bytes, end);
    }
    throw Error(ErrorKind::invalid, concat(shown(request), ": the answer's header is too long"));
  }

  /// Carries bytes both ways until either side ends. Nothing is lost on the way: what one side gave
  /// is offered to the other before more is taken.
  void carry(std::string from_engine, const std::stop_token& stop) noexcept {
    std::string to_engine;
    std::array<char, 64 << 10> part{};
    bool open = true;
    while (open && !stop.stop_requested()) {
      bool moved = false;
      if (from_engine.empty()) {
        std::size_t got = 0;
        const CURLcode code = curl_easy_recv(easy.get(), part.data(), part.size(), &got);
        if (code == CURLE_OK && got > 0) from_engine.assign(part.data(), got);
        if ((code == CURLE_OK && got == 0) || (code != CURLE_OK && code != CURLE_AGAIN))
          open = false;
      }
      if (!from_engine.empty()) {
        const ssize_t wrote =
            send(near.get(), from_engine.data(), from_engine.size(), MSG_NOSIGNAL);
        if (wrote > 0) {
          from_engine.erase(0, static_cast<std::size_t>(wrote));
          moved = true;
        } else if (errno != EAGAIN && errno != EINTR) {
          open = false;
        }
      }
      if (to_engine.empty()) {
        const ssize_t got = recv(near.get(), part.data(), part.size(), 0);
        if (got > 0) to_engine.assign(part.data(), static_cast<std::size_t>(got));
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) open = false;
      }
      if (!to_engine.empty()) {
        std::size_t sent = 0;
        const CURLcode code = curl_easy_send(easy.get(), to_engine.data(), to_engine.size(), &sent);
        if (code == CURLE_OK) {
          to_engine.erase(0, sent);
          moved = true;
        } else if (code != CURLE_AGAIN) {
          open = false;
        }
      }
      if (moved || !open) continue;
      std::array<pollfd, 2> waiting{{{socket, 0, 0}, {near.get(), 0, 0}}};
      waiting[0].events = static_cast<short>((from_engine.empty() ? POLLIN : 0) |
                                             (to_engine.empty() ? 0 : POLLOUT));
      waiting[1].events = static_cast<short>((to_engine.empty() ? POLLIN : 0) |
                                             (from_engine.empty() ? 0 : POLLOUT));
      poll(waiting.data(), waiting.size(), look_milliseconds);
    }
    shutdown(near.get(), SHUT_RDWR);
  }
};

Upgraded Upgraded::open(const Request& request, const std::stop_token& stop) {
  const auto until = std::chrono::steady_clock::now() + request.connect_timeout;
  auto inside = std::make_unique<Inside>();
  Line line = open_line();
  inside->easy = std::move(line.easy);
  CURL* const easy = inside->easy.get();
  set_connection(easy, request);
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  // The new protocol is no HTTP/2 stream: only 1.1 can be left.
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  if (const CURLcode code = curl_easy_perform(easy); code != CURLE_OK)
    throw failure_of(request, code, "");
  curl_socket_t socket = CURL_SOCKET_BAD;
  if (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &socket) != CURLE_OK ||
      socket == CURL_SOCKET_BAD) {
    throw Error(ErrorKind::unavailable, concat(shown(request), ": the connection was lost"));
  }
  inside->socket = socket;
  inside->send_all(rendered(request), request, until, stop);
  Answer answer = inside->receive(request, until, stop);
  if (answer.response.status != 101) {
    const ErrorKind kind =
        answer.response.status >= 500 ? ErrorKind::unavailable : ErrorKind::invalid;
    throw Error(
        kind, concat(shown(request), ": the server stays with HTTP: ", answer.response.status, ' ',
                     shortened(valid_utf8(trim(answer.rest)), 300)));
  }
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0) {
    throw Error(ErrorKind::internal, "no more sockets can be opened");
  }
  inside->near = Descriptor(pair[0]);
  inside->far = Descriptor(pair[1]);
  inside->pump = std::jthread([self = inside.get(), rest = std::move(answer.rest)](
                                  const std::stop_token& end) { self->carry(rest, end); });
  return Upgraded(std::move(inside));
}

Upgraded::Upgraded(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Upgraded::Upgraded(Upgraded&&) noexcept = default;

Upgraded::~Upgraded() {
  if (!inside_) return;
  inside_->pump.request_stop();
  // Wakes the pump out of its poll.
  shutdown(inside_->near.get(), SHUT_RDWR);
}

int Upgraded::take_descriptor() { return inside_->far.release(); }

}  // namespace lighterman::net
