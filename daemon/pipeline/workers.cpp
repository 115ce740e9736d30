#include "pipeline/workers.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "metrics/meters.hpp"
#include "pipeline/facts.hpp"
#include "pipeline/hooks.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::chrono::seconds look_again{30};

/// How the last run of the same ref ended that ended by itself; empty: there is none.
std::string previous_status(const store::Store& store, const Run& run) {
  store::RunFilter filter;
  filter.source = run.event.source;
  filter.before = run.id;
  for (const Run& former : store.list(filter)) {
    const bool told = former.state == RunState::succeeded || former.state == RunState::failed ||
                      former.state == RunState::denied;
    if (told && former.event.ref == run.event.ref) return std::string(render(former.state));
  }
  return "";
}

}  // namespace

bool is_disk_low(const config::Config& config) {
  std::error_code unknown;
  const auto space = std::filesystem::space(config.data, unknown);
  return !unknown && space.available < config.min_free;
}

Workers::Workers(RunnerOptions options, unsigned count, staging::Staging& staging,
                 store::Store& store, std::function<std::shared_ptr<Yard>()> yard, Report report)
    : options_(std::move(options)),
      staging_(staging),
      store_(store),
      yard_(std::move(yard)),
      report_(std::move(report)) {
  for (unsigned i = 0; i < count; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
  threads_.emplace_back([this](const std::stop_token& stop) { pass_on_cancels(stop); });
}

Workers::~Workers() { stop(std::chrono::milliseconds(0)); }

void Workers::stop(std::chrono::milliseconds limit) {
  for (std::jthread& thread : threads_) thread.request_stop();
  const auto idle = [&] { return active_.with([](const auto& active) { return active.empty(); }); };
  const auto until = std::chrono::steady_clock::now() + limit;
  std::uint64_t seen = store_.version();
  while (!idle() && std::chrono::steady_clock::now() < until) {
    seen = store_.wait(seen, std::chrono::milliseconds(100), {});
  }
  ending_.request_stop();
  active_.with([](auto& active) {
    for (auto& [id, run] : active) run.stop.request_stop();
  });
  threads_.clear();
}

void Workers::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const std::uint64_t seen = store_.version();
    if (const auto claimed = claim()) {
      perform(claimed->first, claimed->second);
    } else {
      store_.wait(seen, look_again, stop);
    }
  }
}

std::optional<std::pair<Run, std::stop_token>> Workers::claim() {
  // A build that fails half way leaves more behind than one that waits.
  if (is_disk_low(yard_()->config())) return {};
  return active_.with([&](auto& active) -> std::optional<std::pair<Run, std::stop_token>> {
    std::vector<std::string> busy;
    busy.reserve(active.size());
    for (const auto& [id, run] : active) busy.push_back(run.lane);
    std::optional<Run> run = store_.claim(busy);
    if (!run) return {};
    Active& entry = active[run->id];
    entry.lane = store::lane_of(run->event);
    return std::pair(*run, entry.stop.get_token());
  });
}

void Workers::perform(const Run& run, const std::stop_token& stop) {
  // What is taken up again did not wait for a worker.
  if (run.attempt == 1 && run.started) metrics::run_began(*run.started - run.created);
  {
    Journal journal(store_, run.id);
    RunEnd end = outcome(run, journal, stop);
    if (end.state != RunState::queued) {
      if (!end.why.empty()) {
        const bool bad = end.state == RunState::failed || end.state == RunState::denied;
        journal.add("", "", bad ? "error" : "info", concat(render(end.state), ": ", end.why));
      }
      if (!tell_finished(run.id, end, journal)) end = {RunState::queued, ""};
    }
    if (end.state == RunState::queued) {
      journal.add("", "", "warn", "the daemon stops; the run goes on when it is back");
      journal.flush();
      store_.hand_back(run.id);
    } else {
      // The log is complete before anyone sees the run as ended.
      journal.flush();
      store_.finish(run.id, end.state, end.why);
    }
    report_(run, end);
  }
  active_.with([&](auto& active) { active.erase(run.id); });
}

/// Asked before the end is stored, so that a daemon that is killed in between asks still; what was
/// asked already is not asked again. False: the daemon stops, and plugins had not had their say. A
/// run that is cancelled is told of as others are, so its own token is not heeded.
bool Workers::tell_finished(RunId id, const RunEnd& end, Journal& journal) {
  try {
    const std::shared_ptr<Yard> yard = yard_();
    const Run run = store_.get(id);
    const std::vector<Stage> stages = store_.stages(id);
    FinishedScene scene;
    scene.run = &run;
    scene.state = end.state;
    scene.why = end.why;
    scene.previous_status = previous_status(store_, run);
    scene.url = yard->config().run_url(id);
    scene.now = system_now();
    scene.stages = &stages;
    Hooks(*yard, store_, journal, run)
        .ask(policy::Hook::on_finished, "", finished_facts(scene), ending_.get_token());
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled && ending_.stop_requested()) return false;
    // The run has ended as it has; a notice that cannot be made is worth a line.
    journal.add("", "on_finished", "warn", error.what());
  }
  return true;
}

/// `queued` means: to be handed back.
RunEnd Workers::outcome(const Run& run, Journal& journal, const std::stop_token& stop) {
  try {
    if (run.attempt > 1)
      journal.add("", "", "info",
                  concat("attempt ", run.attempt, " goes on from the last stored stage"));
    return Runner(options_, yard_(), staging_, store_, journal, run).perform(stop);
  } catch (const Error& error) {
    if (store_.cancel_wanted(run.id)) return {RunState::cancelled, store_.get(run.id).why};
    if (error.kind() == ErrorKind::cancelled && stop.stop_requested())
      return {RunState::queued, ""};
    return {RunState::failed, error.what()};
  } catch (const std::exception& error) {
    return {RunState::failed, concat("internal error: ", error.what())};
  }
}

void Workers::pass_on_cancels(const std::stop_token& stop) {
  const auto has_active = [&] {
    return active_.with([](const auto& active) { return !active.empty(); });
  };
  std::uint64_t seen = 0;
  // It outlasts the workers' stop request: a run that is given time to end can still be cancelled.
  while (!stop.stop_requested() || has_active()) {
    seen = store_.wait(seen, std::chrono::seconds(1), {});
    active_.with([&](auto& active) {
      for (auto& [id, run] : active) {
        if (store_.cancel_wanted(id)) run.stop.request_stop();
      }
    });
  }
}

}  // namespace lighterman::pipeline
