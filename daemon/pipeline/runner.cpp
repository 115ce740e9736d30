#include "pipeline/runner.hpp"

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/text.hpp"
#include "pipeline/image_run.hpp"
#include "pipeline/stage.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::string_view repository_file = ".lighterman.yml";

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Runner::Runner(RunnerOptions options, std::shared_ptr<Yard> yard, staging::Staging& staging,
               store::Store& store, Journal& journal, Run run)
    : options_(std::move(options)),
      yard_(std::move(yard)),
      staging_(staging),
      store_(store),
      journal_(journal),
      run_(std::move(run)) {}

RunEnd Runner::perform(const std::stop_token& stop) {
  const source::Commit commit = bring_source(stop);
  const RunPlan plan = make_plan(commit, stop);
  if (plan.images.empty()) {
    std::vector<std::string> reasons;
    for (const SkippedImage& image : plan.skipped)
      reasons.push_back(concat(image.image, ": ", image.why));
    return {RunState::skipped, reasons.empty() ? "the source has no images" : join(reasons, "; ")};
  }
  std::vector<std::string> failures;
  for (const BuildPlan& image : plan.images) {
    try {
      ImageRun(options_, *yard_, staging_, store_, journal_, run_, image).perform(stop);
    } catch (const Error& error) {
      // The other images of this push have done nothing wrong.
      if (error.kind() == ErrorKind::cancelled) throw;
      journal_.add(image.image, "", "error", error.what());
      failures.push_back(concat("image \"", image.image, "\": ", error.what()));
    }
  }
  if (!failures.empty()) return {RunState::failed, join(failures, "; ")};
  return {};
}

source::Commit Runner::bring_source(const std::stop_token& stop) {
  const StageLog log(journal_, "", "source");
  source::Mirror& mirror = yard_->mirror(run_.event.source);
  StageRecord record(store_, run_.id, "", "source");
  if (const auto done = record.find()) {
    try {
      return mirror.get(std::string(done->at("commit").as_string()));
    } catch (const Error& error) {
      // The mirror was lost since; it is fetched again below.
      if (error.kind() != ErrorKind::not_found) throw;
    }
  }
  source::Commit commit;
  record.perform([&]() -> boost::json::value {
    const auto progress = [&](std::uint64_t current, std::uint64_t total, std::uint64_t) {
      log.progress("objects", "fetching", current, total);
    };
    commit = steady(options_.retry, store_, run_.id, log, stop, [&] {
      return mirror.fetch(run_.event.ref, run_.event.commit, progress, stop);
    });
    return {{"commit", commit.id}, {"author", commit.author}, {"message", commit.message}};
  });
  store_.put_commit(run_.id, commit.id);
  if (!run_.event.ref.empty()) store_.put_head(run_.event.source, run_.event.ref, commit.id);
  log.note(concat("commit ", shortened(commit.id, 12), ' ', first_line(commit.message), " (",
                  commit.author, ')'));
  return commit;
}

RunPlan Runner::make_plan(const source::Commit& commit, const std::stop_token& stop) {
  const StageLog log(journal_, "", "plan");
  StageRecord record(store_, run_.id, "", "plan");
  if (const auto done = record.find()) return run_plan_from(*done);
  const boost::json::value result = record.perform([&]() -> boost::json::value {
    PlanScene scene;
    scene.run = &run_;
    scene.source = &yard_->config().source(run_.event.source);
    scene.images = images_of(commit);
    scene.commit = commit;
    scene.default_branch = default_branch(stop);
    scene.changed_paths = changed_paths(commit);
    return to_json(plan_run(scene));
  });
  RunPlan plan = run_plan_from(result);
  for (const SkippedImage& image : plan.skipped)
    log.note(concat("image ", image.image, " skipped: ", image.why));
  for (const BuildPlan& image : plan.images) {
    std::vector<std::string> tags, targets;
    for (const TagPlan& tag : image.tags) tags.push_back(tag.tag);
    for (const Reference& target : image.targets) targets.push_back(target.name());
    log.note(concat("image ", image.image, ": ", join(targets, ", "), " tags ", join(tags, ", ")));
  }
  return plan;
}

/// The operator's images; the repository's own file, where it is allowed, describes more of them or
/// describes them anew.
std::map<std::string, config::Image> Runner::images_of(const source::Commit& commit) {
  const config::Source& source = yard_->config().source(run_.event.source);
  std::map<std::string, config::Image> images = source.images;
  if (!source.repository_file) return images;
  const auto text = yard_->mirror(source.name).find_file(commit.id, std::string(repository_file));
  if (!text) return images;
  for (auto& [name, image] : config::parse_repository_file(*text, source)) {
    images.insert_or_assign(name, std::move(image));
  }
  return images;
}

std::string Runner::default_branch(const std::stop_token& stop) {
  const std::string scope = concat("source:", run_.event.source);
  try {
    if (const auto ref = yard_->mirror(run_.event.source).default_branch(stop)) {
      const std::string branch = ref->substr(ref->rfind("heads/") + 6);
      store_.put_fact(scope, "default_branch", branch);
      return branch;
    }
  } catch (const Error& error) {
    // It hardly ever changes: what the remote said last will do while it cannot be asked.
    if (error.kind() != ErrorKind::unavailable) throw;
  }
  return store_.find_fact(scope, "default_branch").value_or("");
}

std::optional<std::vector<std::string>> Runner::changed_paths(const source::Commit& commit) {
  const PushEvent& event = run_.event;
  if (event.changed_paths) return event.changed_paths;
  if (event.before.empty() || event.before.find_first_not_of('0') == std::string::npos) return {};
  try {
    return yard_->mirror(event.source).changed_paths(event.before, commit.id);
  } catch (const Error& error) {
    // After a force-push the previous commit may be gone: then every image is built.
    if (error.kind() != ErrorKind::not_found) throw;
    return {};
  }
}

}  // namespace lighterman::pipeline
