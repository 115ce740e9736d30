// What stands between a staged image and its tags: facts, scan, verdict, signatures, publishing.
#include <algorithm>
#include <boost/json.hpp>

#include "audit/trail.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "pipeline/decide.hpp"
#include "pipeline/facts.hpp"
#include "pipeline/harbor_work.hpp"
#include "pipeline/hooks.hpp"
#include "pipeline/image_index.hpp"
#include "pipeline/image_run.hpp"
#include "pipeline/replicate.hpp"
#include "pipeline/rescan.hpp"
#include "pipeline/retention.hpp"
#include "pipeline/stage.hpp"
#include "pipeline/untagged.hpp"
#include "scan/kept.hpp"
#include "scan/writers.hpp"
#include "source/context.hpp"

namespace lighterman::pipeline {
namespace {

/// A blob that is small by its nature, such as a config.
std::string read_small(const registry::BlobSource& blob) {
  constexpr std::uint64_t largest = 8 << 20;
  if (blob.descriptor.size > largest)
    throw Error(ErrorKind::invalid,
                concat("the image's config is larger than ", render_size(largest)));
  std::string bytes(blob.descriptor.size, '\0');
  const Pull pull = blob.open(0);
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const std::size_t got = pull(bytes.data() + filled, bytes.size() - filled);
    if (got == 0) break;
    filled += got;
  }
  if (os::sha256(std::string_view(bytes).substr(0, filled)) != blob.descriptor.digest)
    throw Error(ErrorKind::unavailable, "the image's config came in damaged");
  return bytes;
}

void tell_layers(const StageLog& log, const PublishedImage& image) {
  for (const LayerOutcome& layer : image.layers) {
    log.note(concat("layer ", layer.blob.digest.brief(), ' ', render(layer.fate), ", ",
                    render_size(layer.blob.size), ": ", layer.reason));
  }
  for (const TagOutcome& tag : image.tags) {
    const std::string why = tag.reason.empty() ? "" : concat(": ", tag.reason);
    const std::string text = concat("tag ", tag.tag, ' ', render(tag.fate), why);
    if (tag.fate == TagOutcome::Fate::held_back) {
      log.warn(text);
    } else {
      log.note(text);
    }
  }
}

/// What is done once the image is published, unless somebody has to approve it first.
bool comes_after(const ActionRecord& action) {
  if (action.kind == "replicate" || action.kind == "retain") return true;
  return action.kind == "promote" && !Fields(action.body, action.kind).flag_or("approve", true);
}

scan::VexSubject vex_subject(const BuildPlan& plan, const StagedImage& image) {
  scan::VexSubject subject{{}, image.manifest};
  for (const Reference& target : plan.targets) subject.repositories.push_back(target.name());
  return subject;
}

}  // namespace

std::string ImageRun::config_of(const StagedImage& image, const staging::Session& session,
                                const std::stop_token& stop) {
  return read_small(session.blob(image.config, stop));
}

std::vector<Base> ImageRun::bases_of(const std::string& config, policy::Decision& verdict,
                                     const std::stop_token& stop) {
  const boost::json::value built = record("engine").find().value_or(nullptr);
  const auto* found = built.is_object() ? built.get_object().if_contains("bases") : nullptr;
  std::vector<Base> bases = found != nullptr
                                ? bases_from(*found)
                                : bases_in(engine::Dockerfile(dockerfile_text()), plan_);
  if (bases.empty() || !wants_bases(yard_, plan_.source)) return bases;
  const ImageConfig platform = ImageConfig::parse(config);
  record("bases").perform([&]() -> boost::json::value {
    look_up(bases, yard_, store_, platform.os, platform.architecture, stop);
    return {{"bases", to_json(bases)}};
  });
  for (const Base& base : bases)
    if (!base.unknown.empty()) log("bases").warn(concat("base ", base.image, ": ", base.unknown));
  if (const auto& options = yard_.config().bases) {
    for (const std::string& reason : reasons_against(bases, *options, system_now()))
      verdict.deny.push_back({reason, "bases"});
  }
  return bases;
}

