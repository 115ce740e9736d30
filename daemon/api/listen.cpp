#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "api/front.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::api {
namespace {

constexpr int backlog = 1024;

struct Place {
  std::string host, port;
};

Place parse_place(const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  Place place{listen.substr(0, colon), colon == std::string::npos ? "" : listen.substr(colon + 1)};
  const bool numeric = !place.port.empty() && place.port.size() <= 5 &&
                       place.port.find_first_not_of("0123456789") == std::string::npos;
  if (!numeric || std::stoul(place.port) > 65535) {
    throw Error(
        ErrorKind::invalid,
        concat("listen: \"", listen, "\" is not an address and a port (like 127.0.0.1:7070)"));
  }
  if (place.host.starts_with('[') && place.host.ends_with(']'))
    place.host = place.host.substr(1, place.host.size() - 2);
  if (place.host == "*") place.host.clear();
  return place;
}

bool is_loopback(const sockaddr& address) noexcept {
  if (address.sa_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address);
    return (ntohl(four.sin_addr.s_addr) >> 24U) == 127;
  }
  const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
  return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr) != 0;
}

std::string reason(int fault) { return std::generic_category().message(fault); }

[[noreturn]] void fail(const std::string& listen, int fault) {
  switch (fault) {
    case EADDRINUSE:
      throw Error(ErrorKind::conflict,
                  concat("listen: \"", listen, "\" is in use by another program"));
    case EACCES:
      throw Error(ErrorKind::denied,
                  concat("listen: \"", listen, "\" is not allowed (ports below 1024 need root)"));
    default:
      throw Error(ErrorKind::invalid,
                  concat("listen: \"", listen, "\" cannot be listened on: ", reason(fault)));
  }
}

/// The descriptor, or -1 with errno.
int bound_socket(const addrinfo& address) noexcept {
  const int listener = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return -1;
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ai_family == AF_INET6)
    ::setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(listener, address.ai_addr, address.ai_addrlen) == 0 &&
      ::listen(listener, backlog) == 0) {
    return listener;
  }
  const int fault = errno;
  ::close(listener);
  errno = fault;
  return -1;
}

}  // namespace

void Front::listen_at(const std::string& host, const std::string& port) {
  addrinfo wish{};
  wish.ai_socktype = SOCK_STREAM;
  wish.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int fault =
      ::getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &wish, &found);
  if (fault != 0) {
    throw Error(ErrorKind::invalid,
                concat("listen: host \"", host, "\" is not known: ", ::gai_strerror(fault)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> release(found, ::freeaddrinfo);
  int last_fault = 0;
  // "localhost" is two addresses, and people's tools differ in which they try.
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    if (port == "0" && !listeners_.empty()) break;  // they would be two ports
    const int listener = bound_socket(*address);
    if (listener < 0) {
      last_fault = errno;
      // Machines without IPv6 still resolve names to it.
      if (last_fault == EADDRINUSE || last_fault == EACCES) fail(options_.listen, last_fault);
      continue;
    }
    listeners_.push_back(listener);
    only_loopback_ = only_loopback_ && is_loopback(*address->ai_addr);
  }
  if (listeners_.empty()) fail(options_.listen, last_fault);
}

void Front::adopt(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  int listening = 0;
  socklen_t option_size = sizeof listening;
  if (::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listening, &option_size) != 0 ||
      listening == 0 || ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      (address.ss_family != AF_INET && address.ss_family != AF_INET6)) {
    throw Error(ErrorKind::invalid, concat("socket ", socket,
                                           ", which we were started with, is no TCP socket that "
                                           "listens (ListenStream= in lighterman.socket)"));
  }
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
  listeners_.push_back(socket);
  only_loopback_ = only_loopback_ && is_loopback(reinterpret_cast<const sockaddr&>(address));
}

void Front::listen() {
  if (!options_.sockets.empty()) {
    for (const int socket : options_.sockets) adopt(socket);
    return;
  }
  const Place place = parse_place(options_.listen);
  listen_at(place.host, place.port);
}

void Front::start() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  bell_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || bell_ < 0)
    throw Error(ErrorKind::internal, concat("listen: no epoll: ", reason(errno)));
  watch(bell_, EPOLLIN, EPOLL_CTL_ADD);
  for (const int listener : listeners_) watch(listener, EPOLLIN, EPOLL_CTL_ADD);
  threads_.emplace_back([this] { port(); });
  for (unsigned count = 0; count < options_.threads; ++count)
    threads_.emplace_back([this] { work(); });
}

std::string Front::address() const {
  if (listeners_.empty()) return {};
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(listeners_.front(), reinterpret_cast<sockaddr*>(&bound), &size);
  char host[NI_MAXHOST];
  char service[NI_MAXSERV];
  ::getnameinfo(reinterpret_cast<const sockaddr*>(&bound), size, host, sizeof host, service,
                sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
  return bound.ss_family == AF_INET6
             ? concat("[", static_cast<const char*>(host), "]:", static_cast<const char*>(service))
             : concat(static_cast<const char*>(host), ":", static_cast<const char*>(service));
}

}  // namespace lighterman::api
