#include "net/curl_line.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <new>

#include "core/error.hpp"
#include "core/text.hpp"
#include "net/address.hpp"

namespace lighterman::net {
namespace {

constexpr std::size_t most_idle = 24;
constexpr std::chrono::seconds longest_idle{60};

curl_socket_t open_socket(void* given, curlsocktype, curl_sockaddr* address) noexcept {
  // Here, since what a name resolved to before may be another address by now.
  auto* line = static_cast<Line*>(given);
  if (line->public_only && !is_public(address->addr)) {
    line->refused = render(address->addr);
    return CURL_SOCKET_BAD;
  }
  // Programs that we start must not inherit connections.
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int close_socket(void* given, curl_socket_t socket) noexcept {
  auto* line = static_cast<Line*>(given);
  if (line->closing) line->closing(socket);
  return close(socket);
}

/// libcurl reads only http_proxy for plain http; people set either case.
const char* proxy_of(const Url& url) {
  const bool tls = url.scheme == "https";
  const char* value = std::getenv(tls ? "https_proxy" : "http_proxy");
  if (value == nullptr) value = std::getenv(tls ? "HTTPS_PROXY" : "HTTP_PROXY");
  return value != nullptr && *value != '\0' ? value : nullptr;
}

void set_trust(CURL* easy, const Trust& trust) {
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, trust.verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, trust.verify ? 2L : 0L);
  if (!trust.ca_file.empty()) {
    // The file replaces the system's bundle; its folder of certificates stays believed.
    curl_easy_setopt(easy, CURLOPT_CAINFO, trust.ca_file.c_str());
    const char* folder = curl_version_info(CURLVERSION_NOW)->capath;
    curl_easy_setopt(easy, CURLOPT_CAPATH, folder != nullptr ? folder : "/etc/ssl/certs");
  }
  if (!trust.client_certificate_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, trust.client_certificate_file.c_str());
  }
  if (!trust.client_key_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLKEY, trust.client_key_file.c_str());
  }
}

}  // namespace

void start_curl() {
  static const bool started = [] {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) throw std::bad_alloc();
    return true;
  }();
  static_cast<void>(started);
}

NoSigpipe::NoSigpipe() noexcept {
  sigset_t waiting;
  sigemptyset(&waiting);
  sigpending(&waiting);
  pending_ = sigismember(&waiting, SIGPIPE) == 1;
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, &before_);
}

NoSigpipe::~NoSigpipe() {
  if (!pending_) {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    const timespec at_once{};
    sigtimedwait(&pipe, nullptr, &at_once);
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

Line::Line() {
  start_curl();
  multi.reset(curl_multi_init());
  easy.reset(curl_easy_init());
  if (!multi || !easy) throw std::bad_alloc();
}

Line::~Line() {
  const NoSigpipe quiet;  // closing a TLS connection writes
  closing = nullptr;
  easy.reset();
  multi.reset();
}

Lines::Lines() {
  start_curl();
  share_ = curl_share_init();
  if (share_ == nullptr) throw std::bad_alloc();
  curl_share_setopt(share_, CURLSHOPT_LOCKFUNC, &Lines::lock);
  curl_share_setopt(share_, CURLSHOPT_UNLOCKFUNC, &Lines::unlock);
  curl_share_setopt(share_, CURLSHOPT_USERDATA, this);
  curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
  curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

Lines::~Lines() {
  idle_.clear();
  curl_share_cleanup(share_);
}

void Lines::lock(CURL*, curl_lock_data what, curl_lock_access, void* self) noexcept {
  static_cast<Lines*>(self)->locks_[what].lock();
}
void Lines::unlock(CURL*, curl_lock_data what, void* self) noexcept {
  static_cast<Lines*>(self)->locks_[what].unlock();
}

std::unique_ptr<Line> Lines::take(const std::string& key) {
  {
    const std::lock_guard guard(mutex_);
    // The one used last is the least likely to have been closed by the server.
    const auto found = std::find_if(idle_.rbegin(), idle_.rend(),
                                    [&](const auto& line) { return line->key == key; });
    if (found != idle_.rend()) {
      std::unique_ptr<Line> line = std::move(*found);
      idle_.erase(std::next(found).base());
      return line;
    }
  }
  auto line = std::make_unique<Line>();
  line->key = key;
  return line;
}

void Lines::give_back(std::unique_ptr<Line> line) {
  std::vector<std::unique_ptr<Line>> ended;  // closed outside the lock
  const auto now = std::chrono::steady_clock::now();
  line->idle_since = now;
  const std::lock_guard guard(mutex_);
  idle_.push_back(std::move(line));
  while (idle_.size() > most_idle || now - idle_.front()->idle_since > longest_idle) {
    ended.push_back(std::move(idle_.front()));
    idle_.erase(idle_.begin());
  }
}

std::string line_key(const Request& request, const Url& url, bool with_body) {
  // Bodies go by HTTP/1.1 alone; without TLS everything does, and a connection serves for both.
  const bool http1_only = with_body && url.scheme == "https";
  const Trust& trust = request.trust;
  return concat(url.origin(), '\n', request.unix_socket, '\n', trust.ca_file, '\n',
                trust.client_certificate_file, '\n', trust.client_key_file, '\n',
                trust.verify ? 1 : 0, request.use_proxy ? 1 : 0, http1_only ? 1 : 0,
                request.public_addresses_only ? 1 : 0);
}

void set_connection(Line& line, const Request& request, const Url& url) {
  CURL* easy = line.easy.get();
  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_URL, url.text().c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // a stop does not wait for a slow name server
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &line);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &close_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &line);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::max<std::int64_t>(1, request.connect_timeout.count())));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (!request.unix_socket.empty()) {
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }
  // As Go does: what is on this machine is not asked through a proxy.
  const bool direct = !request.use_proxy || !request.unix_socket.empty() || url.is_loopback();
  line.public_only = request.public_addresses_only;
  line.refused.clear();
  if (direct) {
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
  } else if (const char* proxy = proxy_of(url)) {
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
    if (line.public_only) {
      // The proxy's own address may well be private; so that only it is connected to, no host is
      // exempt.
      curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
      line.public_only = false;
    }
  }
  set_trust(easy, request.trust);
}

std::vector<std::string> header_lines(const Request& request) {
  std::vector<std::string> lines;
  const auto add = [&](const std::string& name, const std::string& value) {
    constexpr std::string_view breaks("\r\n\0", 3);
    if (name.empty() || name.find_first_of(breaks) != std::string::npos ||
        value.find_first_of(breaks) != std::string::npos) {
      throw Error(ErrorKind::invalid,
                  concat("header \"", shortened(valid_utf8(name), 40), "\" holds a line break"));
    }
    // libcurl's way to write an empty value is a semicolon.
    lines.push_back(value.empty() ? name + ";" : concat(name, ": ", value));
  };
  for (const auto& [name, value] : request.headers.fields()) add(name, value);
  if (!request.headers.find("User-Agent")) add("User-Agent", "lighterman/" LIGHTERMAN_VERSION);
  if (!request.bearer.empty()) {
    add("Authorization", "Bearer " + request.bearer.reveal());
  } else if (request.basic) {
    const auto& [user, password] = *request.basic;
    add("Authorization", "Basic " + render_base64(concat(user, ":", password.reveal())));
  }
  return lines;
}

Fields fields_of(const std::vector<std::string>& lines) {
  Fields fields;
  for (const std::string& line : lines) {
    curl_slist* longer = curl_slist_append(fields.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(fields.release());
    fields.reset(longer);
  }
  return fields;
}

}  // namespace lighterman::net
