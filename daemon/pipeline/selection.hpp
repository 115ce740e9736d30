#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "policy/regex.hpp"

namespace lighterman::pipeline {

/// config::Patterns, ready to match: globs as Harbor writes them ("v{1,2}.*", "**"), and regular
/// expressions. Any thread.
class Selection {
 public:
  explicit Selection(const config::Patterns& patterns);  ///< throws Error(invalid)
  bool empty() const noexcept { return globs_.empty() && expressions_.empty(); }
  bool has(std::string_view text) const;  ///< one of them matches
  bool takes(std::string_view text) const { return empty() || has(text); }

 private:
  std::vector<std::string> globs_;  // without alternatives
  std::vector<std::unique_ptr<policy::Regex>> expressions_;
};

/// Whether a tag is not an image's but one that a signature or a list of referrers is kept under.
bool is_artifact_tag(std::string_view tag) noexcept;

}  // namespace lighterman::pipeline