boost::json::object ImageRun::facts_of(const StagedImage& image, const std::string& config,
                                       const std::vector<Base>& bases) {
  StagedScene scene;
  scene.push = &push_;
  scene.plan = &plan_;
  scene.image = &image;
  scene.config = config;
  scene.dockerfile = dockerfile_text();
  scene.bases = to_json(bases);
  scene.staging = staging_.address();
  scene.engine = record("engine").find().value_or(nullptr);
  scene.previous =
      previous_image(store_.facts(concat("last:", plan_.source, '/', plan_.image)), run_);
  return staged_facts(scene);
}

std::optional<Findings> ImageRun::inspect(const StagedImage& image, staging::Session& session,
                                          const BringToHarbor& to_harbor, policy::Decision& verdict,
                                          const std::stop_token& stop) {
  if (!yard_.config().scan) return {};
  const StageLog log = this->log("scan");
  const config::Scan& options = *yard_.config().scan;
  Findings findings;
  std::vector<scan::Waiver> waivers = options.waivers;
  try {
    waivers = waivers_for(options, vex_subject(plan_, image), [&](const std::string& path) {
      return yard_.mirror(plan_.source).find_file(plan_.commit, path);
    });
  } catch (const Error& error) {
    // Whoever writes a broken document must not switch the scan off with it.
    if (error.kind() == ErrorKind::cancelled) throw;
    verdict.deny.push_back({concat("scan.vex: ", error.what()), "scan"});
  }
  try {
    // Kept with the stage is only how many there were: findings change with every database.
    record("scan").perform([&]() -> boost::json::value {
      findings = scan(image, session, to_harbor, stop);
      explain(findings, image, engine::Dockerfile(dockerfile_text()), plan_.args);
      waive(findings, waivers, system_now());
      store_.put_fact(scan::kept_scope, scan::kept_name(run_.id, plan_.image),
                      scan::pack(findings));
      return {{"digest", image.manifest.text()},
              {"scanner", findings.scanner},
              {"summary", scan::sums_of(findings.counts())},
              {"counts", findings_facts(findings).at("counts")},
              {"warnings", json_array(findings.warnings)}};
    });
  } catch (const Error& error) {
    // An image that nobody looked at is not let through, unless the operator says so.
    if (error.kind() == ErrorKind::cancelled) throw;
    const std::string why = concat("the image could not be scanned: ", error.what());
    log.warn(why);
    if (options.deny_unscanned) verdict.deny.push_back({why, "scan"});
    return {};
  }
  for (const std::string& warning : findings.warnings) log.warn(warning);
  for (const std::string& reason : reasons_against(findings, options))
    verdict.deny.push_back({reason, "scan"});
  log.note(concat(scan::sums_of(findings.counts()), "; see: lighterman findings ", run_.id,
                  " --image ", plan_.image));
  return findings;
}

Findings ImageRun::scan(const StagedImage& image, staging::Session& session,
                        const BringToHarbor& to_harbor, const std::stop_token& stop) {
  const config::Scan& options = *yard_.config().scan;
  std::optional<Findings> seen;
  if (yard_.scanner() != nullptr)
    seen = yard_.scanner()->scan(staged_for_scan(image, session), image.manifest, stop);
  if (options.by == config::ScanBy::trivy) return *std::move(seen);
  const auto place = to_harbor();
  if (!place)
    throw Error(ErrorKind::invalid,
                "Harbor shall scan it, but none of its targets is a Harbor (`scan: {by: ...}`, or "
                "`product: harbor` of the registry)");
  log("scan").note(concat("Harbor looks at ", place->text()));
  Findings by_harbor = scan_in_harbor(registry_options(yard_.config(), place->host()), *place,
                                      options.trivy.timeout, stop);
  if (!seen) return by_harbor;
  unite(*seen, by_harbor);
  return *std::move(seen);
}

scan::Image ImageRun::staged_for_scan(const StagedImage& image, staging::Session& session) const {
  const engine::Login login = session.login();
  return scan::RegistryImage{
      Reference::parse(concat(staging_.address(), '/', image.repository)).at(image.manifest),
      login.username,
      login.password,
      {},
      image.config.digest};
}

