#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/push_event.hpp"
#include "pipeline/yard.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// How a source's heads are compared with what was last seen.
enum class FirstSight {
  remember,      ///< a webhook tells of pushes: what is there already was not missed
  build_default  ///< nothing but polling tells: the default branch is built at once
};

/// The pushes that `heads` (full ref -> commit) show and nobody told of. Remembers what it saw.
/// Returns the runs it added.
std::vector<RunId> catch_up(const config::Source& source,
                            const std::map<std::string, std::string>& heads,
                            const std::string& default_branch, Origin origin, FirstSight first,
                            store::Store& store, const Clock& clock = system_now);

/// Makes PushEvents without a webhook: schedules, polls, and missed deliveries at start and by
/// interval. A remote that does not answer delays its own source only. Any thread.
class Watcher {
 public:
  /// Told what went wrong with a source, for the daemon's log.
  using Complain = std::function<void(const std::string& source, const std::string& why)>;

  Watcher(std::shared_ptr<Yard> yard, store::Store& store, Complain complain,
          Clock clock = system_now);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

 private:
  struct Duty {
    std::string source;  ///< empty: of all
    Instant due{};
    bool taken = false;
    std::function<Instant(Instant now, const std::stop_token&)> perform;  ///< returns when again
  };
  void add_duties(const config::Source& source);
  void add_base_duty();
  Duty* find_due(Instant now);
  void work(const std::stop_token& stop);

  std::shared_ptr<Yard> yard_;  // shared with the daemon and the runs
  store::Store& store_;
  Complain complain_;
  Clock clock_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Duty> duties_;
  std::vector<std::jthread> threads_;
};

}  // namespace lighterman::pipeline
