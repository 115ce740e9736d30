#include "pipeline/facts.hpp"

#include <boost/json.hpp>

#include "core/json.hpp"
#include "core/version.hpp"
#include "engine/dockerfile.hpp"

namespace lighterman::pipeline {
namespace {

using Json = boost::json::value;
using Object = boost::json::object;

/// More paths than this are as good as unknown to a policy, and too many to keep.
constexpr std::size_t most_paths = 5000;

void put(Object& object, std::string_view key, const std::string& text) {
  if (!text.empty()) object[key] = text;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

boost::json::array tag_facts(const std::vector<TagPlan>& tags) {
  boost::json::array list;
  for (const TagPlan& tag : tags) list.push_back(to_json(tag));
  return list;
}

boost::json::array target_facts(const BuildPlan& plan) {
  boost::json::array list;
  for (const Reference& target : plan.targets) list.emplace_back(target.name());
  return list;
}

Json at_or(const Json& object, std::string_view key, const Json& fallback) {
  const auto* fields = object.if_object();
  const auto* found = fields != nullptr ? fields->if_contains(key) : nullptr;
  return found == nullptr || found->is_null() ? fallback : *found;
}

boost::json::array keys_of(const Json& map) {
  boost::json::array keys;
  if (const auto* object = map.if_object())
    for (const auto& field : *object) keys.emplace_back(field.key());
  return keys;
}

/// Of the image's `config` what policies look at. Values of variables may be secrets; their names
/// are not.
Object config_facts(const Json& whole) {
  const Json config = at_or(whole, "config", Object());
  boost::json::array names;
  const Json variables = at_or(config, "Env", boost::json::array());
  for (const Json& each : variables.as_array()) {
    const std::string_view text = each.as_string();
    names.emplace_back(text.substr(0, text.find('=')));
  }
  return {{"user", at_or(config, "User", "")},
          {"entrypoint", at_or(config, "Entrypoint", boost::json::array())},
          {"cmd", at_or(config, "Cmd", boost::json::array())},
          {"workdir", at_or(config, "WorkingDir", "")},
          {"os", at_or(whole, "os", "")},
          {"architecture", at_or(whole, "architecture", "")},
          {"exposed_ports", keys_of(at_or(config, "ExposedPorts", Object()))},
          {"volumes", keys_of(at_or(config, "Volumes", Object()))},
          {"healthcheck", at_or(config, "Healthcheck", Json()).is_object()},
          {"env", std::move(names)}};
}

boost::json::array layer_facts(const StagedImage& image, const engine::Dockerfile& dockerfile) {
  boost::json::array list;
  for (const StagedLayer& layer : image.layers) {
    Object facts{{"digest", layer.blob.digest.text()},
                 {"size", layer.blob.size},
                 {"media_type", layer.blob.media_type},
                 {"instruction", layer.instruction},
                 {"new", layer.held}};
    if (layer.diff_id) facts["diff_id"] = layer.diff_id->text();
    const engine::Dockerfile::Place place = dockerfile.place_of_history(layer.instruction);
    if (place.line != 0) {
      facts["line"] = place.line;
      facts["stage"] = place.stage;
    }
    list.push_back(std::move(facts));
  }
  return list;
}

/// "1.4.2" of "refs/tags/v1.4.2".
std::optional<Version> version_of(const std::string& ref) {
  constexpr std::string_view prefix = "refs/tags/";
  if (!ref.starts_with(prefix)) return {};
  return Version::parse(std::string_view(ref).substr(prefix.size()));
}

Object image_end(const std::string& name, const Stage* last, const std::vector<Stage>& stages) {
  Object facts{{"name", name}, {"status", "succeeded"}};
  boost::json::array references, tags;
  for (const Stage& stage : stages) {
    if (stage.image != name || stage.state != StageState::done) continue;
    if (stage.name == "gate" && !at_or(stage.result, "denied", "").as_string().empty()) {
      facts["status"] = "denied";
      facts["reason"] = stage.result.at("denied");
    }
    if (!stage.name.starts_with("publish:")) continue;
    const PublishedImage published = published_image_from(stage.result);
    references.emplace_back(published.reference.text());
    for (const TagOutcome& tag : published.tags) {
      if (tag.fate != TagOutcome::Fate::held_back)
        tags.emplace_back(concat(published.reference.name(), ':', tag.tag));
    }
  }
  if (last->state == StageState::failed) {
    facts["status"] = "failed";
    facts["reason"] = at_or(last->result, "error", "");
  }
  facts["references"] = std::move(references);
  facts["tags"] = std::move(tags);
  return facts;
}

}  // namespace

Object push_facts(const PlanScene& scene) {
  const PushEvent& event = scene.run->event;
  Object push{{"source", event.source},
              {"commit", scene.commit.id},
              {"short", scene.commit.id.substr(0, 12)},
              {"author", event.author.empty() ? scene.commit.author : event.author},
              {"author_known", !event.author.empty()},
              {"message", scene.commit.message},
              {"title", first_line(scene.commit.message)},
              {"origin", std::string(render(event.origin))},
              {"received", render_time(event.received)},
              {"committed", render_time(Instant(std::chrono::seconds(scene.commit.time)))},
              {"run", scene.run->id}};
  put(push, "ref", event.ref);
  put(push, "before", event.before);
  put(push, "forge", event.forge);
  put(push, "reason", event.reason);
  put(push, "default_branch", scene.default_branch);
  if (const auto branch = event.branch()) push["branch"] = *branch;
  if (const auto tag = event.tag()) push["tag"] = *tag;
  if (scene.changed_paths && scene.changed_paths->size() <= most_paths)
    push["changed_paths"] = json_array(*scene.changed_paths);
  return push;
}

Object plan_facts(const Object& push, const BuildPlan& plan) {
  Object facts = push;
  facts["image"] = {{"name", plan.image},
                    {"targets", target_facts(plan)},
                    {"context", plan.context},
                    {"dockerfile", plan.dockerfile},
                    {"target", plan.target},
                    {"platform", plan.platform},
                    {"platforms", json_array(plan.platforms)},
                    {"args", json_object(plan.args)},
                    {"labels", json_object(plan.labels)},
                    {"tags", tag_facts(plan.tags)}};
  return facts;
}

Object staged_facts(const StagedScene& scene) {
  const StagedImage& image = *scene.image;
  const BuildPlan& plan = *scene.plan;
  const engine::Dockerfile dockerfile(scene.dockerfile);
  const Json config = parse_json(scene.config, "the image's config");
  std::uint64_t size = 0, new_size = 0;
  for (const StagedLayer& layer : image.layers) {
    size += layer.blob.size;
    if (layer.held) new_size += layer.blob.size;
  }
  Object facts{
      {"push", *scene.push},
      {"name", plan.image},
      {"targets", target_facts(plan)},
      {"platform", plan.platform},
      {"digest", image.manifest.text()},
      {"media_type", image.media_type},
      {"size", size},
      {"new_size", new_size},
      {"layers", layer_facts(image, dockerfile)},
      {"labels", at_or(at_or(config, "config", Object()), "Labels", Object())},
      {"config", config_facts(config)},
      {"bases", scene.bases},
      {"tags", tag_facts(plan.tags)},
      {"staging",
       {{"address", scene.staging},
        {"repository", image.repository},
        {"reference", concat(scene.staging, '/', image.repository, '@', image.manifest)}}}};
  if (!plan.targets.empty()) facts["target"] = plan.targets.front().name();
  if (!scene.previous.is_null()) facts["previous"] = scene.previous;
  if (const auto* engine = scene.engine.if_object()) {
    const Fields fields(scene.engine, "engine");
    facts["built"] = fields.natural_or("steps", 0) > fields.natural_or("cached_steps", 0);
    if (engine->contains("seconds")) facts["duration"] = engine->at("seconds");
  }
  return facts;
}

Object published_facts(Object staged, const std::vector<PublishedImage>& published) {
  boost::json::array references, places;
  for (const PublishedImage& image : published) {
    references.emplace_back(image.reference.text());
    std::map<LayerFate, std::uint64_t> fates;
    std::uint64_t sent_bytes = 0;
    for (const LayerOutcome& layer : image.layers) {
      ++fates[layer.fate];
      sent_bytes += layer.sent_bytes;
    }
    boost::json::array tags;
    for (const TagOutcome& tag : image.tags) {
      Object outcome{{"tag", tag.tag}, {"fate", render(tag.fate)}};
      put(outcome, "reason", tag.reason);
      tags.push_back(std::move(outcome));
    }
    places.push_back({{"target", image.reference.name()},
                      {"tags", std::move(tags)},
                      {"layers",
                       {{"sent", fates[LayerFate::sent]},
                        {"mounted", fates[LayerFate::mounted]},
                        {"present", fates[LayerFate::present]}}},
                      {"sent_bytes", sent_bytes}});
  }
  staged["references"] = std::move(references);
  staged["published"] = std::move(places);
  return staged;
}

Object rescan_facts(const Object& published, const std::vector<scan::LayerOrigin>& layers) {
  Object facts;
  for (const char* name : {"push", "name", "target", "targets", "labels", "platforms"})
    if (const Json* value = published.if_contains(name)) facts[name] = *value;
  facts["published"] = render_time(system_now());
  boost::json::array list;
  for (const scan::LayerOrigin& layer : layers) {
    Object each{{"instruction", layer.instruction}};
    if (layer.diff_id) each["diff_id"] = layer.diff_id->text();
    if (layer.blob) each["digest"] = layer.blob->text();
    if (layer.line != 0) each["line"] = layer.line;
    put(each, "base", layer.base);
    list.push_back(std::move(each));
  }
  facts["layers"] = std::move(list);
  return facts;
}

std::vector<scan::LayerOrigin> layer_origins_from(const Json& rescan_facts) {
  std::vector<scan::LayerOrigin> layers;
  for (const Json& value : Fields(rescan_facts, "publication").list("layers")) {
    const Fields fields(value, "layer");
    scan::LayerOrigin layer;
    if (const auto diff_id = fields.find_text("diff_id")) layer.diff_id = DiffId::parse(*diff_id);
    if (const auto digest = fields.find_text("digest")) layer.blob = Digest::parse(*digest);
    layer.instruction = fields.text_or("instruction", "");
    layer.line = static_cast<int>(fields.integer_or("line", 0));
    layer.base = fields.text_or("base", "");
    layers.push_back(std::move(layer));
  }
  return layers;
}

Object lasting_facts(const Object& published, const Run& run) {
  Object lasting{{"digest", published.at("digest")},
                 {"size", published.at("size")},
                 {"commit", run.commit},
                 {"published", render_time(system_now())},
                 {"run", run.id}};
  if (const auto version = version_of(run.event.ref)) lasting["version"] = version->text();
  boost::json::array tags;
  for (const Json& tag : published.at("tags").as_array()) tags.push_back(tag.at("tag"));
  lasting["tags"] = std::move(tags);
  return lasting;
}

Json previous_image(const std::map<std::string, std::string>& lasting, const Run& run) {
  const auto version = version_of(run.event.ref);
  std::optional<Version> best;
  Json previous;
  for (const auto& [ref, text] : lasting) {
    const auto other = version_of(ref);
    const bool fits =
        version ? other && *other < *version && (!best || *best < *other) : ref == run.event.ref;
    if (!fits) continue;
    Json facts = parse_json(text, "the facts of the previous image");
    // A run that goes on after its end was stored is not its own predecessor.
    if (facts.at("run").as_int64() == run.id) continue;
    best = other;
    previous = std::move(facts);
  }
  return previous;
}

Object finished_facts(const FinishedScene& scene) {
  const Run& run = *scene.run;
  Object facts{
      {"id", run.id},
      {"status", std::string(render(scene.state))},
      {"reason", scene.why},
      {"started", render_time(run.started.value_or(run.created))},
      {"ended", render_time(scene.now)},
      {"duration",
       std::chrono::duration<double>(scene.now - run.started.value_or(run.created)).count()},
      {"url", scene.url}};
  put(facts, "previous_status", scene.previous_status);
  // A run that failed before its plan knows no more than its event does.
  Object push{{"source", run.event.source},
              {"author", run.event.author},
              {"origin", std::string(render(run.event.origin))},
              {"received", render_time(run.event.received)},
              {"run", run.id}};
  put(push, "ref", run.event.ref);
  put(push, "commit", run.commit.empty() ? run.event.commit : run.commit);
  if (const auto branch = run.event.branch()) push["branch"] = *branch;
  if (const auto tag = run.event.tag()) push["tag"] = *tag;
  std::map<std::string, const Stage*> last;
  std::vector<std::string> order;
  boost::json::array images;
  for (const Stage& stage : *scene.stages) {
    if (stage.image.empty()) {
      if (stage.name != "plan" || stage.state != StageState::done) continue;
      if (const Json planned = at_or(stage.result, "push", Json()); planned.is_object())
        push = planned.as_object();
      const Json skipped = at_or(stage.result, "skipped", boost::json::array());
      for (const Json& each : skipped.as_array()) {
        images.push_back({{"name", each.at("image")},
                          {"status", "skipped"},
                          {"reason", each.at("why")},
                          {"references", boost::json::array()},
                          {"tags", boost::json::array()}});
      }
      continue;
    }
    // The parts of an index are told as the image they are parts of.
    if (const std::size_t at = stage.image.find('@'); at != std::string::npos) {
      const std::string whole = stage.image.substr(0, at);
      if (!last.contains(whole)) {
        order.push_back(whole);
        last[whole] = &stage;
      } else if (last[whole]->image != whole && stage.state == StageState::failed) {
        last[whole] = &stage;
      }
      continue;
    }
    if (!last.contains(stage.image)) order.push_back(stage.image);
    last[stage.image] = &stage;
  }
  for (const std::string& name : order)
    images.push_back(image_end(name, last[name], *scene.stages));
  facts["push"] = std::move(push);
  facts["images"] = std::move(images);
  return facts;
}

}  // namespace lighterman::pipeline
