#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "core/reference.hpp"
#include "registry/client.hpp"

namespace lighterman::registry {

/// What refers to the images of one repository, with few questions: whether its registry has the
/// referrers API is asked once, and what cosign and fallback tags there are is listed once. Any
/// thread.
class Beside {
 public:
  Beside(Client& client, const Reference& repository) : client_(client), repository_(repository) {}
  struct Found {
    std::vector<Digest> manifests;
    std::vector<std::string> tags;  ///< of cosign's own
  };
  Found find(const Digest& subject, const std::stop_token& stop);
  /// Lists the tags, where that was not done yet.
  void list(const std::stop_token& stop);

 private:
  bool has_tag(const std::string& tag, const std::stop_token& stop);

  Client& client_;
  const Reference repository_;
  std::mutex mutex_;
  bool without_api_ = false;
  std::mutex listing_;  ///< of `tags_`; held while they are asked for
  std::optional<std::set<std::string>> tags_;
  std::atomic<bool> lists_ = true;  ///< it lets us list its tags
};

}  // namespace lighterman::registry
