#include "pipeline/runner.hpp"

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <thread>

#include "core/error.hpp"
#include "core/text.hpp"
#include "pipeline/decide.hpp"
#include "pipeline/hooks.hpp"
#include "pipeline/image_run.hpp"
#include "pipeline/named_contexts.hpp"
#include "pipeline/scene.hpp"
#include "pipeline/stage.hpp"

namespace lighterman::pipeline {
namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

struct Runner::ImageOutcome {
  ImageEnd end;
  std::string failure;             ///< empty: it did not fail
  std::optional<Error> cancelled;  ///< it was not carried to its end
};

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
  std::vector<std::string> failures, denials, problems;
  const std::vector<ImageOutcome> outcomes = perform_images(plan, stop);
  for (std::size_t at = 0; at < outcomes.size(); ++at) {
    const auto note = [&](std::vector<std::string>& list, const std::string& why) {
      if (!why.empty()) list.push_back(concat("image \"", plan.images[at].image, "\": ", why));
    };
    if (outcomes[at].cancelled) throw Error(*outcomes[at].cancelled);
    note(failures, outcomes[at].failure);
    note(denials, outcomes[at].end.denied);
    note(problems, outcomes[at].end.problems);
  }
  if (!failures.empty()) return {RunState::failed, join(failures, "; ")};
  if (!denials.empty()) return {RunState::denied, join(denials, "; ")};
  if (!problems.empty())
    return {RunState::succeeded, concat("published with problems: ", join(problems, "; "))};
  return {};
}

/// Several at once, as far as there are build slots: they have nothing to do with one another.
std::vector<Runner::ImageOutcome> Runner::perform_images(const RunPlan& plan,
                                                         const std::stop_token& stop) {
  std::vector<ImageOutcome> outcomes(plan.images.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t at = next++; at < outcomes.size(); at = next++) {
      const BuildPlan& image = plan.images[at];
      try {
        outcomes[at].end =
            ImageRun(options_, *yard_, staging_, store_, journal_, run_, image, plan.push)
                .perform(stop);
      } catch (const Error& error) {
        // The other images of this push have done nothing wrong.
        if (error.kind() == ErrorKind::cancelled) {
          outcomes[at].cancelled = error;
        } else {
          journal_.add(image.image, "", "error", error.what());
          outcomes[at].failure = error.what();
        }
      } catch (const std::exception& error) {
        journal_.add(image.image, "", "error", error.what());
        outcomes[at].failure = error.what();
      }
    }
  };
  std::vector<std::jthread> threads;
  const std::size_t count = std::min<std::size_t>(outcomes.size(), yard_->slots());
  for (std::size_t at = 1; at < count; ++at) threads.emplace_back(work);
  work();
  threads.clear();
  return outcomes;
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
  run_.commit = commit.id;
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
    const PlanScene scene = look_at(*yard_, store_, run_, commit, stop);
    RunPlan plan = plan_run(scene);
    let_plugins_plan(plan, scene,
                     [&](policy::Hook hook, const std::string& image, const auto& facts) {
                       return Hooks(*yard_, store_, journal_, run_).ask(hook, image, facts, stop);
                     });
    for (BuildPlan& image : plan.images) {
      steady(options_.retry, store_, run_.id, log, stop,
             [&] { pin_contexts(image, *yard_, stop); });
    }
    return to_json(plan);
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

}  // namespace lighterman::pipeline
