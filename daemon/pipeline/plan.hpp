#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "core/build_plan.hpp"
#include "core/run.hpp"
#include "policy/decision.hpp"
#include "source/mirror.hpp"

namespace lighterman::pipeline {

struct SkippedImage {
  std::string image, why;
};

/// What a run is going to do.
struct RunPlan {
  std::vector<BuildPlan> images;
  std::vector<SkippedImage> skipped;
  boost::json::object push;  ///< what plugins are told of it; empty: not asked yet
  std::map<std::string, policy::Decision> decisions;  ///< of on_push, by image
};

/// What plan_run looks at.
struct PlanScene {
  const Run* run = nullptr;
  const config::Source* source = nullptr;
  std::map<std::string, config::Image> images;  ///< the source's, with the repository file's
  source::Commit commit;
  std::string default_branch;                             ///< "main"; empty: not known
  std::optional<std::vector<std::string>> changed_paths;  ///< empty: not known, path filters pass
};

/// One BuildPlan per image that this push concerns, filters applied, labels and tags filled in.
/// Labels are the OCI image-spec's pre-defined annotations (annotations.md); `created` is the
/// commit's time, so that building a commit again gives the same image.
RunPlan plan_run(const PlanScene& scene);

/// The repository's URL without credentials, as a browser would open it.
std::string public_source_url(const std::string& url);

boost::json::value to_json(const RunPlan& plan);
RunPlan run_plan_from(const boost::json::value& given);

}  // namespace lighterman::pipeline
