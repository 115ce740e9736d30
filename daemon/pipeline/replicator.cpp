#include "pipeline/replicator.hpp"

#include <algorithm>

#include "audit/trail.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "net/url.hpp"
#include "pipeline/due.hpp"
#include "pipeline/harbor_work.hpp"
#include "pipeline/signing.hpp"
#include "registry/copy.hpp"
#include "registry/warm.hpp"
#include "trust/keyring.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::chrono::milliseconds longest_wait = std::chrono::minutes(1);
constexpr std::chrono::milliseconds look_again = std::chrono::milliseconds(500);
constexpr std::chrono::milliseconds between_news = std::chrono::seconds(1);

void require_signature(Yard& yard, const Reference& image, const std::stop_token& stop) {
  const auto& options = yard.config().keys;
  std::vector<trust::PublicKey> keys;
  if (options) {
    for (const trust::KeyEntry& entry : trust::Keyring(options->folder).entries())
      if (entry.verifies(system_now())) keys.push_back(entry.public_key);
  }
  if (keys.empty())
    throw Error(ErrorKind::denied, "only signed images are carried, and there are no keys");
  const Verification found = verify(yard.registry(image.host()), image, keys, Demand{}, stop);
  if (!found.good())
    throw Error(ErrorKind::denied, concat("only signed images are carried: ", found.why_not()));
}

void require_clean(const store::Store& store, const Reference& image) {
  store::PublicationFilter filter;
  filter.digest = image.digest();
  filter.limit = 1;
  const auto found = store.publications(filter);
  if (found.empty() || !found.front().last)
    throw Error(ErrorKind::denied, "only clean images are carried, and this one was not scanned");
  if (!found.front().last->clean)
    throw Error(ErrorKind::denied,
                concat("only clean images are carried: ", join(found.front().last->reasons, "; ")));
}

template <class Rule>
const Rule& named(const std::vector<Rule>& rules, const std::string& name, std::string_view where) {
  const auto rule = std::ranges::find(rules, name, &Rule::name);
  if (rule != rules.end()) return *rule;
  std::vector<std::string> known;
  known.reserve(rules.size());
  for (const Rule& each : rules) known.push_back(each.name);
  throw Error(ErrorKind::not_found,
              concat("`", where, "` has no rule \"", name, '"', did_you_mean(name, known)));
}

/// For people: what a mirror had, or why it has nothing. Error(cancelled) when the daemon stops.
std::string warmed(Yard& yard, const std::string& mirror, const Reference& image,
                   const std::vector<std::string>& tags,
                   const std::optional<std::set<Digest>>& fresh, const std::stop_token& journey,
                   const std::stop_token& stop) {
  try {
    const net::Url url = net::Url::parse(mirror);
    registry::Options options = registry_options(yard.config(), url.authority());
    if (url.scheme == "http") options.plain_http = true;
    return registry::warm(options, url.path, image, tags, fresh, journey).text(mirror);
  } catch (const Error& error) {
    // The image is where it belongs; the mirror gets it with the first pull.
    if (stop.stop_requested()) throw;
    return concat("mirror ", mirror, " does not have it: ", error.what());
  }
}

void note_bytes(Replication& replication, const registry::CopyTally& tally) {
  replication.total_bytes = tally.total;
  replication.present_bytes = tally.present;
  replication.mounted_bytes = tally.mounted;
  replication.sent_bytes = tally.sent;
}

}  // namespace

Replicator::Replicator(std::function<std::shared_ptr<Yard>()> yard, store::Store& store, Tell tell,
                       net::Retry retry)
    : yard_(std::move(yard)), store_(store), tell_(std::move(tell)), retry_(std::move(retry)) {
  store_.requeue_replications();
  for (unsigned i = 0; i < yard_()->config().replications; ++i)
    threads_.emplace_back([this](const std::stop_token& stop) { carry(stop); });
  // A rule may wait long for a registry; what travels must be looked after all the same.
  threads_.emplace_back([this](const std::stop_token& stop) { keep_schedules(stop); });
  threads_.emplace_back([this](const std::stop_token& stop) { look_after_journeys(stop); });
}

Replicator::~Replicator() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

ReplicatePlan Replicator::perform_rule(const std::string& name, bool dry_run,
                                       const std::stop_token& stop) {
  const std::shared_ptr<Yard> yard = yard_();
  const auto& rule = named(yard->config().replicate, name, "replicate");
  if (!rule.terms.policy.empty())
    throw Error(ErrorKind::invalid,
                concat("rule \"", name,
                       "\" has Harbor carry what is published; by hand it is told "
                       "so by: lighterman harbor replicate HOST ",
                       rule.terms.policy));
  ReplicatePlan plan = plan_replication(*yard, rule, stop);
  if (dry_run) return plan;
  for (const std::string& failure : plan.failures)
    tell_("warn", concat("rule ", name, ": ", failure));
  for (const Replication& each : plan.missing) store_.add_replication(each);
  for (const auto& [tag, digest] : plan.vanished) {
    yard->registry(tag.host()).delete_tag(tag, digest, stop);
    audit::Trail(store_).note({.who = concat("rule \"", name, '"'),
                               .deed = "delete",
                               .subject = tag.text(),
                               .why = "it is gone at its source"});
    tell_("info", concat(tag, " taken away: it is gone at its source (rule ", name, ")"));
  }
  return plan;
}

