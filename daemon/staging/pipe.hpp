#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "core/bytes.hpp"
#include "core/error.hpp"

namespace lighterman::staging {

/// Joins one who pushes with one who pulls, each on a thread of its own, a few hundred KiB apart.
class Pipe {
 public:
  void write(std::string_view bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_.size() < room || closed_; });
    if (closed_) throw Error(ErrorKind::cancelled, "the reader has ended");
    held_.append(bytes);
    changed_.notify_all();
  }
  std::size_t read(char* into, std::size_t most) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !held_.empty() || ended_; });
    if (held_.empty() && failure_) std::rethrow_exception(failure_);
    const std::size_t got = held_.copy(into, most);
    held_.erase(0, got);
    changed_.notify_all();
    return got;
  }
  void end(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    failure_ = std::move(failure);
    changed_.notify_all();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  static constexpr std::size_t room = 256 << 10;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string held_;
  bool ended_ = false, closed_ = false;
  std::exception_ptr failure_;
};

/// What `reader` makes of what `writer` writes. An error of the writer reaches the reader.
template <class Result>
Result through_pipe(const std::function<void(const Push&)>& writer,
                    const std::function<Result(Pull)>& reader) {
  Pipe pipe;
  std::jthread thread([&] {
    try {
      writer([&](std::string_view bytes) { pipe.write(bytes); });
      pipe.end(nullptr);
    } catch (...) {
      pipe.end(std::current_exception());
    }
  });
  struct Close {
    Pipe& pipe;
    ~Close() { pipe.close(); }
  } const close{pipe};
  const Pull in = [&](char* into, std::size_t most) { return pipe.read(into, most); };
  Result result = reader(in);
  // The tar's end is not the stream's: an error that comes after it counts.
  std::string rest(4096, '\0');
  while (in(rest.data(), rest.size()) > 0) continue;
  return result;
}

}  // namespace lighterman::staging
