#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace lighterman::registry {

/// A rate that several uploads share (token bucket, a tenth of a second deep). Any thread.
class Throttle {
 public:
  explicit Throttle(std::uint64_t bytes_per_second) : rate_(bytes_per_second) {}

  /// How much of `wanted` may be sent next, waiting for at least some of it.
  std::size_t take(std::size_t wanted, const std::stop_token& stop);
  /// What was taken and not sent.
  void give_back(std::size_t unused);

 private:
  std::uint64_t rate_;  ///< 0: no limit
  std::mutex mutex_;
  double allowance_ = 0;
  std::chrono::steady_clock::time_point filled_ = std::chrono::steady_clock::now();
};

/// So many at a time. Any thread.
class Gate {
 public:
  explicit Gate(unsigned places) : free_(places == 0 ? 1 : places) {}

  class Pass {
   public:
    Pass(Gate& gate, const std::stop_token& stop);
    ~Pass();
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    Gate& gate_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable_any left_;
  unsigned free_;
};

}  // namespace lighterman::registry
