#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "pipeline/yard.hpp"

namespace lighterman::pipeline {

/// Asks each engine now and then whether it is there, for the metrics: a scrape must not wait for
/// one that hangs.
class Lookout {
 public:
  explicit Lookout(std::function<std::shared_ptr<Yard>()> yard,
                   std::chrono::milliseconds interval = std::chrono::seconds(15));

 private:
  void work(const std::stop_token& stop);

  std::function<std::shared_ptr<Yard>()> yard_;
  std::chrono::milliseconds interval_;
  std::mutex waiting_;
  std::condition_variable_any woken_;
  std::jthread thread_;
};

}  // namespace lighterman::pipeline
