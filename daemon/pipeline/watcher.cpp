#include "pipeline/watcher.hpp"

#include <algorithm>

#include "audit/trail.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "intake/cron.hpp"
#include "pipeline/base_watch.hpp"

namespace lighterman::pipeline {
namespace {

constexpr unsigned most_threads = 4;
constexpr std::chrono::seconds longest_sleep{30};
constexpr std::chrono::minutes after_failure{1};

bool wants(const config::Source& source, const std::string& ref) {
  const auto matches = [](const std::vector<std::string>& globs, std::string_view text) {
    return std::any_of(globs.begin(), globs.end(),
                       [&](const std::string& glob) { return matches_glob(glob, text); });
  };
  if (ref.starts_with("refs/heads/")) return matches(source.branches, ref.substr(11));
  if (ref.starts_with("refs/tags/")) return matches(source.git_tags, ref.substr(10));
  return false;
}

store::Store::Supersede supersede(config::Supersede wanted) {
  switch (wanted) {
    case config::Supersede::never:
      return store::Store::Supersede::no;
    case config::Supersede::queued:
      return store::Store::Supersede::queued;
    case config::Supersede::running:
      return store::Store::Supersede::running;
  }
  return store::Store::Supersede::no;
}

/// A webhook may have told of this commit, with its run still queued.
bool is_known(store::Store& store, const std::string& source, const std::string& ref,
              const std::string& commit) {
  store::RunFilter filter;
  filter.source = source;
  filter.commit = commit;
  const std::vector<Run> runs = store.list(filter);
  return std::any_of(runs.begin(), runs.end(),
                     [&](const Run& run) { return run.event.ref == ref; });
}

void note_run(store::Store& store, const std::string& who, const PushEvent& event, RunId run) {
  audit::Trail(store).note({.who = who,
                            .deed = "run",
                            .subject = concat("run ", run, " of ", event.source),
                            .why = concat(event.ref, ": ", event.reason)});
}

}  // namespace

std::vector<RunId> catch_up(const config::Source& source,
                            const std::map<std::string, std::string>& heads,
                            const std::string& default_branch, Origin origin, FirstSight first,
                            store::Store& store, const Clock& clock) {
  const std::string scope = concat("source:", source.name);
  const bool seen_before = store.find_fact(scope, "watched").has_value();
  std::vector<RunId> added;
  for (const auto& [ref, commit] : heads) {
    if (!wants(source, ref)) continue;
    const std::optional<std::string> known = store.find_head(source.name, ref);
    if (known == commit) continue;
    const bool build = seen_before || (first == FirstSight::build_default && ref == default_branch);
    if (build && !is_known(store, source.name, ref, commit)) {
      PushEvent event;
      event.source = source.name;
      event.origin = origin;
      event.ref = ref;
      event.commit = commit;
      event.before = known.value_or("");
      event.delivery = concat("head:", ref, ':', event.before, ':', commit);
      event.reason =
          origin == Origin::poll ? "polling found a new commit" : "no webhook told of this commit";
      event.received = clock();
      const store::Added one = store.add(event, supersede(source.supersede));
      if (!one.duplicate) note_run(store, "the daemon", event, one.run);
      added.push_back(one.run);
    }
    store.put_head(source.name, ref, commit);
  }
  if (!seen_before) store.put_fact(scope, "watched", render_time(clock()));
  return added;
}

Watcher::Watcher(std::shared_ptr<Yard> yard, store::Store& store, Complain complain, Clock clock)
    : yard_(std::move(yard)),
      store_(store),
      complain_(std::move(complain)),
      clock_(std::move(clock)) {
  for (const auto& [name, source] : yard_->config().sources) add_duties(source);
  if (yard_->config().bases && !yard_->config().bases->watch.empty()) add_base_duty();
  const unsigned threads = std::min<std::size_t>(duties_.size(), most_threads);
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

Watcher::~Watcher() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void Watcher::add_duties(const config::Source& source) {
  const auto compare = [this, &source](Origin origin, FirstSight first,
                                       std::chrono::milliseconds every) {
    return [this, &source, origin, first, every](Instant now, const std::stop_token& stop) {
      source::Mirror& mirror = yard_->mirror(source.name);
      const auto heads = mirror.remote_heads(stop);
      catch_up(source, heads, mirror.default_branch(stop).value_or(""), origin, first, store_,
               clock_);
      return now + every;
    };
  };
  if (source.poll) {
    duties_.push_back({source.name, clock_(), false,
                       compare(Origin::poll, FirstSight::build_default, *source.poll)});
  } else if (source.catch_up.count() > 0) {
    duties_.push_back({source.name, clock_(), false,
                       compare(Origin::catch_up, FirstSight::remember, source.catch_up)});
  }
  for (const config::Schedule& schedule : source.schedules) {
    const intake::Cron cron = intake::Cron::parse(schedule.cron);
    const auto first = next(cron, clock_());
    if (!first) continue;
    duties_.push_back(
        {source.name, *first, false,
         [this, &source, &schedule, cron](Instant now, const std::stop_token& stop) {
           PushEvent event;
           event.source = source.name;
           event.origin = Origin::schedule;
           event.ref = schedule.ref;
           if (event.ref.empty()) {
             event.ref = yard_->mirror(source.name).default_branch(stop).value_or("");
           }
           const auto minute = std::chrono::floor<std::chrono::minutes>(now);
           event.delivery =
               concat("schedule:", schedule.cron, ':', event.ref, ':', render_time(minute));
           event.reason = concat("schedule ", schedule.cron);
           event.received = now;
           const store::Added added = store_.add(event, store::Store::Supersede::no);
           if (!added.duplicate)
             note_run(store_, concat("schedule \"", schedule.cron, '"'), event, added.run);
           return next(cron, now).value_or(Instant::max());
         }});
  }
}

void Watcher::add_base_duty() {
  const intake::Cron cron = intake::Cron::parse(yard_->config().bases->watch);
  const auto first = next(cron, clock_());
  if (!first) return;
  duties_.push_back({"", *first, false, [this, cron](Instant now, const std::stop_token& stop) {
                       watch_bases(*yard_, store_, now, stop);
                       return next(cron, now).value_or(Instant::max());
                     }});
}

Watcher::Duty* Watcher::find_due(Instant now) {
  for (Duty& duty : duties_) {
    if (!duty.taken && duty.due <= now) return &duty;
  }
  return nullptr;
}

void Watcher::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const Instant now = clock_();
    Duty* duty = find_due(now);
    if (duty == nullptr) {
      auto sleep = std::chrono::duration_cast<std::chrono::milliseconds>(longest_sleep);
      for (const Duty& other : duties_) {
        if (!other.taken && other.due != Instant::max()) sleep = std::min(sleep, other.due - now);
      }
      changed_.wait_for(lock, stop, sleep, [] { return false; });
      continue;
    }
    duty->taken = true;
    lock.unlock();
    Instant again = now + after_failure;
    try {
      again = duty->perform(now, stop);
    } catch (const std::exception& error) {
      // A remote that is down today is asked again; the other sources are not its victims.
      if (!stop.stop_requested()) complain_(duty->source, error.what());
    }
    lock.lock();
    duty->taken = false;
    duty->due = again;
  }
}

}  // namespace lighterman::pipeline
