#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <thread>

#include "core/error.hpp"
#include "net/loopback.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "registry/client.hpp"
#include "store/store.hpp"

namespace lighterman::test {

/// A blob of that many random bytes, the same for the same seed.
struct Blob {
  explicit Blob(std::size_t size, unsigned seed = 1) : bytes(size, '\0') {
    std::mt19937_64 random(seed);
    for (std::size_t at = 0; at < size; at += 8) {
      const std::uint64_t word = random();
      std::memcpy(bytes.data() + at, &word, std::min<std::size_t>(8, size - at));
    }
    source.descriptor = Descriptor{std::string(media::oci_layer_gzip), os::sha256(bytes), size};
    source.open = [this](std::uint64_t offset) -> Pull {
      ++opened;
      if (opening) opening(offset);
      return [this, offset](char* into, std::size_t room) mutable {
        const std::size_t count = std::min<std::size_t>(room, bytes.size() - offset);
        std::memcpy(into, bytes.data() + offset, count);
        offset += count;
        return count;
      };
    };
  }
  const Digest& digest() const { return source.descriptor.digest; }
  std::string bytes;
  registry::BlobSource source{{"", os::sha256(""), 0}, {}};
  std::function<void(std::uint64_t)> opening;
  std::atomic<int> opened = 0;
};

/// A store in a folder of its own, and clients over it.
struct Scene {
  os::ScratchFolder folder;
  store::Store store{store::Options{folder.path() / "store.db", system_now}};

  static registry::Options options(const std::string& host) {
    registry::Options options;
    options.host = host;
    options.use_docker_config = false;
    options.retry.first = std::chrono::milliseconds(1);
    options.retry.longest = std::chrono::milliseconds(20);
    return options;
  }
};

inline Reference repository(const std::string& host, const std::string& name) {
  return Reference::parse(concat(host, "/", name));
}

inline std::string read_all(const Pull& pull) {
  std::string all;
  std::string room(100'000, '\0');
  while (const std::size_t count = pull(room.data(), room.size())) all.append(room, 0, count);
  return all;
}

template <class Work>
Error failure_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::internal, "nothing was thrown"};
}

/// What stands between a client and its registry and has its own opinion of long bodies: a proxy
/// for one request a connection. `limit` is looked at anew for each.
class Proxy {
 public:
  enum class Way { answer_413, cut, cut_once_passing_on };
  Proxy(int upstream, std::uint64_t limit, Way way, std::chrono::milliseconds delay = {})
      : upstream_(upstream),
        limit_(limit),
        way_(way),
        delay_(delay),
        server_([this](Connection& client, int) { serve(client); }) {}
  std::string host() const { return concat("127.0.0.1:", server_.port()); }
  int refused() const { return refused_; }
  std::size_t longest() const { return longest_; }

 private:
  void serve(Connection& client) {
    std::string head = client.read_head();
    if (head.empty()) return;
    std::this_thread::sleep_for(delay_);  // it is what a slow line is
    const std::size_t at = lower(head).find("content-length: ");
    const std::uint64_t length = at == std::string::npos ? 0 : std::stoull(head.substr(at + 16));
    const bool refuse = length > limit_ && (way_ != Way::cut_once_passing_on || refused_ == 0);
    if (refuse) {
      ++refused_;
      if (way_ == Way::answer_413) {
        client.send(
            "HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: "
            "5\r\n\r\nnginx");
        return;
      }
      if (way_ == Way::cut) {
        client.read(limit_);
        return;
      }
    } else {
      std::size_t seen = longest_;
      while (seen < length && !longest_.compare_exchange_weak(seen, length)) {
      }
    }
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    Connection server(socket, [](int ended) { close(ended); });
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(upstream_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;
    head.insert(head.find("\r\n") + 2, "Connection: close\r\n");
    server.send(head);
    for (std::uint64_t left = refuse ? std::min(length, limit_) : length; left > 0;) {
      const std::string part = client.read(std::min<std::uint64_t>(left, 65536));
      if (part.empty()) break;
      server.send(part);
      left -= part.size();
    }
    if (refuse) {
      // The client hears of the cut when the registry has taken what it got: what a busy one still
      // reads, nobody can ask it for.
      shutdown(server.socket(), SHUT_WR);
      server.await_end();
      return;
    }
    for (std::string part; !(part = server.read_some()).empty();) client.send(part);
  }
  int upstream_;
  std::uint64_t limit_;
  Way way_;
  std::chrono::milliseconds delay_;
  std::atomic<int> refused_ = 0;
  std::atomic<std::size_t> longest_ = 0;
  RawServer server_;
};

}  // namespace lighterman::test
