#include "api/checkups.hpp"

#include <boost/json/array.hpp>
#include <condition_variable>
#include <mutex>

#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "core/json.hpp"
#include "core/text.hpp"

namespace lighterman::api {
namespace {

/// A stop that comes by itself after `limit`, or earlier with `outer`.
class TimedStop {
 public:
  TimedStop(const std::stop_token& outer, std::chrono::milliseconds limit)
      : pass_on_(outer, [this] { stop_.request_stop(); }),
        timer_([this, limit](const std::stop_token& needless) {
          std::mutex mutex;
          std::unique_lock lock(mutex);
          std::condition_variable_any never;
          never.wait_for(lock, needless, limit, [] { return false; });
          if (!needless.stop_requested()) stop_.request_stop();
        }) {}
  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> pass_on_;
  std::jthread timer_;
};

}  // namespace

bool Checkups::begin() {
  return round_.with([&](Round& round) {
    if (round.began && !round.ended) return false;
    // First the thread, which waits for this lock before it tells anything: if there can be none,
    // nothing has begun.
    thread_ = std::jthread([this](const std::stop_token& stop) { perform(stop); });
    round = {clock_(), {}, {}, ""};
    return true;
  });
}

void Checkups::stop() {
  // Whoever hears of it does so without our lock.
  round_.with([&](Round&) { return thread_.get_stop_source(); }).request_stop();
}

void Checkups::perform(const std::stop_token& stop) {
  std::optional<TimedStop> timed;
  std::string why;
  try {
    timed.emplace(stop, limit_);
    examine_(
        [this](const Look& look) {
          round_.with([&](Round& round) { round.looks.push_back(look); });
        },
        timed->token());
  } catch (const std::exception& error) {
    // Told to whoever waits for the end.
    why = timed && timed->token().stop_requested() && !stop.stop_requested()
              ? concat("not done within ", render_duration(limit_),
                       ": what comes after the last line does not answer")
              : error.what();
  }
  round_.with([&](Round& round) {
    round.why = std::move(why);
    round.ended = clock_();
  });
}

boost::json::object Checkups::report() const {
  return round_.with([](const Round& round) {
    boost::json::array looks;
    bool well = round.ended && round.why.empty();
    for (const Look& look : round.looks) {
      looks.push_back(to_json(look));
      well = well && look.health != Health::broken;
    }
    const char* state = !round.began ? "none" : round.ended ? "done" : "running";
    return boost::json::object{{"state", state},
                               {"began", json_time(round.began)},
                               {"ended", json_time(round.ended)},
                               {"well", well},
                               {"why", round.why},
                               {"looks", std::move(looks)}};
  });
}

void start_checkup(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  expect_all_sources(exchange);
  body_of(exchange, {});
  if (!room.checkups.begin())
    refuse(409, "a checkup is under way (GET /api/v1/checkup tells how far it is)");
  record(room, exchange, "checkup", "what a push needs", "");
  answer(exchange, 202, room.checkups.report());
}

void show_checkup(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  expect_all_sources(exchange);
  answer(exchange, room.checkups.report());
}

}  // namespace lighterman::api
