#include "pipeline/errands.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "metrics/meters.hpp"

namespace lighterman::pipeline {
namespace {

/// The clock may be set while nothing is due.
constexpr std::chrono::milliseconds longest_wait = std::chrono::minutes(10);

std::int64_t tries_of(const ActionRecord& action, const net::Retry& retry) {
  const auto* given = action.body.as_object().if_contains("tries");
  return given != nullptr && given->is_int64() ? given->get_int64() : retry.attempts;
}

/// Another try, later, or none.
void settle(ActionRecord& action, const Error& error, std::int64_t tries, const net::Retry& retry) {
  action.why = error.what();
  const bool again = error.kind() == ErrorKind::unavailable && action.tries < tries;
  action.state = again ? ActionState::waiting : ActionState::failed;
  auto pause = net::backoff(retry, static_cast<int>(action.tries));
  if (const auto* busy = dynamic_cast<const net::Busy*>(&error))
    pause = std::max(pause, busy->pause());
  action.due = system_now() + pause;
}

const policy::Seat& seat_of(const Seats& seats, const std::string& name) {
  const auto found = std::ranges::find(seats, name, &policy::Seat::name);
  if (found != seats.end()) return *found;
  throw Error(ErrorKind::not_found,
              concat("plugin \"", name, "\" is no longer in the configuration"));
}

}  // namespace

Errands::Errands(std::function<std::shared_ptr<Yard>()> yard, store::Store& store, Report report,
                 net::Retry retry, net::Retry status_retry)
    : yard_(std::move(yard)),
      store_(store),
      report_(std::move(report)),
      retry_(std::move(retry)),
      status_retry_(std::move(status_retry)),
      notices_([this](const std::stop_token& stop) { work(store::Errand::notice, stop); }),
      statuses_([this](const std::stop_token& stop) { work(store::Errand::status, stop); }) {}

void Errands::work(store::Errand errand, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const std::uint64_t seen = store_.version();
    if (const auto due = store_.find_due_action(system_now(), errand)) {
      errand == store::Errand::status ? tell(*due, stop) : post(*due, stop);
    } else {
      const auto next = store_.next_due(errand);
      const auto rest = next ? *next - system_now() : longest_wait;
      // Whoever adds an action wakes us.
      store_.wait(seen, std::clamp(rest, std::chrono::milliseconds(0), longest_wait), stop);
    }
  }
}

void Errands::post(ActionRecord action, const std::stop_token& stop) {
  const std::shared_ptr<Yard> yard = yard_();
  ++action.tries;
  try {
    const policy::Seat seat = seat_of(*yard->rulebook().seats(), action.plugin);
    yard->rulebook().powers().perform_post(seat, action.body, stop);
    action.state = ActionState::done;
    action.why.clear();
  } catch (const Error& error) {
    // Nobody waits for a notice: it is tried again, or what is wrong with it is kept beside it.
    if (error.kind() == ErrorKind::cancelled && stop.stop_requested()) return;
    settle(action, error, tries_of(action, retry_), retry_);
  }
  store_.put_action(action);
  end(action);
}

void Errands::tell(ActionRecord action, const std::stop_token& stop) {
  const std::shared_ptr<Yard> yard = yard_();
  const Run run = store_.get(action.run);
  const std::int64_t tries = action.tries++;
  try {
    if (const auto rest = teller_.tell(yard->config(), store_, run, action, stop)) {
      // Others were answered so; this one has not been tried.
      action.tries = tries;
      action.due = *rest;
    } else {
      action.state = ActionState::done;
    }
  } catch (const Error& error) {
    // No run waits for its status.
    if (error.kind() == ErrorKind::cancelled && stop.stop_requested()) return;
    settle(action, error, status_retry_.attempts, status_retry_);
    teller_.rest(yard->config(), run, action);
  }
  store_.put_status(action, run);
  if (action.state == ActionState::failed) {
    JournalLine line;
    line.when = system_now();
    line.stage = "status";
    line.kind = "warn";
    line.text = concat("the forge was not told: ", action.why);
    store_.append(run.id, {line});
  }
  end(action);
}

void Errands::end(const ActionRecord& action) {
  if (action.state == ActionState::waiting) return;
  metrics::action_ended(action.kind, render(action.state));
  report_(action);
}

}  // namespace lighterman::pipeline
