#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "staging/wing.hpp"

namespace lighterman::staging {

/// Uploads that have begun and wait for their next request (distribution-spec, "Pushing a blob in
/// chunks"). Any thread.
class Uploads {
 public:
  struct Upload {
    std::weak_ptr<Wing> wing;
    std::unique_ptr<Incoming> incoming;
  };

  std::string begin(const std::shared_ptr<Wing>& wing) {
    const std::lock_guard lock(mutex_);
    // What a session left unfinished goes with it.
    std::erase_if(uploads_, [](const auto& entry) { return entry.second.wing.expired(); });
    std::string id = os::random_id();
    uploads_.emplace(id, Upload{wing, wing->layout().receive()});
    return id;
  }
  /// The caller has it alone until it gives it back.
  Upload take(const std::string& id, const std::shared_ptr<Wing>& wing) {
    const std::lock_guard lock(mutex_);
    const auto found = uploads_.find(id);
    if (found == uploads_.end() || found->second.wing.lock() != wing)
      throw Error(ErrorKind::not_found, concat("there is no upload ", id));
    Upload upload = std::move(found->second);
    uploads_.erase(found);
    return upload;
  }
  void give_back(const std::string& id, Upload upload) {
    const std::lock_guard lock(mutex_);
    uploads_.emplace(id, std::move(upload));
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Upload> uploads_;
};

}  // namespace lighterman::staging