Replication Replicator::send(const Reference& source, const Reference& target,
                             std::vector<std::string> tags, const ReplicationTerms& terms,
                             const std::string& who, const std::stop_token& stop) {
  const std::shared_ptr<Yard> yard = yard_();
  const auto digest =
      source.digest() ? source.digest() : yard->registry(source.host()).find_tag(source, stop);
  if (!digest) throw Error(ErrorKind::not_found, concat("there is no image ", source.text()));
  if (target.digest())
    throw Error(ErrorKind::invalid, concat("\"", target.text(), "\": a target has no digest yet"));
  if (target.tag()) tags.push_back(*target.tag());
  if (tags.empty() && source.tag()) tags.push_back(*source.tag());
  Replication made = replication(who, source.at(*digest), target.bare(), std::move(tags));
  made.terms = terms;
  return store_.get_replication(store_.add_replication(made));
}

std::vector<RepositoryFate> Replicator::retain(const std::string& name, bool apply,
                                               const std::stop_token& stop) {
  const std::shared_ptr<Yard> yard = yard_();
  const auto& rule = named(yard->config().retain, name, "retain");
  std::vector<RepositoryFate> plan = plan_retention(*yard, store_, rule, stop);
  if (!apply) return plan;
  perform_retention(
      *yard, store_, plan, [&](const std::string& text) { tell_("info", text); },
      [&](const Reference& gone, const std::string& why) {
        audit::Trail(store_).note({.who = concat("rule \"", name, '"'),
                                   .deed = "delete",
                                   .subject = gone.text(),
                                   .why = why});
      },
      stop);
  return plan;
}

void Replicator::carry(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const std::uint64_t seen = store_.version();
    const Instant now = system_now();
    Instant::duration rest = longest_wait;
    try {
      if (auto replication = store_.claim_replication(now)) {
        perform(*std::move(replication), stop);
        continue;
      }
      // One that is due and was not claimed waits for another to the same place to end.
      if (const auto next = store_.next_replication())
        rest = std::max<Instant::duration>(*next - now, look_again);
    } catch (const std::exception& error) {
      // A full disk, for one: it goes on when there is room again.
      tell_("warn", concat("replications wait: ", error.what()));
    }
    store_.wait(seen,
                std::chrono::duration_cast<std::chrono::milliseconds>(
                    std::min<Instant::duration>(rest, longest_wait)),
                stop);
  }
}

void Replicator::perform(Replication replication, const std::stop_token& stop) {
  const std::shared_ptr<Yard> yard = yard_();
  Journey journey;
  journey.end = std::chrono::steady_clock::now() + yard->config().replication_limit;
  const std::stop_callback pass_on(stop, [&] { journey.stop.request_stop(); });
  {
    const std::lock_guard lock(mutex_);
    journeys_[replication.id] = &journey;
  }
  std::optional<Error> failure;
  std::chrono::milliseconds pause{};  // that the registry asks for
  try {
    travel(*yard, replication, journey.stop.get_token(), stop);
    replication.state = ReplicationState::done;
    replication.why.clear();
  } catch (const net::Busy& busy) {
    failure = busy;
    pause = busy.pause();
  } catch (const Error& error) {
    // Kept beside it, for whoever looks, and tried again where that may help.
    failure = error;
  } catch (const std::exception& error) {
    // An answer that nobody thought of must not end the other replications.
    failure = Error(ErrorKind::internal, concat("internal error: ", error.what()));
  }
  {
    const std::lock_guard lock(mutex_);
    journeys_.erase(replication.id);
  }
  if (failure) {
    // It is found running at the next start, and goes on.
    if (stop.stop_requested()) return;
    if (failure->kind() == ErrorKind::cancelled && !replication.terms.policy.empty())
      stop_harbor(registry_options(yard->config(), replication.source.host()), store_,
                  replication.id, tell_);
    fail(replication, *failure, pause, journey.why);
  }
  replication.ended = system_now();
  if (!store_.put_replication(replication)) return;
  if (replication.state == ReplicationState::done && !replication.terms.policy.empty()) {
    tell_("info", join(replication.notes, "; "));
  } else if (replication.state == ReplicationState::done) {
    tell_("info", concat(replication.source, " is at ", replication.target, ", ",
                         render_size(replication.sent_bytes), " sent of ",
                         render_size(replication.total_bytes)));
  } else {
    tell_("warn", concat("replication ", replication.id, ": ", replication.why));
  }
}

void Replicator::travel(Yard& yard, Replication& replication, const std::stop_token& journey,
                        const std::stop_token& stop) {
  const ReplicationTerms& terms = replication.terms;
  if (terms.only_clean) require_clean(store_, replication.source);
  if (terms.only_signed) require_signature(yard, replication.source, journey);
  if (terms.policy.empty()) return copy(yard, replication, journey, stop);
  const std::string carried =
      carry_by_harbor(registry_options(yard.config(), replication.source.host()), terms.policy,
                      store_, replication.id, journey);
  replication.notes = {concat("Harbor's policy ", terms.policy, ": ", carried)};
}

