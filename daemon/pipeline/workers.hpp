#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/guarded.hpp"
#include "pipeline/runner.hpp"

namespace lighterman::pipeline {

/// Whether there is less disk space for `data` than the configuration wants free: runs wait then.
bool is_disk_low(const config::Config& config);

/// Threads that claim queued runs and perform them. Runs of one ref go one after the other, in the
/// order they came; different refs go side by side. Any thread.
class Workers {
 public:
  /// Told when a run ends, for the daemon's log.
  using Report = std::function<void(const Run& run, const RunEnd& end)>;

  Workers(RunnerOptions options, unsigned count, staging::Staging& staging, store::Store& store,
          std::function<std::shared_ptr<Yard>()> yard, Report report);
  ~Workers();  ///< hands back what still runs
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Claims nothing more; runs get `limit` to end, then they are handed back. Returns when idle.
  void stop(std::chrono::milliseconds limit);

 private:
  struct Active {
    std::string lane;  ///< source and ref
    std::stop_source stop;
  };
  void work(const std::stop_token& stop);
  void pass_on_cancels(const std::stop_token& stop);
  std::optional<std::pair<Run, std::stop_token>> claim();
  void perform(const Run& run, const std::stop_token& stop);
  RunEnd outcome(const Run& run, Journal& journal, const std::stop_token& stop);
  bool tell_finished(RunId run, const RunEnd& end, Journal& journal);

  RunnerOptions options_;
  staging::Staging& staging_;
  store::Store& store_;
  std::function<std::shared_ptr<Yard>()> yard_;
  Report report_;
  Guarded<std::map<RunId, Active>> active_;
  std::stop_source ending_;  ///< what runs is handed back
  std::vector<std::jthread> threads_;
};

}  // namespace lighterman::pipeline
