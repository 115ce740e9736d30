#include "net/upgrade.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <system_error>
#include <thread>

#include "core/error.hpp"
#include "core/text.hpp"
#include "net/answer.hpp"
#include "net/curl_line.hpp"

namespace lighterman::net {
namespace {

using std::chrono::steady_clock;

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int get() const noexcept { return number_; }
  int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_;
};

[[noreturn]] void broken(const char* what) {
  throw Error(ErrorKind::internal, concat(what, ": ", std::generic_category().message(errno)));
}

/// Bytes on their way in one direction.
struct Flow {
  std::array<char, 64 << 10> room;
  std::size_t begin = 0, end = 0;
  bool over = false;  ///< nothing more comes in

  bool empty() const noexcept { return begin == end; }
  bool wants() const noexcept { return empty() && !over; }
};

}  // namespace

struct Upgraded::Inside {
  Line line;
  Request request;
  Url url;
  curl_socket_t socket = CURL_SOCKET_BAD;
  char detail[CURL_ERROR_SIZE] = {};
  Descriptor ours, theirs, ending;
  Flow in, out;  ///< from and to the server
  std::jthread pump;

  void connect(const std::stop_token& stop);
  void send_head(const std::stop_token& stop);
  void receive_head(const std::stop_token& stop);
  [[noreturn]] void refuse(Answer& answer, std::string body, const std::stop_token& stop);
  void wait(short events, steady_clock::time_point deadline, const std::stop_token& stop) const;
  void carry() noexcept;
  bool carry_in();
  bool carry_out();

  ~Inside() {
    const NoSigpipe quiet;
    if (pump.joinable()) {
      const std::uint64_t one = 1;
      static_cast<void>(!write(ending.get(), &one, sizeof one));
      pump.join();
    }
    if (line.easy) curl_multi_remove_handle(line.multi.get(), line.easy.get());
  }
};

void Upgraded::Inside::connect(const std::stop_token& stop) {
  CURL* easy = line.easy.get();
  CURLM* multi = line.multi.get();
  set_connection(line, request, url);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  // Whoever is upgraded must not have agreed on HTTP/2 in the handshake.
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_multi_add_handle(multi, easy);
  const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
  for (;;) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, concat(named(request, url), ": stopped"));
    }
    int running = 0;
    curl_multi_perform(multi, &running);
    int left = 0;
    if (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      long os_error = 0;
      curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
      if (message->data.result != CURLE_OK) {
        throw failure(message->data.result, detail, os_error, request, url);
      }
      break;
    }
    curl_multi_poll(multi, nullptr, 0, 200, nullptr);
  }
  curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &socket);
  if (socket == CURL_SOCKET_BAD) {
    throw Error(ErrorKind::unavailable, concat(named(request, url), ": the connection was cut"));
  }
}

void Upgraded::Inside::wait(short events, steady_clock::time_point deadline,
                            const std::stop_token& stop) const {
  pollfd waiting{socket, events, 0};
  while (poll(&waiting, 1, 50) <= 0) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, concat(named(request, url), ": stopped"));
    }
    if (request.silence_timeout.count() > 0 && steady_clock::now() > deadline) {
      throw Error(ErrorKind::unavailable, concat(named(request, url), ": nothing moved for ",
                                                 request.silence_timeout.count(), " ms"));
    }
  }
}

void Upgraded::Inside::send_head(const std::stop_token& stop) {
  std::string text = concat(request.method, ' ', url.target(), " HTTP/1.1\r\n");
  if (!request.headers.find("Host")) text += concat("Host: ", url.authority(), "\r\n");
  for (std::string line_text : header_lines(request)) {
    if (line_text.ends_with(';') && line_text.find(':') == std::string::npos) {
      line_text.back() = ':';
    }
    text += line_text + "\r\n";
  }
  const auto* body = std::get_if<std::string>(&request.body);
  assert(!std::holds_alternative<Upload>(request.body));
  if (!request.headers.find("Content-Length")) {
    text += concat("Content-Length: ", body != nullptr ? body->size() : 0, "\r\n");
  }
  text += "\r\n";
  if (body != nullptr) text += *body;
  const auto deadline = steady_clock::now() + request.silence_timeout;
  std::string_view left = text;
  while (!left.empty()) {
    std::size_t sent = 0;
    const CURLcode code = curl_easy_send(line.easy.get(), left.data(), left.size(), &sent);
    if (code == CURLE_AGAIN) {
      wait(POLLOUT, deadline, stop);
    } else if (code != CURLE_OK) {
      throw failure(code, detail, 0, request, url);
    }
    left.remove_prefix(sent);
  }
}

void Upgraded::Inside::receive_head(const std::stop_token& stop) {
  Answer answer(request.method);
  std::string body;
  std::string head_line;
  const auto deadline = steady_clock::now() + request.silence_timeout;
  while (!answer.headed()) {
    std::size_t count = 0;
    const CURLcode code = curl_easy_recv(line.easy.get(), in.room.data(), in.room.size(), &count);
    if (code == CURLE_AGAIN) {
      wait(POLLIN, deadline, stop);
      continue;
    }
    if (code != CURLE_OK) throw failure(code, detail, 0, request, url);
    if (count == 0) throw failure(CURLE_GOT_NOTHING, nullptr, 0, request, url);
    // What follows the head belongs to the new protocol and waits in the flow.
    in.begin = 0;
    in.end = count;
    while (!in.empty() && !answer.headed()) {
      const char byte = in.room.at(in.begin++);
      head_line.push_back(byte);
      if (head_line.size() > (64U << 10)) {
        throw Error(ErrorKind::unavailable,
                    concat(named(request, url), ": the answer is not HTTP"));
      }
      if (byte == '\n') answer.add_line(std::exchange(head_line, {}));
    }
  }
  if (answer.response().status != 101) refuse(answer, std::move(body), stop);
}