/// The verdict over this very image: what was said of another digest does not count.
policy::Decision ImageRun::judge(const StagedImage& image, const boost::json::object& facts,
                                 policy::Decision scanned, const std::stop_token& stop) {
  const auto done = record("gate").find();
  if (done && done->at("digest").as_string() == image.manifest.text())
    return policy::decision_from(done->at("decision"));
  if (done && run_.allowed)
    throw Error(ErrorKind::conflict, "this is not the image that was denied: retry the run");
  policy::Decision decision;
  record("gate").perform([&]() -> boost::json::value {
    decision =
        Hooks(yard_, store_, journal_, run_).ask(policy::Hook::on_staged, plan_.image, facts, stop);
    decision.deny.insert(decision.deny.begin(), scanned.deny.begin(), scanned.deny.end());
    for (const auto& denial : denials(decision))
      audit::Trail(store_).note(
          {.who = concat("plugin \"", denial.plugin, '"'),
           .deed = "deny",
           .subject = concat("image ", plan_.image, " of run ", run_.id, ", ", image.manifest),
           .why = denial.value});
    return {{"digest", image.manifest.text()},
            {"denied", why_denied(decision).value_or("")},
            {"decision", to_json(decision)}};
  });
  return decision;
}

std::string ImageRun::make_sbom(scan::SbomFormat format, const StagedImage& image,
                                staging::Session& session, const std::stop_token& stop) {
  if (yard_.scanner() == nullptr)
    throw Error(
        ErrorKind::invalid,
        "the configuration has no Trivy (`scan: {by: trivy}` or both), which makes the SBOM");
  return format == scan::SbomFormat::cyclonedx
             ? kept_sbom(image, session, stop)
             : yard_.scanner()->make_sbom(staged_for_scan(image, session), format, stop);
}

std::vector<Endorsement> ImageRun::endorsements_for(const policy::Decision& verdict,
                                                    const std::vector<Base>& bases,
                                                    const MakeSbom& sbom) {
  EndorsementScene scene;
  scene.config = &yard_.config();
  scene.now = system_now();
  scene.sbom = sbom;
  trust::Provenance& provenance = scene.provenance;
  const std::string url = yard_.config().base_url();
  provenance.builder_id = url;
  provenance.invocation_id = concat(url, "/api/v1/runs/", run_.id);
  provenance.source = public_source_url(yard_.config().source(plan_.source).url);
  provenance.commit = plan_.commit;
  provenance.ref = plan_.ref;
  provenance.dockerfile = plan_.dockerfile.empty() ? "Dockerfile" : plan_.dockerfile;
  provenance.target = plan_.target;
  provenance.platforms = plan_.platforms;
  if (!plan_.platform.empty()) provenance.platforms = {plan_.platform};
  provenance.args = plan_.args;
  provenance.bases = materials(bases);
  // Of the stored stages, so that an attempt that goes on says the same again.
  for (const Stage& stage : store_.stages(run_.id)) {
    if (stage.image != plan_.image && !is_part_of(stage.image, plan_)) continue;
    if (stage.name == "engine") {
      provenance.started = provenance.started == Instant{}
                               ? stage.started
                               : std::min(provenance.started, stage.started);
    }
    if (stage.name == "staging" && stage.ended)
      provenance.finished = std::max(provenance.finished, *stage.ended);
  }
  // Taken again: what is true of the build is what was true then.
  const boost::json::value built = record("engine").find().value_or(nullptr);
  if (built.is_object() && built.get_object().contains("reused")) {
    const Fields reused(built.at("reused"), "engine.reused");
    provenance.invocation_id = concat(url, "/api/v1/runs/", reused.integer_or("run", 0));
    provenance.commit = reused.text("commit");
    provenance.ref = reused.text("ref");
    provenance.started = reused.time_or("started", {});
    provenance.finished = reused.time_or("finished", {});
  }
  return endorsements(verdict, scene,
                      [&](const std::string& warning) { log("trust").warn(warning); });
}

/// Beside the manifest by digest, before any tag points to it.
void ImageRun::endorse(const Destination& destination, const StagedImage& image,
                       const std::string& manifest, const std::vector<Endorsement>& endorsements,
                       const std::stop_token& stop) {
  const Subject subject{destination.client,
                        destination.repository.at(image.manifest),
                        {image.media_type, image.manifest, manifest.size()}};
  for (const Endorsement& each : endorsements) {
    const auto records = attach(subject, {each.key}, each.assertions,
                                destination.client->options().signatures, system_now(), stop);
    store_.put_signatures(records);
    note_signatures(store_, records, concat("run ", run_.id));
    for (const SignatureRecord& record : records)
      log("trust").note(concat(destination.repository.name(), ": ", record.predicate_type, " (",
                               record.form, ") by key ", record.key_hint));
  }
}

