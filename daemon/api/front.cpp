#include "api/front.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "api/problem.hpp"
#include "core/text.hpp"

namespace lighterman::api {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds sweep_interval{200};
/// How long we listen on after our last word, so that it is read before a reset.
constexpr std::chrono::milliseconds linger_time{2000};

bool over(const Connection& connection, Moment now) noexcept { return connection.deadline <= now; }

}  // namespace

Front::Front(const Options& options, Berths& berths, Serve serve)
    : options_(options), berths_(berths), serve_(std::move(serve)) {}

Front::~Front() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (bell_ >= 0) ::eventfd_write(bell_, 1);
  for (std::thread& thread : threads_) thread.join();
  for (const int listener : listeners_) ::close(listener);
  if (bell_ >= 0) ::close(bell_);
  if (epoll_ >= 0) ::close(epoll_);
}

void Front::watch(int descriptor, unsigned events, int operation) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = descriptor;
  ::epoll_ctl(epoll_, operation, descriptor, &event);
}

void Front::port() {
  Moment next_sweep = steady_clock::now() + sweep_interval;
  std::array<epoll_event, 128> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                   static_cast<int>(sweep_interval.count()));
    for (int index = 0; index < count; ++index) {
      const int descriptor = events[static_cast<std::size_t>(index)].data.fd;
      if (descriptor == bell_) {
        take_back();
      } else if (const auto place = parked_.find(descriptor); place != parked_.end()) {
        arrive(place);
      } else if (const auto last = lingering_.find(descriptor); last != lingering_.end()) {
        if (!last->second->drain()) lingering_.erase(last);
      } else if (std::ranges::find(listeners_, descriptor) != listeners_.end()) {
        accept_from(descriptor);
      }
    }
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) break;
    }
    if (const Moment now = steady_clock::now(); now >= next_sweep) {
      next_sweep = now + sweep_interval;
      sweep();
    }
  }
  parked_.clear();
  lingering_.clear();
}

void Front::accept_from(int listener) {
  for (;;) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      // Out of descriptors or memory: the waiting ones would wake us again and again. They wait in
      // the kernel until the next sweep, which may have closed some.
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        for (const int other : listeners_) watch(other, 0, EPOLL_CTL_MOD);
        accepting_ = false;
      }
      return;
    }
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto tls = options_.tls ? options_.tls() : nullptr;
    auto connection = std::make_unique<Connection>(socket, berths_, tls.get());
    watch(socket, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, EPOLL_CTL_ADD);
    if (berths_.open > options_.connections && !make_room()) {
      dismiss(std::move(connection), 503, "too many connections");
      continue;
    }
    connection->deadline = steady_clock::now() + options_.request_limit;
    parked_.emplace(socket, std::move(connection));
  }
}

/// Closes the connection that was idle the longest.
bool Front::make_room() {
  auto oldest = parked_.end();
  for (auto place = parked_.begin(); place != parked_.end(); ++place) {
    if (!place->second->idle()) continue;
    if (oldest == parked_.end() || place->second->deadline < oldest->second->deadline)
      oldest = place;
  }
  if (oldest == parked_.end()) return false;
  parked_.erase(oldest);
  return true;
}

void Front::arrive(Parked::iterator place) {
  const bool was_idle = place->second->idle();
  switch (place->second->fill()) {
    case Connection::Arrival::partial:
      // The clock of a request starts with its first byte and is not wound again; that of a TLS
      // handshake started when the connection came.
      if (was_idle && !place->second->idle())
        place->second->deadline = steady_clock::now() + options_.request_limit;
      watch(place->first, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, EPOLL_CTL_MOD);
      return;
    case Connection::Arrival::closed:
      parked_.erase(place);
      return;
    case Connection::Arrival::head_too_large: {
      auto connection = std::move(place->second);
      parked_.erase(place);
      dismiss(std::move(connection), 431, "the request's head is larger than 32 kB");
      return;
    }
    case Connection::Arrival::ready:
      break;
  }
  auto connection = std::move(place->second);
  parked_.erase(place);
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() < options_.waiting) {
      waiting_.push_back(std::move(connection));
    }
  }
  if (connection) {
    dismiss(std::move(connection), 503, "too many requests wait already");
  } else {
    wake_.notify_one();
  }
}

void Front::park(std::unique_ptr<Connection> connection, std::chrono::milliseconds time) {
  const int descriptor = connection->descriptor();
  connection->deadline = steady_clock::now() + time;
  watch(descriptor, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, EPOLL_CTL_MOD);
  parked_.emplace(descriptor, std::move(connection));
}

void Front::dismiss(std::unique_ptr<Connection> connection, int status, const char* why) {
  std::string response = bare_response(problem_of(status, why));
  if (connection->offer(response)) linger(std::move(connection));
}

void Front::linger(std::unique_ptr<Connection> connection) {
  connection->shut();
  if (!connection->drain()) return;
  const int descriptor = connection->descriptor();
  connection->deadline = steady_clock::now() + linger_time;
  watch(descriptor, EPOLLIN | EPOLLRDHUP, EPOLL_CTL_MOD);
  lingering_.emplace(descriptor, std::move(connection));
}

void Front::take_back() {
  eventfd_t rings = 0;
  ::eventfd_read(bell_, &rings);
  std::vector<std::unique_ptr<Connection>> returned;
  {
    const std::lock_guard lock(mutex_);
    returned.swap(returned_);
  }
  for (auto& connection : returned) {
    if (connection->closing) {
      linger(std::move(connection));
    } else if (connection->idle()) {
      park(std::move(connection), options_.keep_alive);
    } else {
      const int descriptor = connection->descriptor();
      connection->deadline = steady_clock::now() + options_.request_limit;
      const auto place = parked_.emplace(descriptor, std::move(connection)).first;
      // A request that came behind the last one is here already and wakes nobody.
      arrive(place);
    }
  }
}

void Front::sweep() {
  const Moment now = steady_clock::now();
  std::vector<std::unique_ptr<Connection>> late;
  for (auto place = parked_.begin(); place != parked_.end();) {
    if (!over(*place->second, now)) {
      ++place;
      continue;
    }
    if (!place->second->idle()) late.push_back(std::move(place->second));
    place = parked_.erase(place);
  }
  for (auto& connection : late)
    dismiss(std::move(connection), 408, "the request took too long to arrive");
  std::erase_if(lingering_, [&](const auto& entry) { return over(*entry.second, now); });
  if (!accepting_) {
    accepting_ = true;
    for (const int listener : listeners_) watch(listener, EPOLLIN, EPOLL_CTL_MOD);
  }
}

void Front::work() {
  for (;;) {
    std::unique_ptr<Connection> connection;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      connection = std::move(waiting_.front());
      waiting_.pop_front();
    }
    serve_(connection);
    if (connection) give_back(std::move(connection));
  }
}

void Front::give_back(std::unique_ptr<Connection> connection) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = returned_.empty();
    returned_.push_back(std::move(connection));
  }
  if (first) ::eventfd_write(bell_, 1);
}

}  // namespace lighterman::api
