#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "store/connection.hpp"

namespace lighterman::store {

/// Whether a change must be on disk when its call returns.
enum class Durability { full, lazy };

/// The one connection that writes. Calls that come while a commit is under way wait for it and then
/// share the next one, so that a hundred callers cost one fsync, not a hundred. Any thread.
class Writer {
 public:
  using Work = std::function<void(Connection&)>;
  using Effect = std::function<void()>;

  explicit Writer(const std::filesystem::path& file);

  /// Runs `work` in a transaction and returns once that is committed; a failure undoes this work
  /// alone. `committed` runs after the commit, in the order of the works; it must not throw.
  void perform(const Work& work, Durability durability, const Effect& committed);

 private:
  struct Job {
    const Work& work;
    const Effect& committed;
    Durability durability;
    enum class Turn { waiting, leading, done } turn = Turn::waiting;
    std::condition_variable wake{};
    // Not an exception_ptr: its owner would be two threads.
    std::optional<ErrorKind> failed{};
    std::string failure{};
  };

  void lead(std::unique_lock<std::mutex>& lock);
  void commit(const std::vector<Job*>& batch) noexcept;
  void run(Job& job);
  void sync_as(Durability durability);
  void roll_back() noexcept;

  Connection database_;
  Durability synced_as_ = Durability::full;
  std::mutex mutex_;
  std::vector<Job*> queue_;
  bool led_ = false;  ///< somebody commits, or was told to
};

}  // namespace lighterman::store