/// What the verdict asked for has been done before the tags.
void ImageRun::close_actions() {
  for (ActionRecord action : store_.actions(run_.id)) {
    const bool ours = action.image == plan_.image && action.state == ActionState::planned &&
                      (action.kind == "sign" || action.kind == "attach");
    if (!ours) continue;
    action.state = ActionState::done;
    action.why.clear();
    store_.put_action(action);
  }
}

/// Made once, however often it is attached and scanned.
std::string ImageRun::kept_sbom(const StagedImage& image, staging::Session& session,
                                const std::stop_token& stop) {
  const SbomShelf shelf(yard_.config().data / "sboms");
  if (auto sbom = shelf.find(image.manifest)) return *sbom;
  std::string sbom = yard_.scanner()->make_sbom(staged_for_scan(image, session),
                                                scan::SbomFormat::cyclonedx, stop);
  shelf.put(image.manifest, sbom);
  return sbom;
}

/// The book entry for Rescan.
void ImageRun::keep_for_rescan(const StagedImage& image,
                               const std::vector<PublishedImage>& published,
                               const boost::json::object& facts, const Findings& findings) {
  Publication publication{0,  run_.id,      plan_.source, plan_.image, image.manifest,
                          {}, system_now(), {},           "",          false};
  publication.facts =
      rescan_facts(facts, layer_origins(image, engine::Dockerfile(dockerfile_text()), plan_.args));
  for (const PublishedImage& each : published) {
    PublishedTarget target{Reference::parse(each.reference.name()), {}};
    for (const TagOutcome& tag : each.tags)
      if (tag.fate != TagOutcome::Fate::held_back) target.tags.push_back(tag.tag);
    publication.targets.push_back(std::move(target));
  }
  put_on_record(store_, yard_.config(), publication, findings);
}

