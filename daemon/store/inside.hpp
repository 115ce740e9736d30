#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/guarded.hpp"
#include "store/connection.hpp"
#include "store/store.hpp"
#include "store/writer.hpp"

namespace lighterman::store {

/// Connections that only read, lent out one thread at a time. Any thread.
class Readers {
 public:
  explicit Readers(std::filesystem::path file) : file_(std::move(file)) {}

  template <class Use>
  auto with(Use&& use) {
    Loan loan(*this);
    return use(*loan.connection);
  }

 private:
  struct Loan {
    explicit Loan(Readers& from) : readers(from), connection(from.take()) {}
    ~Loan() { readers.give_back(std::move(connection)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    Readers& readers;
    std::unique_ptr<Connection> connection;
  };
  std::unique_ptr<Connection> take();
  void give_back(std::unique_ptr<Connection> connection) noexcept;

  std::filesystem::path file_;
  Guarded<std::vector<std::unique_ptr<Connection>>> idle_;
};

/// Counts changes and wakes those who wait for one. Any thread.
class Watch {
 public:
  void bump() noexcept;
  std::uint64_t version() const;
  std::uint64_t wait(std::uint64_t seen, std::chrono::milliseconds timeout,
                     const std::stop_token& stop);

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t version_ = 1;
};

/// Whether somebody who waits for changes would see this one.
enum class Watched { no, yes };

struct Store::Inside {
  explicit Inside(Options given)
      : options(std::move(given)), writer(options.file), readers(options.file) {}

  /// `work` in a transaction; returns what it returned once that is on disk.
  template <class Work>
  auto write(Watched watched, Work&& work, const Writer::Effect& committed = {}) {
    using Result = std::invoke_result_t<Work, Connection&>;
    const Writer::Effect effect = [&] {
      if (committed) committed();
      if (watched == Watched::yes) watch.bump();
    };
    if constexpr (std::is_void_v<Result>) {
      writer.perform(work, Durability::full, effect);
    } else {
      Result result{};
      writer.perform([&](Connection& database) { result = work(database); }, Durability::full,
                     effect);
      return result;
    }
  }

  /// For what may be lost with the machine, though not with the process: found out anew at the cost
  /// of a question, or of bytes that are sent again.
  template <class Work>
  void write_hint(Work&& work) {
    writer.perform(work, Durability::lazy, {});
  }

  Options options;
  Writer writer;
  Readers readers;
  Watch watch;
  Guarded<std::set<RunId>> cancelled;        ///< running, and asked to stop
  Guarded<std::set<std::string>> announced;  ///< sources whose runs a forge is told of
};

/// Throws Error(not_found) unless the run exists.
void require_run(Connection& database, RunId run);

}  // namespace lighterman::store
