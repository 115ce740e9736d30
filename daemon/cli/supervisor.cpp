#include "cli/supervisor.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace lighterman::cli {
namespace {

constexpr int first_socket = 3;
constexpr int most_sockets = 16;

long number_in(const char* variable) noexcept {
  const char* text = std::getenv(variable);
  long number = -1;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), number);
  return number;
}

}  // namespace

std::vector<int> take_sockets() {
  std::vector<int> sockets;
  if (number_in("LISTEN_PID") == ::getpid()) {
    const long count = number_in("LISTEN_FDS");
    for (int each = 0; each < count && each < most_sockets; ++each) {
      ::fcntl(first_socket + each, F_SETFD, FD_CLOEXEC);
      sockets.push_back(first_socket + each);
    }
  }
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  return sockets;
}

void tell_supervisor(const std::string& state) noexcept {
  const char* place = std::getenv("NOTIFY_SOCKET");
  if (place == nullptr) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string_view path(place);
  if (path.empty() || path.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';  // the abstract namespace
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  // If it is not heard, systemd's own limits tell the operator.
  (void)::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size()));
  ::close(socket);
}

}  // namespace lighterman::cli
