#pragma once

#include <functional>
#include <optional>
#include <string>

#include "pipeline/plan.hpp"
#include "policy/decision.hpp"
#include "policy/plugin.hpp"

namespace lighterman::pipeline {

/// Asks the plugins about an image ("": about the run).
using Ask = std::function<policy::Decision(policy::Hook hook, const std::string& image,
                                           const boost::json::value& facts)>;

/// Asks on_push about each image and makes the plan what is answered: skipped images leave it.
/// Error(invalid) when a hook failed or plugins contradict each other.
void let_plugins_plan(RunPlan& plan, const PlanScene& scene, const Ask& ask);

/// What somebody asked for by hand goes first, then plugins, then the configuration, then what is
/// usual. Tags of plugins stand in for the usual ones and unite with those of the configuration.
void apply(const policy::Decision& decision, const config::Image& image, const PushEvent& event,
           BuildPlan& plan);

/// Adds what is not there; a tag that somebody calls fixed is fixed.
void unite(std::vector<TagPlan>& tags, const std::vector<policy::Said<TagPlan>>& more);

/// Why a staged image may not be published; empty: it may. A hook that failed denies (fails
/// closed).
std::optional<std::string> why_denied(const policy::Decision& decision);

/// The same with who said so, one by one.
std::vector<policy::Said<std::string>> denials(const policy::Decision& decision);

/// One thing a plugin said, for people.
struct Said {
  std::string plugin, text;
};
std::vector<Said> told(const policy::Decision& decision);

}  // namespace lighterman::pipeline
