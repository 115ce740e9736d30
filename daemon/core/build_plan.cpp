#include "core/build_plan.hpp"

#include <algorithm>

#include "core/choices.hpp"
#include "core/json.hpp"

namespace lighterman {
namespace {

constexpr Choice<Builder> builders[] = {
    {Builder::automatic, "auto"}, {Builder::buildkit, "buildkit"}, {Builder::classic, "classic"}};
constexpr Choice<StagingWay> ways[] = {
    {StagingWay::automatic, "auto"}, {StagingWay::push, "push"}, {StagingWay::exported, "export"}};
constexpr Choice<Reuse> reuses[] = {{Reuse::automatic, "auto"}, {Reuse::never, "never"}};

boost::json::object to_json(const BuildLimits& limits) {
  return {{"memory_bytes", limits.memory_bytes},
          {"cpus", limits.cpus},
          {"timeout_ms", limits.timeout.count()}};
}

boost::json::object to_json(const std::map<std::string, NamedContext>& contexts) {
  boost::json::object object;
  for (const auto& [name, context] : contexts) object[name] = render(context);
  return object;
}

BuildLimits build_limits_from(const boost::json::value& given) {
  const Fields fields(given, "build plan.limits");
  BuildLimits limits;
  limits.memory_bytes = fields.natural_or("memory_bytes", 0);
  limits.cpus = fields.number_or("cpus", 0);
  if (!(limits.cpus >= 0)) fields.refuse("cpus", "a number from 0 on is expected");
  limits.timeout =
      std::chrono::milliseconds(fields.integer_or("timeout_ms", limits.timeout.count()));
  if (limits.timeout.count() < 0) fields.refuse("timeout_ms", "a time cannot be negative");
  return limits;
}

}  // namespace

std::string_view render(Builder builder) noexcept { return name_of(builders, builder); }
Builder parse_builder(std::string_view given) { return choice_of(builders, given, "builder"); }
std::string_view render(StagingWay way) noexcept { return name_of(ways, way); }
StagingWay parse_staging_way(std::string_view given) {
  return choice_of(ways, given, "way of staging");
}

std::string_view render(Reuse reuse) noexcept { return name_of(reuses, reuse); }
Reuse parse_reuse(std::string_view given) { return choice_of(reuses, given, "reuse"); }

NamedContext parse_named_context(std::string_view given) {
  constexpr std::string_view image = "docker-image://", source = "source:";
  NamedContext context;
  if (given.starts_with(image)) {
    context.image = Reference::parse(given.substr(image.size())).text();
  } else if (given.starts_with(source)) {
    const std::string_view rest = given.substr(source.size());
    const std::size_t hash = std::min(rest.find('#'), rest.size());
    context.source = rest.substr(0, hash);
    if (context.source.empty()) {
      throw Error(ErrorKind::invalid,
                  concat("\"", given, "\" names no source: source:NAME#REF:FOLDER"));
    }
    if (hash < rest.size()) {
      const std::string_view place = rest.substr(hash + 1);
      const std::size_t colon = std::min(place.find(':'), place.size());
      context.ref = place.substr(0, colon);
      if (colon < place.size()) context.folder = place.substr(colon + 1);
    }
  } else if (given.find("://") != std::string_view::npos || given.starts_with("git@")) {
    throw Error(ErrorKind::invalid,
                concat("\"", given,
                       "\": a repository is named as a source that is configured here "
                       "(source:NAME#REF:FOLDER), so that it is fetched with its credentials"));
  } else {
    context.folder = given;
  }
  if (context.folder.empty()) context.folder = ".";
  return context;
}

std::string context_name(std::string_view given) {
  const Reference reference = Reference::parse(given);
  constexpr std::string_view official = "library/";
  std::string name = reference.name();
  if (reference.host() == "docker.io") {
    name = reference.repository();
    if (name.starts_with(official)) name.erase(0, official.size());
  }
  if (reference.tag() && reference.tag() != "latest") name += concat(':', *reference.tag());
  if (reference.digest()) name += concat('@', *reference.digest());
  return name;
}

std::string render(const NamedContext& context) {
  if (!context.image.empty()) return concat("docker-image://", context.image);
  if (context.source.empty()) return context.folder;
  const bool whole = context.folder == ".";
  return concat("source:", context.source, context.ref.empty() && whole ? "" : "#", context.ref,
                whole ? "" : ":", whole ? "" : context.folder);
}

boost::json::object to_json(const TagPlan& plan) {
  boost::json::object tag{{"tag", plan.tag}, {"moving", plan.moving}};
  if (!plan.version.empty()) tag["version"] = plan.version;
  return tag;
}

std::string cache_apart(const std::string& cache_to, std::string_view part) {
  if (cache_to.empty()) return {};
  const Reference cache = Reference::parse(cache_to);
  std::string tag = concat(cache.tag().value_or("latest"), '-', part);
  std::ranges::replace_if(
      tag,
      [](char c) {
        const bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        return !plain && c != '.' && c != '_' && c != '-';
      },
      '-');
  constexpr std::size_t longest_tag = 128;
  return concat(cache.name(), ':', tag.substr(0, longest_tag));
}

void set_platforms(BuildPlan& plan, std::vector<std::string> platforms) {
  plan.platform = platforms.size() == 1 ? platforms.front() : "";
  plan.platforms.clear();
  if (platforms.size() > 1) plan.platforms = std::move(platforms);
}

boost::json::value to_json(const BuildPlan& plan) {
  boost::json::array targets, tags;
  for (const Reference& target : plan.targets) targets.emplace_back(target.text());
  for (const TagPlan& tag : plan.tags) tags.push_back(to_json(tag));
  return boost::json::object{{"image", plan.image},
                             {"source", plan.source},
                             {"commit", plan.commit},
                             {"ref", plan.ref},
                             {"context", plan.context},
                             {"dockerfile", plan.dockerfile},
                             {"target", plan.target},
                             {"platform", plan.platform},
                             {"platforms", json_array(plan.platforms)},
                             {"network", plan.network},
                             {"engine", plan.engine},
                             {"builder", std::string(render(plan.builder))},
                             {"staging", std::string(render(plan.staging))},
                             {"reuse", std::string(render(plan.reuse))},
                             {"reproducible", plan.reproducible},
                             {"no_cache", plan.no_cache},
                             {"pull", plan.pull},
                             {"args", json_object(plan.args)},
                             {"labels", json_object(plan.labels)},
                             {"cache_from", json_array(plan.cache_from)},
                             {"cache_to", plan.cache_to},
                             {"contexts", to_json(plan.contexts)},
                             {"secrets", json_object(plan.secrets)},
                             {"ssh", json_object(plan.ssh)},
                             {"targets", std::move(targets)},
                             {"tags", std::move(tags)},
                             {"limits", to_json(plan.limits)}};
}

BuildPlan build_plan_from(const boost::json::value& given) {
  const Fields fields(given, "build plan");
  BuildPlan plan;
  plan.image = fields.text("image");
  plan.source = fields.text("source");
  plan.commit = fields.text("commit");
  plan.ref = fields.text_or("ref", "");
  plan.context = fields.text_or("context", plan.context);
  plan.dockerfile = fields.text_or("dockerfile", plan.dockerfile);
  plan.target = fields.text_or("target", "");
  plan.platform = fields.text_or("platform", "");
  plan.platforms = fields.texts("platforms");
  plan.network = fields.text_or("network", "");
  plan.engine = fields.text_or("engine", "");
  plan.builder = during(fields.path("builder"),
                        [&] { return parse_builder(fields.text_or("builder", "auto")); });
  plan.staging = during(fields.path("staging"),
                        [&] { return parse_staging_way(fields.text_or("staging", "auto")); });
  plan.reuse =
      during(fields.path("reuse"), [&] { return parse_reuse(fields.text_or("reuse", "auto")); });
  plan.reproducible = fields.flag_or("reproducible", false);
  plan.no_cache = fields.flag_or("no_cache", false);
  plan.pull = fields.flag_or("pull", false);
  plan.args = fields.text_map("args");
  plan.labels = fields.text_map("labels");
  plan.cache_from = fields.texts("cache_from");
  plan.cache_to = fields.text_or("cache_to", "");
  const auto contexts = fields.text_map("contexts");
  for (const auto& each : contexts) {
    plan.contexts[each.first] =
        during(fields.path("contexts"), [&] { return parse_named_context(each.second); });
  }
  plan.secrets = fields.text_map("secrets");
  plan.ssh = fields.text_map("ssh");
  for (const std::string& target : fields.texts("targets")) {
    plan.targets.push_back(
        during(fields.path("targets"), [&] { return Reference::parse(target); }));
  }
  for (const boost::json::value& tag : fields.list("tags")) {
    const Fields tag_fields(tag, "build plan.tags");
    if (!is_tag(tag_fields.text("tag")))
      tag_fields.refuse("tag",
                        concat("\"", shortened(tag_fields.text("tag"), 140), "\" is not a tag"));
    plan.tags.push_back({tag_fields.text("tag"), tag_fields.flag_or("moving", false),
                         tag_fields.text_or("version", "")});
  }
  if (const boost::json::value* limits = fields.find("limits"))
    plan.limits = build_limits_from(*limits);
  return plan;
}

}  // namespace lighterman
