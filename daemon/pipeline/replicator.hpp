#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "net/retry.hpp"
#include "pipeline/replicate.hpp"
#include "pipeline/retention.hpp"
#include "registry/throttle.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// Carries out what the store holds of replications, some at a time, and does what the rules of
/// `replicate` and `retain` ask for at their times. One that fails for a reason that may pass is
/// tried again with growing pauses; one that takes longer than `replication_limit` is broken off,
/// and goes on from there at its next try. Any thread.
class Replicator {
 public:
  /// `level` is "info" or "warn".
  using Tell = std::function<void(std::string_view level, const std::string& text)>;

  static net::Retry usual_retry() {
    return {64, std::chrono::seconds(10), std::chrono::minutes(30), {}};  // about a day
  }

  Replicator(std::function<std::shared_ptr<Yard>()> yard, store::Store& store, Tell tell,
             net::Retry retry = usual_retry());
  ~Replicator();  ///< what travels goes on after the next start
  Replicator(const Replicator&) = delete;
  Replicator& operator=(const Replicator&) = delete;

  /// Makes the replications of a rule now, or only says which. Error(not_found) for no such rule.
  ReplicatePlan perform_rule(const std::string& name, bool dry_run, const std::stop_token& stop);
  /// One image, by hand; `tags` and a tag of `target` are what it is called there, else the tag of
  /// `source`. Error(not_found) for no such image.
  Replication send(const Reference& source, const Reference& target, std::vector<std::string> tags,
                   const ReplicationTerms& terms, const std::string& who,
                   const std::stop_token& stop);
  /// What a rule of `retain` keeps and deletes; with `apply` it is deleted.
  std::vector<RepositoryFate> retain(const std::string& name, bool apply,
                                     const std::stop_token& stop);

 private:
  struct Journey {
    std::stop_source stop;
    std::chrono::steady_clock::time_point end;
    std::string why;  ///< it was stopped
  };
  void carry(const std::stop_token& stop);
  void perform(Replication replication, const std::stop_token& stop);
  /// `journey` ends with its deadline or when somebody cancels it, `stop` with the daemon.
  void travel(Yard& yard, Replication& replication, const std::stop_token& journey,
              const std::stop_token& stop);
  void copy(Yard& yard, Replication& replication, const std::stop_token& journey,
            const std::stop_token& stop);
  registry::Throttle* throttle_of(const Replication& replication);
  void fail(Replication& replication, const Error& error, std::chrono::milliseconds pause,
            const std::string& stopped);
  /// Makes what the rules' schedules ask for.
  void keep_schedules(const std::stop_token& stop);
  /// Breaks off what was cancelled or takes too long.
  void look_after_journeys(const std::stop_token& stop);
  void look_after_journeys();
  void rest(const std::stop_token& stop);
  void note_schedule(const std::string& deed, const std::string& rule, const std::string& cron);
  void when_due(const std::string& scope, const std::string& name, const std::string& cron,
                const std::function<void()>& act);

  std::function<std::shared_ptr<Yard>()> yard_;
  store::Store& store_;
  Tell tell_;
  const net::Retry retry_;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::map<std::int64_t, Journey*> journeys_;  ///< under mutex_
  /// By rule and bytes a second, for all that travels under it; under mutex_.
  std::map<std::pair<std::string, std::uint64_t>, std::unique_ptr<registry::Throttle>> throttles_;
  std::vector<std::jthread> threads_;
};

}  // namespace lighterman::pipeline