void Upgraded::Inside::refuse(Answer& answer, std::string body, const std::stop_token& stop) {
  const auto keep = [&](std::string_view bytes) { body += bytes; };
  const auto deadline = steady_clock::now() + std::chrono::seconds(2);
  std::size_t count = in.end - in.begin;
  answer.add_body({in.room.data() + in.begin, count}, keep);
  while (!answer.complete() && body.size() < (16U << 10) && steady_clock::now() < deadline) {
    const CURLcode code = curl_easy_recv(line.easy.get(), in.room.data(), in.room.size(), &count);
    if (code == CURLE_AGAIN) {
      pollfd waiting{socket, POLLIN, 0};
      poll(&waiting, 1, 50);
      if (stop.stop_requested()) break;
      continue;
    }
    if (code != CURLE_OK || count == 0) break;
    answer.add_body({in.room.data(), count}, keep);
  }
  const int status = answer.response().status;
  throw Error(status >= 500 ? ErrorKind::unavailable : ErrorKind::invalid,
              concat(named(request, url), ": the connection was not upgraded: ", status, ' ',
                     shortened(valid_utf8(trim(body)), 500)));
}

/// Moves what it can from the server to our end of the pair; false: this direction is done.
bool Upgraded::Inside::carry_in() {
  if (in.wants()) {
    std::size_t count = 0;
    const CURLcode code = curl_easy_recv(line.easy.get(), in.room.data(), in.room.size(), &count);
    if (code == CURLE_AGAIN) return true;
    in.begin = 0;
    in.end = code == CURLE_OK ? count : 0;
    in.over = in.end == 0;
  }
  while (!in.empty()) {
    const ssize_t count =
        send(ours.get(), in.room.data() + in.begin, in.end - in.begin, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    in.begin += static_cast<std::size_t>(count);
  }
  if (in.over) shutdown(ours.get(), SHUT_WR);
  return !in.over;
}

bool Upgraded::Inside::carry_out() {
  if (out.wants()) {
    const ssize_t count = recv(ours.get(), out.room.data(), out.room.size(), MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    out.begin = 0;
    out.end = static_cast<std::size_t>(count);
    out.over = count == 0;
  }
  while (!out.empty()) {
    std::size_t count = 0;
    const CURLcode code =
        curl_easy_send(line.easy.get(), out.room.data() + out.begin, out.end - out.begin, &count);
    if (code == CURLE_AGAIN) return true;
    if (code != CURLE_OK) return false;
    out.begin += count;
  }
  // A half-closed TLS connection would need its own farewell; its peers end by protocol.
  if (out.over && url.scheme == "http") shutdown(socket, SHUT_WR);
  return !out.over;
}

void Upgraded::Inside::carry() noexcept {
  const NoSigpipe quiet;
  bool in_open = true;
  bool out_open = true;
  while (in_open || out_open) {
    if (in_open) in_open = carry_in();
    if (out_open) out_open = carry_out();
    // libcurl may hold decrypted bytes that poll cannot see.
    if (in_open && in.empty()) in_open = carry_in();
    if (!in_open && out.over) break;
    if (!out_open && !out.over) break;  // the server is gone
    if (!in_open && !in.over) break;    // the user is gone
    short at_server = 0;
    short at_user = 0;
    if (in_open) (in.empty() ? at_server : at_user) |= in.empty() ? POLLIN : POLLOUT;
    if (out_open) (out.empty() ? at_user : at_server) |= out.empty() ? POLLIN : POLLOUT;
    std::array<pollfd, 3> waiting{{{at_server != 0 ? socket : -1, at_server, 0},
                                   {at_user != 0 ? ours.get() : -1, at_user, 0},
                                   {ending.get(), POLLIN, 0}}};
    if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) break;
    if (waiting[2].revents != 0) break;
  }
  shutdown(ours.get(), SHUT_RDWR);
  if (url.scheme == "http") shutdown(socket, SHUT_RDWR);
}

Upgraded::Upgraded(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Upgraded::Upgraded(Upgraded&&) noexcept = default;
Upgraded::~Upgraded() = default;

Upgraded Upgraded::open(const Request& request, const std::stop_token& stop) {
  const NoSigpipe quiet;
  auto inside = std::make_unique<Inside>();
  inside->request = request;
  inside->url = Url::parse(request.url);
  inside->connect(stop);
  inside->send_head(stop);
  inside->receive_head(stop);
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0) {
    broken("making a socket pair");
  }
  inside->ours = Descriptor(pair[0]);
  inside->theirs = Descriptor(pair[1]);
  inside->ending = Descriptor(eventfd(0, EFD_CLOEXEC));
  if (inside->ending.get() < 0) broken("making an event descriptor");
  inside->pump = std::jthread([inside = inside.get()] { inside->carry(); });
  return Upgraded(std::move(inside));
}

int Upgraded::take_descriptor() {
  assert(inside_->theirs.get() >= 0);
  return inside_->theirs.release();
}

}  // namespace lighterman::net
