#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/guarded.hpp"
#include "core/look.hpp"
#include "core/time.hpp"

namespace lighterman::api {

using TellLook = std::function<void(const Look& look)>;
/// Looks at all that a push needs. Throws Error.
using Examine = std::function<void(const TellLook& tell, const std::stop_token& stop)>;

/// The doctor's rounds: one at a time, on a thread of its own. After `limit` they are asked to end,
/// which they do as soon as what they wait for hears of it: connecting to a source that is silent
/// does only when the system gives up. Any thread.
class Checkups {
 public:
  Checkups(Examine examine, Clock clock, std::chrono::milliseconds limit)
      : examine_(std::move(examine)), clock_(std::move(clock)), limit_(limit) {}

  bool begin();  ///< false: one is under way
  /// Asks the one that is under way to end, and does not wait for it.
  void stop();
  /// How far it is; of the last one, where none is under way.
  boost::json::object report() const;

 private:
  struct Round {
    std::optional<Instant> began, ended;
    std::vector<Look> looks;
    std::string why;  ///< it did not come to its end
  };
  void perform(const std::stop_token& stop);

  Examine examine_;
  Clock clock_;
  std::chrono::milliseconds limit_;
  Guarded<Round> round_;
  std::jthread thread_;  ///< replaced under the lock of `round_`
};

}  // namespace lighterman::api
