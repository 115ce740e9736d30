#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "core/error.hpp"
#include "net/http.hpp"

namespace lighterman::net {

struct Retry {
  int attempts = 6;                      ///< in all, the first one included
  std::chrono::milliseconds first{500};  ///< pause after the first failure
  std::chrono::milliseconds longest{30'000};
  /// Told before each pause: which attempt failed, why, how long the pause is.
  std::function<void(int attempt, const std::string& why, std::chrono::milliseconds pause)> report;
};

/// An Error(unavailable) that says how long to stay away (429 or 503 with Retry-After).
class Busy : public Error {
 public:
  Busy(const std::string& message, std::chrono::milliseconds pause)
      : Error(ErrorKind::unavailable, message), pause_(pause) {}
  std::chrono::milliseconds pause() const noexcept { return pause_; }

 private:
  std::chrono::milliseconds pause_;
};

/// Retry-After of an answer, as seconds or HTTP date (RFC 9110 section 10.2.3).
std::optional<std::chrono::milliseconds> retry_after(const Response& answer);

/// Sleeps, or throws Error(cancelled) on stop.
void pause(std::chrono::milliseconds length, const std::stop_token& stop);

/// The pause after failed attempt number `attempt` (1..): doubling, with full jitter in its upper
/// half.
std::chrono::milliseconds backoff(const Retry& retry, int attempt);

/// Calls `work` until it returns, or throws something that is not Error(unavailable), or the
/// attempts are used up (the last failure then leaves, with "after N attempts").
template <class Work>
auto retried(const Retry& retry, const std::stop_token& stop, Work&& work) {
  for (int attempt = 1;; ++attempt) {
    std::chrono::milliseconds wait{};
    std::string why;
    try {
      return work();
    } catch (const Error& error) {
      // Only what may pass is tried again.
      if (error.kind() != ErrorKind::unavailable || stop.stop_requested()) throw;
      if (attempt >= retry.attempts) {
        if (attempt == 1) throw;
        throw Error(error.kind(), concat(error.what(), " (after ", attempt, " attempts)"));
      }
      wait = backoff(retry, attempt);
      if (const auto* busy = dynamic_cast<const Busy*>(&error))
        wait = std::max(wait, busy->pause());
      why = error.what();
    }
    if (retry.report) retry.report(attempt, why, wait);
    pause(wait, stop);
  }
}

}  // namespace lighterman::net