void ImageRun::try_keep_sbom(const StagedImage& image, staging::Session& session,
                             const std::stop_token& stop) {
  try {
    kept_sbom(image, session, stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    log("scan").warn(concat("no SBOM is kept for scanning again: ", error.what()));
  }
}

/// Hooks that fail here come too late to keep anything back: they are told as the run's problem.
std::string ImageRun::tell_published(const boost::json::object& facts,
                                     const std::stop_token& stop) {
  StageRecord record = this->record("on_published");
  boost::json::value decision = record.find().value_or(nullptr);
  if (decision.is_null()) {
    decision = record.perform([&] {
      return to_json(Hooks(yard_, store_, journal_, run_)
                         .ask(policy::Hook::on_published, plan_.image, facts, stop));
    });
  }
  return policy::reasons(policy::decision_from(decision).problems);
}

/// What rules and plugins want carried elsewhere goes on its way; the run does not wait for it.
void ImageRun::send_on(const std::vector<PublishedImage>& published,
                       const boost::json::object& facts, const std::stop_token& stop) {
  const boost::json::value image = facts;
  std::vector<Replication> wanted = replications_after(yard_.config(), run_.id, published,
                                                       Fields(image, "image").text_map("labels"));
  std::vector<ActionRecord> actions = store_.actions(run_.id);
  std::erase_if(actions, [&](const ActionRecord& action) {
    const bool ours = action.image == plan_.image || is_part_of(action.image, plan_);
    return !ours || action.state != ActionState::planned || !comes_after(action);
  });
  if ((wanted.empty() && actions.empty()) || record("replicate").find()) return;
  record("replicate").perform([&]() -> boost::json::value {
    boost::json::array ids;
    const auto add = [&](const Replication& each) {
      const std::int64_t id = store_.add_replication(each);
      log("replicate")
          .note(concat("replication ", id, " carries it to ", each.target.text(), " (", each.rule,
                       ')'));
      ids.emplace_back(id);
      return std::to_string(id);
    };
    for (const Replication& each : wanted) add(each);
    for (std::size_t at = 0; at < actions.size(); ++at) {
      ActionRecord& action = actions[at];
      const auto twin =
          std::ranges::find_if(actions.begin(), actions.begin() + static_cast<std::ptrdiff_t>(at),
                               [&](const ActionRecord& each) {
                                 return each.kind == action.kind && each.plugin == action.plugin &&
                                        each.body == action.body;
                               });
      // Another platform wished the same.
      if (twin != actions.begin() + static_cast<std::ptrdiff_t>(at)) {
        action.state = twin->state;
        action.why = twin->why;
        store_.put_action(action);
        continue;
      }
      const policy::Action wish{action.kind, action.plugin, action.body};
      try {
        action.why = "";
        if (action.kind == "retain") {
          clear_old_tags(retain_rule_for(wish, published.front()), stop);
        } else {
          std::vector<std::string> made;
          for (const Replication& each : replications_for(wish, run_.id, published.front()))
            made.push_back(add(each));
          action.why = concat("replication ", join(made, ", "));
        }
        action.state = ActionState::done;
      } catch (const Error& error) {
        // Kept with the action; the image itself is published.
        if (error.kind() == ErrorKind::cancelled) throw;
        action.state = ActionState::failed;
        action.why = error.what();
        log("replicate").error(concat("plugin ", action.plugin, ": ", error.what()));
      }
      store_.put_action(action);
    }
    return {{"replications", std::move(ids)}};
  });
}

/// Of the repositories that the image goes to: a rule of the configuration may say more.
void ImageRun::clear_old_tags(const config::RetainRule& rule, const std::stop_token& stop) {
  for (const std::string& name : rule.repositories) {
    if (std::ranges::find(plan_.targets, name, &Reference::name) == plan_.targets.end())
      throw Error(ErrorKind::denied,
                  concat(rule.name, " may not delete in ", name, ", where this image does not go"));
  }
  perform_retention(
      yard_, store_, plan_retention(yard_, store_, rule, stop),
      [&](const std::string& text) { log("retain").note(text); },
      [&](const Reference& gone, const std::string& why) {
        audit::Trail(store_).note(
            {.who = rule.name, .deed = "delete", .subject = gone.text(), .why = why});
      },
      stop);
}

std::vector<PublishedImage> ImageRun::publish_all(
    const std::vector<Destination>& destinations,
    const std::function<PublishedImage(const Destination&)>& publish_one) {
  std::vector<PublishedImage> published;
  std::optional<Error> first_failure;
  for (const Destination& destination : destinations) {
    try {
      published.push_back(publish_one(destination));
    } catch (const Error& error) {
      // One registry that is down must not keep the image from the others.
      if (error.kind() == ErrorKind::cancelled) throw;
      log("publish").error(error.what());
      if (!first_failure) first_failure = error;
    }
  }
  if (first_failure) throw Error(*first_failure);
  return published;
}

PublishedImage ImageRun::publish(const Destination& destination, const StagedImage& image,
                                 const std::string& manifest,
                                 const std::vector<Endorsement>& endorsements,
                                 const std::stop_token& stop,
                                 const std::function<PublishedImage()>& bring) {
  const std::string name = concat("publish:", destination.repository.name());
  if (const auto done = record(name).find()) return published_image_from(*done);
  const StageLog log = this->log(name);
  const Ancestry is_ancestor = [&](const std::string& older, const std::string& newer) {
    return yard_.mirror(plan_.source).is_ancestor(older, newer);
  };
  return published_image_from(record(name).perform([&]() -> boost::json::value {
    return during(concat("publishing ", destination.repository.name()), [&] {
      return steady(options_.retry, store_, run_.id, log, stop, [&] {
        PublishedImage published = bring();
        endorse(destination, image, manifest, endorsements, stop);
        if (kind_ == Kind::part) {
          note_untagged(store_, destination.repository.at(image.manifest), run_.id);
        } else {
          set_tags(published, plan_.tags, image.media_type, manifest,
                   {run_.id, plan_.commit, plan_.ref}, is_ancestor, *destination.client, store_,
                   stop);
        }
        tell_layers(log, published);
        return to_json(published);
      });
    });
  }));
}

}  // namespace lighterman::pipeline
