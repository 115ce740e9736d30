#include "pipeline/decide.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "pipeline/facts.hpp"

namespace lighterman::pipeline {

using policy::Decision;

void unite(std::vector<TagPlan>& tags, const std::vector<policy::Said<TagPlan>>& more) {
  for (const policy::Said<TagPlan>& said : more) {
    const auto same = std::ranges::find(tags, said.value.tag, &TagPlan::tag);
    if (same == tags.end()) {
      tags.push_back(said.value);
    } else {
      same->moving = same->moving && said.value.moving;
      if (same->version.empty()) same->version = said.value.version;
    }
  }
}

namespace {

/// The version that the image's tags move by; empty: none, or several.
std::string common_version(const std::vector<policy::Said<TagPlan>>& tags) {
  std::string version;
  for (const policy::Said<TagPlan>& said : tags) {
    if (said.value.version.empty() || said.value.version == version) continue;
    if (!version.empty()) return "";
    version = said.value.version;
  }
  return version;
}

}  // namespace

void apply(const Decision& decision, const config::Image& image, const PushEvent& event,
           BuildPlan& plan) {
  for (const auto& [name, said] : decision.args) {
    if (!event.args.contains(name)) plan.args.insert_or_assign(name, said.value);
  }
  // By its label a daemon that has lost its memory knows what holds a moving tag.
  if (const std::string version = common_version(decision.tags); !version.empty())
    plan.labels["org.opencontainers.image.version"] = version;
  for (const auto& [name, said] : decision.labels) plan.labels.insert_or_assign(name, said.value);
  if (decision.target) plan.target = decision.target->value;
  if (!decision.platforms.empty()) {
    std::vector<std::string> wanted;
    for (const policy::Said<std::string>& said : decision.platforms) {
      if (std::ranges::find(wanted, said.value) == wanted.end()) wanted.push_back(said.value);
    }
    set_platforms(plan, std::move(wanted));
  }
  if (decision.tags.empty()) return;
  if (image.tags.empty()) plan.tags.clear();
  unite(plan.tags, decision.tags);
}

void let_plugins_plan(RunPlan& plan, const PlanScene& scene, const Ask& ask) {
  plan.push = push_facts(scene);
  std::vector<BuildPlan> images;
  for (BuildPlan& image : plan.images) {
    const Decision decision = ask(policy::Hook::on_push, image.image, plan_facts(plan.push, image));
    plan.decisions[image.image] = decision;
    if (!decision.problems.empty()) {
      throw Error(ErrorKind::invalid, concat("image \"", image.image, "\": plugin ",
                                             policy::reasons(decision.problems)));
    }
    if (!decision.skip.empty()) {
      plan.skipped.push_back({image.image, policy::reasons(decision.skip)});
      continue;
    }
    during(concat("image \"", image.image, "\""),
           [&] { apply(decision, scene.images.at(image.image), scene.run->event, image); });
    images.push_back(std::move(image));
  }
  plan.images = std::move(images);
}

std::vector<policy::Said<std::string>> denials(const Decision& decision) {
  std::vector<policy::Said<std::string>> all = decision.deny;
  for (const policy::Said<std::string>& problem : decision.problems)
    all.push_back({concat("its hook failed, which denies: ", problem.value), problem.plugin});
  return all;
}

std::optional<std::string> why_denied(const Decision& decision) {
  const std::vector<policy::Said<std::string>> all = denials(decision);
  if (all.empty()) return {};
  return policy::reasons(all);
}

std::vector<Said> told(const Decision& decision) {
  std::vector<Said> lines;
  const auto tell = [&](const std::string& plugin, const auto&... words) {
    lines.push_back({plugin, concat(words...)});
  };
  for (const auto& said : decision.problems) tell(said.plugin, "failed: ", said.value);
  for (const auto& said : decision.skip) tell(said.plugin, "skip: ", said.value);
  for (const auto& said : decision.deny) tell(said.plugin, "deny: ", said.value);
  for (const auto& said : decision.tags)
    tell(said.plugin, "tag ", said.value.tag, said.value.moving ? ", which moves" : ", which stays",
         said.value.version.empty() ? "" : concat(" (version ", said.value.version, ')'));
  for (const auto& [name, said] : decision.args)
    tell(said.plugin, "build argument ", name, '=', said.value);
  for (const auto& [name, said] : decision.labels)
    tell(said.plugin, "label ", name, '=', said.value);
  if (decision.target) tell(decision.target->plugin, "build stage ", decision.target->value);
  for (const auto& said : decision.platforms) tell(said.plugin, "platform ", said.value);
  for (const policy::Action& action : decision.actions)
    tell(action.plugin, action.kind, ' ', boost::json::serialize(action.body));
  return lines;
}

}  // namespace lighterman::pipeline
