#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "config/config.hpp"
#include "core/hook_record.hpp"
#include "net/http.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// Tells forges how runs stand. What was told last is kept with the action, so that nothing is told
/// twice. One thread.
class StatusTeller {
 public:
  /// Tells how `run` stands, and writes into the action's body what was told. Returns when to try
  /// instead, where the forge is left alone just now. Throws what commit_status.hpp says.
  std::optional<Instant> tell(const config::Config& config, const store::Store& store,
                              const Run& run, ActionRecord& action, const std::stop_token& stop);
  /// Leaves the forge alone until the action is due: whoever asks all others at once what it could
  /// not answer one makes its trouble worse.
  void rest(const config::Config& config, const Run& run, const ActionRecord& action);

 private:
  net::Client client_;
  std::map<std::string, Instant> resting_;  ///< by API, until when
};

}  // namespace lighterman::pipeline
