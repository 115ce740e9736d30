#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "core/guarded.hpp"
#include "policy/catalogue.hpp"
#include "policy/host.hpp"
#include "policy/powers.hpp"

namespace lighterman::pipeline {

using Seats = std::vector<policy::Seat>;

/// Loads a plugin that the configuration puts to work. Error(invalid, denied or not_found) when it
/// is not there, is wrong, has other settings, or needs more than it is allowed.
policy::Seat load_seat(const config::PluginSeat& given, const policy::Catalogue& catalogue);

/// The plugins of one configuration. Files that change are read anew. Any thread.
class Rulebook {
 public:
  /// Error(invalid) that names the plugin which cannot be loaded. The configuration outlives this.
  Rulebook(const config::Config& config, policy::PowersOptions powers);

  std::shared_ptr<const Seats> seats() const;
  /// Looks whether files changed. New ones are loaded, and their specs run, before they replace the
  /// old ones together. Returns what to tell the operator: once for each change.
  struct News {
    bool good = true;
    std::string text;
  };
  std::optional<News> refresh();
  policy::Powers& powers() noexcept { return powers_; }

 private:
  struct Shelf {
    std::shared_ptr<const Seats> seats;  // shared with the questions under way
    std::string fingerprint;
  };
  const config::Config& config_;
  policy::Catalogue catalogue_;
  policy::Powers powers_;
  Guarded<Shelf> shelf_;
};

}  // namespace lighterman::pipeline
