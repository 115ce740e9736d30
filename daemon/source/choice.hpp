#pragma once

#include <string>
#include <vector>

#include "os/file_tree.hpp"
#include "source/ignore.hpp"
#include "source/tree_walk.hpp"

namespace lighterman::source {

/// All that the rules do not ignore.
class Unignored final : public Choice {
 public:
  /// `always`: paths that are wanted though a rule ignores them.
  Unignored(const IgnoreRules& rules, std::vector<std::string> always)
      : rules_(rules), always_(std::move(always)) {}
  bool wants(const std::string& path) const override;
  bool wants_below(const std::string& folder) const override;

 private:
  const IgnoreRules& rules_;
  const std::vector<std::string> always_;
};

/// What a build asks for.
class Asked final : public Choice {
 public:
  /// `place`: where the links are that it follows.
  Asked(const os::FileChoice& choice, const Place& place);
  bool wants(const std::string& path) const override;
  bool wants_below(const std::string& folder) const override;

 private:
  std::vector<std::string> included_;  ///< empty: everything
  IgnoreRules excluded_;
};

/// The paths, those that begin at a symbolic link of the tree with the path it leads to. A link out
/// of the tree stops at its root. Empty: one of them is the whole tree.
std::vector<std::string> follow_links(const Place& place, const std::vector<std::string>& paths);

/// Whether one of the patterns matches the path or a folder it lies in.
bool includes(const std::vector<std::string>& patterns, const std::string& path);

}  // namespace lighterman::source
