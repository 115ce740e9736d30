#include "pipeline/tags.hpp"

#include <algorithm>
#include <map>

#include "core/error.hpp"
#include "core/text.hpp"
#include "core/version.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::string_view branch_prefix = "refs/heads/";
constexpr std::string_view tag_prefix = "refs/tags/";

std::vector<std::string> usual_templates(const TagScene& scene) {
  if (scene.ref.starts_with(branch_prefix)) return {"{branch}", "sha-{short}", "latest"};
  if (!scene.ref.starts_with(tag_prefix)) return {"sha-{short}"};
  if (Version::parse(scene.ref.substr(tag_prefix.size()))) {
    return {"{version}", "{major}.{minor}", "{major}"};
  }
  return {"{tag}"};
}

std::map<std::string, std::string> values_of(const TagScene& scene) {
  std::map<std::string, std::string> values;
  values["sha"] = scene.commit;
  values["short"] = scene.commit.substr(0, 12);
  values["run"] = std::to_string(scene.run);
  const std::string date = render_time(scene.when).substr(0, 10);
  values["date"] = concat(date.substr(0, 4), date.substr(5, 2), date.substr(8, 2));
  if (scene.ref.starts_with(branch_prefix)) {
    values["branch"] = slug_tag(scene.ref.substr(branch_prefix.size()));
  }
  if (scene.ref.starts_with(tag_prefix)) {
    const std::string tag = scene.ref.substr(tag_prefix.size());
    values["tag"] = slug_tag(tag);
    if (const auto version = Version::parse(tag)) {
      values["version"] = version->text();
      // "1" and "1.2" promise a release; "0" would promise a stability that 0.x does not give.
      if (version->prerelease.empty()) {
        values["minor"] = std::to_string(version->minor);
        values["major"] = std::to_string(version->major);
      }
    }
  }
  return values;
}

bool names_one_commit(std::string_view placeholder) {
  return placeholder == "sha" || placeholder == "short" || placeholder == "run" ||
         placeholder == "version";
}

/// Empty where a placeholder has no value.
std::optional<TagPlan> render_template(const std::string& text,
                                       const std::map<std::string, std::string>& values) {
  TagPlan plan{"", true};
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t close = text[at] == '{' ? text.find('}', at) : std::string::npos;
    if (close == std::string::npos) {
      plan.tag.push_back(text[at++]);
      continue;
    }
    const std::string name = text.substr(at + 1, close - at - 1);
    const auto value = values.find(name);
    if (value == values.end()) return {};
    if (names_one_commit(name)) plan.moving = false;
    plan.tag += value->second;
    at = close + 1;
  }
  return plan;
}

bool is_for_default_branch(const std::string& tag) { return tag == "latest"; }

}  // namespace

std::vector<TagPlan> plan_tags(const std::vector<std::string>& templates, const TagScene& scene) {
  const std::map<std::string, std::string> values = values_of(scene);
  const bool on_default_branch =
      !scene.default_branch.empty() && scene.ref == concat(branch_prefix, scene.default_branch);
  std::vector<TagPlan> plans;
  for (const std::string& text : templates.empty() ? usual_templates(scene) : templates) {
    if (is_for_default_branch(text) && !on_default_branch) continue;
    // "{major}" alone of 0.x is left out; "{major}.{minor}" of it is a fair promise.
    if (text == "{major}" && values.contains("major") && values.at("major") == "0") continue;
    const std::optional<TagPlan> plan = render_template(text, values);
    if (!plan) continue;
    if (!is_tag(plan->tag)) {
      throw Error(ErrorKind::invalid, concat("tag template \"", text, "\" gives \"", plan->tag,
                                             "\", which is not a tag (letters, digits, '_', '.', "
                                             "'-', at most 128)"));
    }
    const bool known = std::any_of(plans.begin(), plans.end(),
                                   [&](const TagPlan& other) { return other.tag == plan->tag; });
    if (!known) plans.push_back(*plan);
  }
  return plans;
}

}  // namespace lighterman::pipeline
