#include "pipeline/preview.hpp"

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "pipeline/bases.hpp"
#include "pipeline/decide.hpp"
#include "pipeline/facts.hpp"
#include "pipeline/scene.hpp"
#include "policy/dry_run.hpp"
#include "source/context.hpp"

namespace lighterman::pipeline {
namespace {

using Json = boost::json::value;
using Object = boost::json::object;
using policy::Decision;
using policy::Hook;

/// One image on its way to nowhere.
class Rehearsal {
 public:
  Rehearsal(Yard& yard, store::Store& store, const Run& run, const std::stop_token& stop)
      : yard_(yard), store_(store), run_(run), stop_(stop) {}

  /// Plugins look, and do nothing else; `unknown` gets those whose answer hangs on more than that.
  Decision ask(Hook hook, const Json& facts, std::vector<std::string>* unknown = nullptr) {
    policy::Question question;
    question.hook = hook;
    question.source = run_.event.source;
    question.facts = facts;
    question.now = run_.created;
    policy::DryRun dry;
    // What a plugin looks for of a published image is not there.
    question.perform =
        dry.performer(hook == Hook::on_published ? policy::Perform()
                                                 : yard_.rulebook().powers().performer(stop_));
    Decision decision = policy::ask(*yard_.rulebook().seats(), question);
    const auto untold = dry.take_unknown(decision);
    const auto say = [&](const std::string& plugin, const std::string& text) {
      said_.push_back({{"hook", render(hook)}, {"plugin", plugin}, {"text", text}});
    };
    for (const Said& said : told(decision)) say(said.plugin, said.text);
    for (const auto& wish : dry.wished()) say(wish.plugin, wish.value);
    for (const auto& said : untold) {
      say(said.plugin, said.value);
      if (unknown != nullptr) unknown->push_back(said.plugin);
    }
    return decision;
  }

  void judge(BuildPlan& plan, const Object& push, Object& shown) {
    const std::vector<Base> bases = likely_bases(plan);
    Object facts = likely_image(plan, push, bases, shown);
    std::vector<std::string> unknown;
    Decision verdict = ask(Hook::on_staged, facts, &unknown);
    if (const auto& options = yard_.config().bases) {
      for (const std::string& reason : reasons_against(bases, *options, system_now()))
        verdict.deny.push_back({reason, "bases"});
    }
    if (const auto denied = why_denied(verdict)) {
      shown["denied"] = *denied;
      return;
    }
    if (!unknown.empty()) shown["unknown"] = json_array(unknown);
    unite(plan.tags, verdict.tags);
    ask(Hook::on_published, published_facts(std::move(facts), likely_end(plan)));
  }

  boost::json::array take_said() { return std::move(said_); }

 private:
  /// As their registries have them now.
  std::vector<Base> likely_bases(const BuildPlan& plan) {
    std::vector<Base> bases = bases_in(engine::Dockerfile(dockerfile_of(plan)), plan);
    if (!wants_bases(yard_, plan.source)) return bases;
    const std::string platform = plan.platform.empty() ? "linux/amd64" : plan.platform;
    const std::vector<std::string> parts = split(concat(platform, '/'), '/');
    look_up(bases, yard_, store_, parts.at(0), parts.at(1), stop_);
    return bases;
  }

  std::string dockerfile_of(const BuildPlan& plan) {
    return source::Context(yard_.mirror(plan.source), plan.commit, plan.context, plan.dockerfile)
        .dockerfile_text();
  }

