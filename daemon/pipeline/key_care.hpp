#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "net/retry.hpp"
#include "pipeline/yard.hpp"
#include "store/store.hpp"
#include "trust/keyring.hpp"

namespace lighterman::pipeline {

/// What was done with a key, or is to be done about it, for the daemon's log.
struct KeyNews {
  bool good = true;
  std::string key;  ///< its name; empty: all of them
  std::string text;
};
using KeyReport = std::function<void(const KeyNews& news)>;

/// What the book holds of an older key that its successor did not sign and, by the configuration's
/// policy, should; empty: the policy is to sign nothing again.
std::optional<store::SignatureFilter> left_to_sign(const config::Keys& keys,
                                                   const trust::KeyEntry& older,
                                                   const trust::KeyEntry& successor);

/// One round over all keys. What only a replaced key vouches for is signed again: the very payload
/// that we signed once, read from the registry and verified with the old key. A replaced key's
/// private part goes when it signs no more and nothing is left to sign again, or when not even its
/// public part counts any more. Ages are told. False: something failed and is worth another try.
bool care_for_keys(Yard& yard, store::Store& store, Instant now, const KeyReport& report,
                   const std::stop_token& stop);

/// Cares for the keys at start, each day, soon after their folder changed (a rotation), and again
/// after failures, with growing pauses.
class KeyCare {
 public:
  static net::Retry usual_retry() {
    return {0, std::chrono::minutes(1), std::chrono::hours(6), {}};
  }

  KeyCare(std::function<std::shared_ptr<Yard>()> yard, store::Store& store, KeyReport report,
          net::Retry retry = usual_retry());

 private:
  void work(const std::stop_token& stop);
  bool care(Yard& yard, const std::stop_token& stop);

  std::function<std::shared_ptr<Yard>()> yard_;
  store::Store& store_;
  KeyReport report_;
  net::Retry retry_;
  std::mutex waiting_;
  std::condition_variable_any woken_;
  std::jthread thread_;
};

}  // namespace lighterman::pipeline