void Replicator::copy(Yard& yard, Replication& replication, const std::stop_token& journey,
                      const std::stop_token& stop) {
  const ReplicationTerms& terms = replication.terms;
  auto last_news = std::chrono::steady_clock::now();
  const auto news = [&](const registry::CopyTally& tally) {
    note_bytes(replication, tally);
    const auto now = std::chrono::steady_clock::now();
    if (now - last_news < between_news) return;
    last_news = now;
    store_.put_replication(replication);
  };
  const registry::CopyOutcome outcome = registry::copy(
      yard.registry(replication.source.host()), replication.source,
      yard.registry(replication.target.host()), replication.target, replication.tags,
      {terms.platforms, terms.referrers, nullptr, throttle_of(replication)}, news, journey);
  note_bytes(replication, outcome.tally);
  replication.notes = outcome.notes;
  const Reference image = replication.target.at(outcome.digest);
  // What an earlier try carried, or who published it there, is in no list of ours.
  std::optional<std::set<Digest>> fresh;
  const bool only_warms = replication.source.name() == replication.target.name();
  if (!only_warms && replication.tries <= 1) fresh = outcome.arrived;
  for (const std::string& mirror : terms.warm)
    replication.notes.push_back(
        warmed(yard, mirror, image, replication.tags, fresh, journey, stop));
}

registry::Throttle* Replicator::throttle_of(const Replication& replication) {
  if (replication.terms.push_limit == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  auto& throttle = throttles_[{replication.rule, replication.terms.push_limit}];
  if (!throttle) throttle = std::make_unique<registry::Throttle>(replication.terms.push_limit);
  return throttle.get();
}

void Replicator::fail(Replication& replication, const Error& error, std::chrono::milliseconds pause,
                      const std::string& stopped) {
  const bool passing = error.kind() == ErrorKind::unavailable || !stopped.empty();
  replication.why = stopped.empty() ? error.what() : stopped;
  if (passing && replication.tries < retry_.attempts) {
    replication.state = ReplicationState::waiting;
    replication.due =
        system_now() + std::max(pause, net::backoff(retry_, static_cast<int>(replication.tries)));
  } else {
    replication.state = ReplicationState::failed;
  }
}

void Replicator::keep_schedules(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const std::shared_ptr<Yard> yard = yard_();
    for (const config::ReplicateRule& rule : yard->config().replicate) {
      if (rule.when == config::ReplicateWhen::scheduled)
        when_due("replicate", rule.name, rule.schedule, [&] {
          note_schedule("replicate", rule.name, rule.schedule);
          perform_rule(rule.name, false, stop);
        });
    }
    for (const config::RetainRule& rule : yard->config().retain) {
      if (!rule.schedule.empty())
        when_due("retain", rule.name, rule.schedule, [&] {
          note_schedule("retain", rule.name, rule.schedule);
          retain(rule.name, true, stop);
        });
    }
    rest(stop);
  }
}

void Replicator::look_after_journeys(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    try {
      look_after_journeys();
    } catch (const std::exception& error) {
      // The store may answer the next time.
      tell_("warn", concat("replications are not looked after: ", error.what()));
    }
    rest(stop);
  }
}

void Replicator::rest(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  woken_.wait_for(lock, stop, look_again, [] { return false; });
}

void Replicator::note_schedule(const std::string& deed, const std::string& rule,
                               const std::string& cron) {
  audit::Trail(store_).note(
      {.who = concat("schedule \"", cron, '"'), .deed = deed, .subject = concat("rule ", rule)});
}

void Replicator::when_due(const std::string& scope, const std::string& name,
                          const std::string& cron, const std::function<void()>& act) {
  const Instant now = system_now();
  Due due(store_, scope, name);
  try {
    if (!due.is_due(cron, now)) return;
    std::string failure;
    try {
      act();
    } catch (const Error& error) {
      // It is tried again, and whoever reads the log knows why it is late.
      if (error.kind() == ErrorKind::cancelled) return;
      failure = error.what();
    } catch (const std::exception& error) {
      failure = concat("internal error: ", error.what());
    }
    if (failure.empty()) return due.done(now);
    tell_("warn", failure);
    due.failed(now);
  } catch (const std::exception& error) {
    // The other rules have done nothing wrong.
    tell_("warn", concat("rule ", name, ": ", error.what()));
  }
}

void Replicator::look_after_journeys() {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, journey] : journeys_) {
    if (std::chrono::steady_clock::now() > journey->end) {
      journey->why =
          concat("it took longer than ", render_duration(yard_()->config().replication_limit),
                 " (replication_limit)");
    } else if (store_.get_replication(id).state == ReplicationState::running) {
      continue;
    }
    journey->stop.request_stop();
  }
}

}  // namespace lighterman::pipeline