  /// The last staged image as if this push had made it.
  Object likely_image(const BuildPlan& plan, const Object& push, const std::vector<Base>& bases,
                      Object& shown) {
    store::HookFilter filter;
    filter.source = plan.source;
    filter.image = plan.image;
    filter.hook = std::string(render(Hook::on_staged));
    filter.limit = 1;
    const auto last = store_.hooks(filter);
    StagedImage nothing(no_digest(), {std::string(media::oci_config), no_digest(), 0});
    nothing.media_type = media::oci_manifest;
    StagedScene scene;
    scene.push = &push;
    scene.plan = &plan;
    scene.image = &nothing;
    scene.config =
        boost::json::serialize(Object{{"config", {{"Labels", json_object(plan.labels)}}}});
    scene.dockerfile = dockerfile_of(plan);
    scene.bases = to_json(bases);
    scene.staging = yard_.config().staging_listen;
    scene.previous =
        previous_image(store_.facts(concat("last:", plan.source, '/', plan.image)), run_);
    Object facts = staged_facts(scene);
    if (last.empty()) {
      shown["judged_by"] = "an image without layers: none was staged yet";
      return facts;
    }
    shown["judged_by"] = concat("the image of run ", last.front().run);
    Object like = last.front().facts.as_object();
    for (const std::string_view fresh :
         {"push", "targets", "target", "labels", "bases", "tags", "previous", "platform"}) {
      if (const auto* value = facts.if_contains(fresh)) {
        like[fresh] = *value;
      } else {
        like.erase(fresh);
      }
    }
    return like;
  }

  static Digest no_digest() { return Digest::parse(concat("sha256:", std::string(64, '0'))); }

  static std::vector<PublishedImage> likely_end(const BuildPlan& plan) {
    std::vector<PublishedImage> published;
    for (const Reference& target : plan.targets) {
      std::vector<TagOutcome> tags;
      for (const TagPlan& tag : plan.tags) tags.push_back({tag.tag, TagOutcome::Fate::created, ""});
      published.push_back({target.at(no_digest()), {}, std::move(tags)});
    }
    return published;
  }

  Yard& yard_;
  store::Store& store_;
  const Run& run_;
  const std::stop_token& stop_;
  boost::json::array said_;
};

Object shown_image(const BuildPlan& plan) {
  boost::json::array targets, tags;
  for (const Reference& target : plan.targets) targets.emplace_back(target.name());
  for (const TagPlan& tag : plan.tags) tags.push_back(to_json(tag));
  return {{"name", plan.image},
          {"targets", std::move(targets)},
          {"tags", std::move(tags)},
          {"args", json_object(plan.args)},
          {"labels", json_object(plan.labels)},
          {"target", plan.target},
          {"platform", plan.platform}};
}

}  // namespace

Json preview(Yard& yard, store::Store& store, const PushEvent& event, const std::stop_token& stop) {
  Run run;
  run.event = event;
  run.created = event.received;
  const source::Commit commit = yard.mirror(event.source).fetch(event.ref, event.commit, {}, stop);
  run.commit = commit.id;
  const PlanScene scene = look_at(yard, store, run, commit, stop);
  const RunPlan usual = plan_run(scene);
  const Object push = push_facts(scene);

  boost::json::array images;
  for (BuildPlan plan : usual.images) {
    Rehearsal rehearsal(yard, store, run, stop);
    Object shown;
    const Decision decision = rehearsal.ask(Hook::on_push, plan_facts(push, plan));
    if (!decision.problems.empty()) {
      shown["failed"] = policy::reasons(decision.problems);
    } else if (!decision.skip.empty()) {
      shown["skipped"] = policy::reasons(decision.skip);
    } else {
      apply(decision, scene.images.at(plan.image), event, plan);
      rehearsal.judge(plan, push, shown);
    }
    for (auto& field : shown_image(plan)) shown[field.key()] = field.value();
    shown["said"] = rehearsal.take_said();
    images.push_back(std::move(shown));
  }
  for (const SkippedImage& image : usual.skipped)
    images.push_back(
        {{"name", image.image}, {"skipped", image.why}, {"said", boost::json::array()}});
  return Object{{"source", event.source},      {"ref", event.ref},
                {"commit", commit.id},         {"title", push.at("title")},
                {"author", push.at("author")}, {"images", std::move(images)}};
}

}  // namespace lighterman::pipeline
