#pragma once

#include <string>

#include "core/time.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// What happens by a cron schedule, remembered in the store, so that a time that the daemon missed
/// is made up for. What never happened is first due at the schedule's next time.
class Due {
 public:
  Due(store::Store& store, std::string scope, std::string name)
      : store_(store), scope_(std::move(scope)), name_(std::move(name)) {}

  bool is_due(const std::string& cron, Instant now);
  void done(Instant now);
  void failed(Instant now);  ///< it is due again in a minute, later after each failure in a row

 private:
  store::Store& store_;
  std::string scope_, name_;
};

}  // namespace lighterman::pipeline
