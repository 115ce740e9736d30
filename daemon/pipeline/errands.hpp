#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "core/hook_record.hpp"
#include "net/retry.hpp"
#include "pipeline/yard.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// Performs the actions that plugins asked for when their time comes: notices (`post`), tried again
/// with growing pauses until they are told or their tries are used up, also after a restart.
class Errands {
 public:
  /// Told how each action ended, for the daemon's log.
  using Report = std::function<void(const ActionRecord& action)>;

  /// How long to wait between tries; how often to try, an action may say itself.
  static net::Retry usual_retry() {
    return {5, std::chrono::seconds(5), std::chrono::minutes(10), {}};
  }

  Errands(std::function<std::shared_ptr<Yard>()> yard, store::Store& store, Report report,
          net::Retry retry = usual_retry());

 private:
  void work(const std::stop_token& stop);
  void perform(ActionRecord action, const std::stop_token& stop);

  std::function<std::shared_ptr<Yard>()> yard_;
  store::Store& store_;
  Report report_;
  net::Retry retry_;
  std::jthread thread_;
};

}  // namespace lighterman::pipeline
