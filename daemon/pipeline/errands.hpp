#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "core/hook_record.hpp"
#include "net/retry.hpp"
#include "pipeline/status_teller.hpp"
#include "pipeline/yard.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// Performs actions when their time comes: notices that plugins asked for (`post`), and what forges
/// are told of runs (`status`). Each is tried again with growing pauses until it is told or its
/// tries are used up, also after a restart. A forge that hangs keeps no notice waiting.
class Errands {
 public:
  /// Told how each action ended, for the daemon's log.
  using Report = std::function<void(const ActionRecord& action)>;

  /// How long to wait between tries; how often to try, an action may say itself.
  static net::Retry usual_retry() {
    return {5, std::chrono::seconds(5), std::chrono::minutes(10), {}};
  }
  /// A merge may wait for a status: some hours.
  static net::Retry patient_retry() {
    return {20, std::chrono::seconds(5), std::chrono::minutes(10), {}};
  }

  Errands(std::function<std::shared_ptr<Yard>()> yard, store::Store& store, Report report,
          net::Retry retry = usual_retry(), net::Retry status_retry = patient_retry());

 private:
  void work(store::Errand errand, const std::stop_token& stop);
  void post(ActionRecord action, const std::stop_token& stop);
  void tell(ActionRecord action, const std::stop_token& stop);
  void end(const ActionRecord& action);

  std::function<std::shared_ptr<Yard>()> yard_;
  store::Store& store_;
  Report report_;
  net::Retry retry_, status_retry_;
  StatusTeller teller_;  ///< of the thread for statuses
  std::jthread notices_, statuses_;
};

}  // namespace lighterman::pipeline
