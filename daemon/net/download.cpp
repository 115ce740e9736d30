#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "core/error.hpp"
#include "net/http.hpp"

namespace lighterman::net {
namespace {
constexpr std::size_t most_buffered = 1 << 20;

/// What is shorter needs no more room than it has bytes.
std::size_t room_for(const Response& head) {
  const std::string length = head.headers.find("Content-Length").value_or("");
  std::size_t bytes = 0;
  const auto [end, fault] = std::from_chars(length.data(), length.data() + length.size(), bytes);
  return fault == std::errc() && bytes > 0 ? std::min(bytes, most_buffered) : most_buffered;
}

}  // namespace

/// A ring of bytes between the transfer's thread (writes) and the reader's.
struct Download::Inside {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::string ring;  // grows to `buffered` and stays
  std::size_t buffered = most_buffered;
  std::size_t begin = 0;
  std::size_t count = 0;
  bool headed = false;
  bool ended = false;
  std::exception_ptr failure;
  Response head;
  std::stop_source stopping;
  std::optional<std::stop_callback<std::function<void()>>> outer;
  std::thread thread;

  void run(Client& client, const Request& request) noexcept {
    std::exception_ptr thrown;
    Response answer;
    try {
      answer = client.stream(
          request, [this](std::string_view bytes) { put(bytes); },
          [this](const Response& seen) {
            const std::lock_guard lock(mutex);
            head = seen;
            buffered = room_for(seen);
            headed = true;
            changed.notify_all();
          },
          stopping.get_token());
    } catch (...) {
      // It is the reader's failure: read() throws it.
      thrown = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    if (!headed && !thrown) head = std::move(answer);
    headed = true;
    failure = thrown;
    ended = true;
    changed.notify_all();
  }

  void put(std::string_view bytes) {
    while (!bytes.empty()) {
      std::unique_lock lock(mutex);
      // Once it is full it waits for room worth waking up for.
      if (count == buffered &&
          !changed.wait(lock, stopping.get_token(), [this] { return count <= buffered / 2; })) {
        throw Error(ErrorKind::cancelled, "the download was stopped");
      }
      if (stopping.stop_requested()) {
        throw Error(ErrorKind::cancelled, "the download was stopped");
      }
      const bool was_empty = count == 0;
      ring.resize(buffered);
      const std::size_t end = (begin + count) % buffered;
      const std::size_t part = std::min({bytes.size(), buffered - count, buffered - end});
      std::memcpy(ring.data() + end, bytes.data(), part);
      count += part;
      bytes.remove_prefix(part);
      if (was_empty) changed.notify_all();
    }
  }
};

Download::Download(Client& client, Request request, const std::stop_token& stop)
    : inside_(std::make_unique<Inside>()) {
  Inside& inside = *inside_;
  inside.outer.emplace(stop, [&inside] { inside.stopping.request_stop(); });
  inside.thread = std::thread(
      [&inside, &client, request = std::move(request)] { inside.run(client, request); });
  std::unique_lock lock(inside.mutex);
  inside.changed.wait(lock, [&] { return inside.headed; });
  if (!inside.failure || inside.head.status != 0) return;
  const std::exception_ptr failure = inside.failure;
  lock.unlock();
  inside.thread.join();
  std::rethrow_exception(failure);
}

Download::~Download() {
  if (!inside_) return;
  inside_->stopping.request_stop();
  if (inside_->thread.joinable()) inside_->thread.join();
}

const Response& Download::head() const noexcept { return inside_->head; }

std::size_t Download::read(char* into, std::size_t room) {
  Inside& inside = *inside_;
  std::unique_lock lock(inside.mutex);
  inside.changed.wait(lock, [&] { return inside.count > 0 || inside.ended; });
  if (inside.count == 0) {
    if (inside.failure) std::rethrow_exception(inside.failure);
    return 0;
  }
  const std::size_t part = std::min({room, inside.count, inside.buffered - inside.begin});
  std::memcpy(into, inside.ring.data() + inside.begin, part);
  inside.begin = (inside.begin + part) % inside.buffered;
  const bool was_much = inside.count > inside.buffered / 2;
  inside.count -= part;
  if (was_much && inside.count <= inside.buffered / 2) inside.changed.notify_all();
  return part;
}

}  // namespace lighterman::net
