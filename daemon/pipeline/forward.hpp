#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/run.hpp"
#include "registry/client.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// What wants to have a moving tag.
struct TagClaim {
  RunId run = 0;
  std::string commit;
  std::string ref;           ///< full; empty: a bare commit
  std::string version = {};  ///< empty: that of `ref`, where it is a version
};

/// Whether the first commit is an ancestor of the second one, or the same.
using Ancestry = std::function<bool(const std::string& older, const std::string& newer)>;

/// Why `claim` must leave a moving tag where `holder` put it; empty: it may move. Two that have
/// a version compare by it (semver.org section 11), everything else by ancestry; where history says
/// nothing (a force-push, an unknown commit) the later run wins.
std::optional<std::string> why_held_back(const TagClaim& claim, const store::TagRecord& holder,
                                         const Ancestry& is_ancestor);

/// Who holds `tag` by the labels of the image it points to (another daemon, a lost data folder);
/// empty when there is no such tag or its image does not say.
std::optional<store::TagRecord> holder_by_labels(registry::Client& client, const Reference& tag,
                                                 const std::stop_token& stop);

}  // namespace lighterman::pipeline
