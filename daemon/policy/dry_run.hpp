#pragma once

#include <string>
#include <vector>

#include "policy/capability.hpp"
#include "policy/decision.hpp"

namespace lighterman::policy {

/// What plugins would do outside Lua if this were no dry run. One thread.
class DryRun {
 public:
  /// `look` performs what only reads (registries, http by GET and HEAD); empty: nothing is
  /// performed. The rest is refused to the plugin and remembered. Must not outlive this.
  Perform performer(Perform look = {});

  /// "would GET https://..." and the plugin: each once, in order.
  const std::vector<Said<std::string>>& wished() const noexcept { return wished_; }
  /// Takes the hooks out of the problems that failed of a refusal, and says so in their stead: what
  /// they would decide, nobody knows.
  std::vector<Said<std::string>> take_unknown(Decision& decision) const;

 private:
  std::vector<Said<std::string>> wished_;
};

}  // namespace lighterman::policy
