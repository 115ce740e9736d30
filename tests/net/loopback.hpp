#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/text.hpp"

namespace lighterman::test {

/// One accepted connection, in raw bytes.
class Connection {
 public:
  Connection(int socket, std::function<void(int)> closing)
      : socket_(socket), closing_(std::move(closing)) {}
  ~Connection() { end(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The request's head, with its empty line; empty when the client is gone.
  std::string read_head() {
    while (kept_.find("\r\n\r\n") == std::string::npos) {
      if (!more()) return {};
    }
    const auto end = kept_.find("\r\n\r\n") + 4;
    std::string head = kept_.substr(0, end);
    kept_.erase(0, end);
    return head;
  }
  /// Up to `count` bytes; fewer when the client ends first.
  std::string read(std::size_t count) {
    while (kept_.size() < count && more()) {
    }
    std::string bytes = kept_.substr(0, count);
    kept_.erase(0, bytes.size());
    return bytes;
  }
  /// What is there, or comes next; empty at the end.
  std::string read_some() {
    if (kept_.empty()) more();
    return std::exchange(kept_, {});
  }
  /// All until `end` has come, and with it; shorter when the client ends first.
  std::string read_until(const std::string& end) {
    while (kept_.find(end) == std::string::npos && more()) {
    }
    const auto at = kept_.find(end);
    std::string bytes = kept_.substr(0, at == std::string::npos ? at : at + end.size());
    kept_.erase(0, bytes.size());
    return bytes;
  }
  void send(const std::string& text) {
    std::string_view left = text;
    while (!left.empty()) {
      const ssize_t count = ::send(socket_, left.data(), left.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      left.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  /// Waits until the client closes its side.
  void await_end() {
    while (more()) kept_.clear();
  }
  void end() {
    if (socket_ >= 0) closing_(socket_);
    socket_ = -1;
  }
  int socket() const { return socket_; }

 private:
  bool more() {
    std::array<char, 65536> room{};
    const ssize_t count = recv(socket_, room.data(), room.size(), 0);
    if (count <= 0) return false;
    kept_.append(room.data(), static_cast<std::size_t>(count));
    return true;
  }
  int socket_;
  std::function<void(int)> closing_;
  std::string kept_;
};

/// A server that does to each connection what the test says, one thread each.
class RawServer {
 public:
  using Script = std::function<void(Connection&, int number)>;

  explicit RawServer(Script script, const std::string& unix_path = "")
      : script_(std::move(script)) {
    if (unix_path.empty()) {
      listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof address;
      bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
      port_ = ntohs(address.sin_port);
    } else {
      listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      unix_path.copy(address.sun_path, sizeof address.sun_path - 1);
      bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    }
    listen(listener_, 16);
    accepting_ = std::thread([this] { accept_all(); });
  }
  ~RawServer() {
    ending_ = true;
    shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int socket : open_) shutdown(socket, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    close(listener_);
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  int port() const { return port_; }
  std::string url(const std::string& path = "/") const {
    return concat("http://127.0.0.1:", port_, path);
  }
  int connections() const { return count_; }

 private:
  void accept_all() {
    while (!ending_) {
      const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      const std::lock_guard lock(mutex_);
      const int number = ++count_;
      open_.insert(socket);
      threads_.emplace_back([this, socket, number] {
        Connection connection(socket, [this](int ended) {
          const std::lock_guard inner(mutex_);
          open_.erase(ended);
          close(ended);
        });
        script_(connection, number);
      });
    }
  }
  Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> ending_ = false;
  std::atomic<int> count_ = 0;
  std::mutex mutex_;
  std::set<int> open_;
  std::thread accepting_;
  std::vector<std::thread> threads_;
};

}  // namespace lighterman::test
