#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/build_plan.hpp"
#include "core/image.hpp"
#include "core/run.hpp"
#include "pipeline/plan.hpp"
#include "scan/origin.hpp"

namespace lighterman::pipeline {

// What hooks are given, as plugins/README.md describes it: plain values, no secrets. What is not
// known is left out, so that Lua sees nil.

boost::json::object push_facts(const PlanScene& scene);
/// The push with the image's plan in it, for on_push.
boost::json::object plan_facts(const boost::json::object& push, const BuildPlan& plan);

struct StagedScene {
  const boost::json::object* push = nullptr;
  const BuildPlan* plan = nullptr;
  const StagedImage* image = nullptr;
  std::string config;           ///< the image's config blob (OCI image-spec, config.md)
  std::string dockerfile;       ///< its text
  std::string staging;          ///< host:port
  boost::json::value engine;    ///< result of the engine stage; null: not known
  boost::json::array bases;     ///< as far as they are known
  boost::json::value previous;  ///< see previous_image(); null: none
};
boost::json::object staged_facts(const StagedScene& scene);
boost::json::object published_facts(boost::json::object staged,
                                    const std::vector<PublishedImage>& published);

/// What on_rescan is told of a published image besides its findings; and `layers`, for
/// layer_origins_from().
boost::json::object rescan_facts(const boost::json::object& published,
                                 const std::vector<scan::LayerOrigin>& layers);
std::vector<scan::LayerOrigin> layer_origins_from(const boost::json::value& rescan_facts);

/// What of a published image the next one is compared with.
boost::json::object lasting_facts(const boost::json::object& published, const Run& run);
/// Out of the lasting facts by ref: of the same branch, or of the highest lower version.
boost::json::value previous_image(const std::map<std::string, std::string>& lasting,
                                  const Run& run);

struct FinishedScene {
  const Run* run = nullptr;
  RunState state = RunState::succeeded;
  std::string why, previous_status, url;
  Instant now{};
  const std::vector<Stage>* stages = nullptr;
};
boost::json::object finished_facts(const FinishedScene& scene);

}  // namespace lighterman::pipeline
