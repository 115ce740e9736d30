#pragma once

#include <string>
#include <vector>

#include "core/build_plan.hpp"
#include "core/run.hpp"

namespace lighterman::pipeline {

/// What tag templates may speak of.
struct TagScene {
  RunId run = 0;
  std::string commit;
  std::string ref;             ///< full; empty: a bare commit
  std::string default_branch;  ///< "main"; empty: not known
  Instant when{};              ///< the commit's time, for {date}
};

/// The tags of one image. `templates` may hold {branch} {tag} {sha} {short} {version} {major}
/// {minor} {date} {run}; one whose placeholder has no value here is left out ({tag} on a branch,
/// {major} of a prerelease or of 0.x). "latest" is set by the default branch only. Empty
/// `templates` mean: the branch's name and "sha-<short>", "latest" on the default branch; for a
/// version tag 1.2.3, 1.2 and 1; for another git tag its name.
///
/// A tag is fixed when it names one commit, run or full version, otherwise it moves.
std::vector<TagPlan> plan_tags(const std::vector<std::string>& templates, const TagScene& scene);

}  // namespace lighterman::pipeline
