#include "pipeline/errands.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"

namespace lighterman::pipeline {
namespace {

/// The clock may be set while nothing is due.
constexpr std::chrono::milliseconds longest_wait = std::chrono::minutes(10);

std::int64_t tries_of(const ActionRecord& action, const net::Retry& retry) {
  const auto* given = action.body.as_object().if_contains("tries");
  return given != nullptr && given->is_int64() ? given->get_int64() : retry.attempts;
}

const policy::Seat& seat_of(const Seats& seats, const std::string& name) {
  const auto found = std::ranges::find(seats, name, &policy::Seat::name);
  if (found != seats.end()) return *found;
  throw Error(ErrorKind::not_found,
              concat("plugin \"", name, "\" is no longer in the configuration"));
}

}  // namespace

Errands::Errands(std::function<std::shared_ptr<Yard>()> yard, store::Store& store, Report report,
                 net::Retry retry)
    : yard_(std::move(yard)),
      store_(store),
      report_(std::move(report)),
      retry_(std::move(retry)),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

void Errands::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const std::uint64_t seen = store_.version();
    if (const auto due = store_.find_due_action(system_now())) {
      perform(*due, stop);
    } else {
      const auto next = store_.next_due();
      const auto rest = next ? *next - system_now() : longest_wait;
      // Whoever adds an action wakes us.
      store_.wait(seen, std::clamp(rest, std::chrono::milliseconds(0), longest_wait), stop);
    }
  }
}

void Errands::perform(ActionRecord action, const std::stop_token& stop) {
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
    action.why = error.what();
    const bool again =
        error.kind() == ErrorKind::unavailable && action.tries < tries_of(action, retry_);
    action.state = again ? ActionState::waiting : ActionState::failed;
    action.due = system_now() + net::backoff(retry_, static_cast<int>(action.tries));
  }
  store_.put_action(action);
  if (action.state != ActionState::waiting) report_(action);
}

}  // namespace lighterman::pipeline
