#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "cli/data_lock.hpp"
#include "core/reference.hpp"
#include "os/file.hpp"
#include "pipeline/yard.hpp"
#include "store/store.hpp"

namespace lighterman::cli {

/// Registries as ~/.docker/config.json knows them, without a daemon. What is learnt of them, and
/// how far uploads came, is kept in the user's cache folder (XDG Base Directory Specification), so
/// that a copy that was broken off goes on; while another program uses that, this one keeps
/// nothing.
class Jetty {
 public:
  struct Words {
    bool plain_http = false;  ///< they may be asked without TLS
    bool create = false;      ///< a push creates what it needs
  };
  Jetty(const std::vector<Reference>& places, const Words& words);
  pipeline::Yard& yard() noexcept { return *yard_; }

 private:
  std::optional<os::ScratchFolder> scratch_;
  std::optional<DataLock> lock_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<pipeline::Yard> yard_;
};

}  // namespace lighterman::cli
