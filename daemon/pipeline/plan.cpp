#include "pipeline/plan.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/text.hpp"
#include "core/version.hpp"
#include "pipeline/matrix.hpp"
#include "pipeline/tags.hpp"

namespace lighterman::pipeline {
namespace {

bool matches_any(const std::vector<std::string>& globs, const std::string& text) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return matches_glob(glob, text); });
}

/// Why this push does not concern the image; empty: it does.
std::optional<std::string> why_skipped(const config::Image& image, const PlanScene& scene) {
  const PushEvent& event = scene.run->event;
  if (!event.images.empty()) {
    // Somebody asked for images by name: filters do not speak against that.
    const bool wanted = std::ranges::any_of(event.images, [&](const std::string& name) {
      return name == image.name || name == family_of(image);
    });
    return wanted ? std::nullopt : std::optional<std::string>("not asked for");
  }
  if (const auto branch = event.branch();
      branch && !image.branches.empty() && !matches_any(image.branches, *branch)) {
    return concat("branch \"", *branch, "\" is not among its branches");
  }
  if (const auto tag = event.tag();
      tag && !image.git_tags.empty() && !matches_any(image.git_tags, *tag)) {
    return concat("tag \"", *tag, "\" is not among its git_tags");
  }
  // A tag says "build this", whatever the last commit touched.
  if (event.tag() || !scene.changed_paths) return {};
  const auto concerns = [&](const std::string& path) {
    return (image.paths.empty() || matches_any(image.paths, path)) &&
           !matches_any(image.paths_ignore, path);
  };
  if (image.paths.empty() && image.paths_ignore.empty()) return {};
  if (std::any_of(scene.changed_paths->begin(), scene.changed_paths->end(), concerns)) return {};
  return "no changed path concerns it";
}

std::map<std::string, std::string> usual_labels(const PlanScene& scene) {
  const std::string prefix = "org.opencontainers.image.";
  const PushEvent& event = scene.run->event;
  const Instant committed{std::chrono::seconds(scene.commit.time)};
  std::map<std::string, std::string> labels{
      {prefix + "source", public_source_url(scene.source->url)},
      {prefix + "revision", scene.commit.id},
      {prefix + "created", render_time(committed)}};
  if (const auto branch = event.branch()) labels[prefix + "ref.name"] = *branch;
  if (const auto tag = event.tag()) {
    labels[prefix + "ref.name"] = *tag;
    const auto version = Version::parse(*tag);
    labels[prefix + "version"] = version ? version->text() : *tag;
  }
  return labels;
}

BuildPlan plan_image(const config::Image& image, const PlanScene& scene) {
  const Run& run = *scene.run;
  BuildPlan plan;
  plan.image = image.name;
  plan.source = scene.source->name;
  plan.commit = scene.commit.id;
  plan.ref = run.event.ref;
  plan.context = image.context;
  plan.dockerfile = image.dockerfile;
  plan.target = image.target;
  set_platforms(plan, image.platforms);
  plan.network = image.network;
  plan.engine = image.engine;
  plan.builder = image.builder;
  plan.staging = image.staging;
  plan.reuse = image.reuse;
  plan.reproducible = image.reproducible;
  plan.no_cache = image.no_cache || run.event.no_cache;
  plan.pull = image.pull || run.event.pull;
  plan.args = run.event.args;
  plan.args.insert(image.args.begin(), image.args.end());
  plan.labels = image.labels;
  plan.labels.merge(usual_labels(scene));
  plan.cache_from = image.cache_from;
  plan.cache_to = image.cache_to;
  plan.contexts = image.contexts;
  plan.secrets = image.secrets;
  plan.ssh = image.ssh;
  plan.targets = image.targets;
  plan.limits = image.limits;
  plan.tags = plan_tags(image.tags, {run.id, scene.commit.id, run.event.ref, scene.default_branch,
                                     Instant{std::chrono::seconds(scene.commit.time)}});
  return plan;
}

}  // namespace

std::string public_source_url(const std::string& url) {
  std::string shown = url;
  const std::size_t scheme = shown.find("://");
  if (scheme != std::string::npos) {
    const std::size_t host = scheme + 3;
    const std::size_t path = shown.find('/', host);
    const std::size_t at = shown.rfind('@', path);
    if (at != std::string::npos && at >= host) shown.erase(host, at + 1 - host);
  }
  if (shown.ends_with(".git")) shown.resize(shown.size() - 4);
  return shown;
}

RunPlan plan_run(const PlanScene& scene) {
  for (const std::string& wanted : scene.run->event.images) {
    const bool known = std::ranges::any_of(scene.images, [&](const auto& each) {
      return each.first == wanted || family_of(each.second) == wanted;
    });
    if (known) continue;
    std::vector<std::string> names;
    for (const auto& [name, image] : scene.images) names.push_back(name);
    throw Error(ErrorKind::not_found, concat("source \"", scene.source->name, "\" has no image \"",
                                             wanted, "\"", did_you_mean(wanted, names)));
  }
  RunPlan plan;
  for (const auto& entry : scene.images) {
    const auto& name = entry.first;
    const auto& image = entry.second;
    if (const auto why = why_skipped(image, scene)) {
      plan.skipped.push_back({name, *why});
    } else {
      plan.images.push_back(
          during(concat("image \"", name, "\""), [&] { return plan_image(image, scene); }));
    }
  }
  return plan;
}

boost::json::value to_json(const RunPlan& plan) {
  boost::json::array images, skipped;
  for (const BuildPlan& image : plan.images) images.push_back(to_json(image));
  for (const SkippedImage& image : plan.skipped) {
    skipped.push_back({{"image", image.image}, {"why", image.why}});
  }
  boost::json::object decisions;
  for (const auto& [image, decision] : plan.decisions) decisions[image] = to_json(decision);
  return {{"images", std::move(images)},
          {"skipped", std::move(skipped)},
          {"push", plan.push},
          {"decisions", std::move(decisions)}};
}

RunPlan run_plan_from(const boost::json::value& given) {
  RunPlan plan;
  for (const boost::json::value& image : given.at("images").as_array()) {
    plan.images.push_back(build_plan_from(image));
  }
  for (const boost::json::value& image : given.at("skipped").as_array()) {
    plan.skipped.push_back(
        {std::string(image.at("image").as_string()), std::string(image.at("why").as_string())});
  }
  // A run that an older daemon planned has neither.
  if (const auto* push = given.as_object().if_contains("push")) plan.push = push->as_object();
  if (const auto* decisions = given.as_object().if_contains("decisions")) {
    for (const auto& field : decisions->as_object())
      plan.decisions[field.key()] = policy::decision_from(field.value());
  }
  return plan;
}

}  // namespace lighterman::pipeline
