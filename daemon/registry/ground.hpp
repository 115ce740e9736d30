#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>

#include "core/reference.hpp"
#include "registry/options.hpp"

namespace lighterman::store {
class Store;
}

namespace lighterman::registry {

class Harbor;

/// What a push needs to be there and some products do not make by themselves: Harbor's project,
/// ECR's repository. Does nothing unless Options::create is set. Any thread.
class Ground {
 public:
  Ground(const Options& options, store::Store& store);
  ~Ground();
  Ground(const Ground&) = delete;
  Ground& operator=(const Ground&) = delete;

  /// Makes it, once; who waits for another that makes it waits as long. Where making is denied the
  /// push tells whether it was needed.
  void prepare(const Reference& repository, const std::stop_token& stop);
  /// Whether the product says that it is not there yet, where reading it is denied for that.
  bool is_missing(const Reference& repository, const std::stop_token& stop);

 private:
  Harbor& harbor();
  void make_in_ecr(const Reference& repository, const std::stop_token& stop);

  const Options& options_;
  store::Store& store_;
  std::mutex mutex_;
  std::unique_ptr<Harbor> harbor_;
  std::set<std::string> ready_;  ///< names of projects or repositories
  /// Repositories we may not make, and when that is tried again.
  std::map<std::string, std::chrono::steady_clock::time_point> denied_;
};

}  // namespace lighterman::registry
