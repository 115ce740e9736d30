#include "pipeline/status_teller.hpp"

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "pipeline/commit_status.hpp"

namespace lighterman::pipeline {
namespace {

/// Of one call, whatever it hangs in.
constexpr std::chrono::seconds call_limit{30};

const config::Source* find_told(const config::Config& config, const Run& run) {
  const auto source = config.sources.find(run.event.source);
  return source != config.sources.end() && source->second.status ? &source->second : nullptr;
}

/// A later run of the same commit, whose word is the newer one; empty: there is none.
std::optional<RunId> find_newer(const store::Store& store, const Run& run,
                                const std::string& commit) {
  store::RunFilter filter;
  filter.commit = commit;
  for (const Run& other : store.list(filter)) {
    if (other.id <= run.id) break;
    const bool allowed_since = run.allowed && run.allowed->when > other.created;
    if (other.event.source == run.event.source && !allowed_since) return other.id;
  }
  return {};
}

}  // namespace

std::optional<Instant> StatusTeller::tell(const config::Config& config, const store::Store& store,
                                          const Run& run, ActionRecord& action,
                                          const std::stop_token& stop) {
  const config::Source* source = find_told(config, run);
  if (source == nullptr) {
    action.why = "the source tells no forge any more";
    return {};
  }
  const config::StatusPlace place = config::status_place(*source);
  const CommitStatus status =
      commit_status(run, store.stages(run.id), config.run_url(run.id), source->status->context);
  // Without a commit there is nothing to tell; when it is found, this is due again.
  action.why = status.commit.empty() ? "the commit is not known" : "";
  if (status.commit.empty()) return {};
  if (const auto newer = find_newer(store, run, status.commit)) {
    action.why = concat("run ", *newer, " of the same commit tells it");
    return {};
  }
  const boost::json::object told{{"state", word_for(status.standing, place.forge)},
                                 {"commit", status.commit}};
  if (action.body == boost::json::value(told)) return {};
  if (const auto rest = resting_.find(place.api);
      rest != resting_.end() && rest->second > system_now()) {
    action.why = "waits until the forge has rested";
    return rest->second;
  }
  const Secret token = os::read_secret(source->status->token_place);
  net::Request request = request_for(status, place, source->status->username, token);
  request.trust.ca_file = source->ca_file;
  request.connect_timeout =
      std::min<std::chrono::milliseconds>(request.connect_timeout, call_limit);
  request.total_timeout = call_limit;
  check_answer(request, client_.perform(request, stop), place, token);
  action.body = told;
  return {};
}

void StatusTeller::rest(const config::Config& config, const Run& run, const ActionRecord& action) {
  if (action.state != ActionState::waiting) return;
  if (const config::Source* source = find_told(config, run))
    resting_[config::status_place(*source).api] = action.due;
}

}  // namespace lighterman::pipeline
