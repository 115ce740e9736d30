#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "store/inside.hpp"

namespace lighterman::store {
namespace {

/// What is built, written so that equal wishes are equal texts: a run is superseded only by one
/// that leaves nothing undone that it was asked for.
std::string asks(const PushEvent& event) {
  const std::set<std::string> images(event.images.begin(), event.images.end());
  boost::json::object args;
  for (const auto& [name, value] : event.args) args[name] = value;
  boost::json::object asked;
  asked["images"] = boost::json::array(images.begin(), images.end());
  asked["args"] = std::move(args);
  asked["no_cache"] = event.no_cache;
  return boost::json::serialize(asked);
}

std::optional<RunId> run_of(Connection& database, const std::string& source,
                            const std::string& delivery) {
  Statement known =
      database.query("SELECT id FROM events WHERE source = ? AND delivery = ?", source, delivery);
  if (!known.step()) return {};
  return known.number(0);
}

/// Queued runs that `run` makes needless end here.
void supersede_queued(Connection& database, RunId run, const PushEvent& event,
                      const std::string& asked, Instant now) {
  database.perform(
      "UPDATE runs SET state = 'superseded', why = ?, superseded_by = ?, ended = ?"
      " WHERE ended IS NULL AND state = 'queued' AND source = ? AND ref = ? AND asks = ? AND id < "
      "?",
      concat("superseded by run ", run), run, now, event.source, event.ref, asked, run);
}

/// Running ones are only asked: their worker knows where they can stop. One that a person asked to
/// stop before keeps that person's reason.
std::vector<RunId> supersede_running(Connection& database, RunId run, const PushEvent& event,
                                     const std::string& asked) {
  Statement found = database.query(
      "UPDATE runs SET cancel_wanted = 1, cancel_why = ?, superseded_by = ?"
      " WHERE ended IS NULL AND state = 'running' AND cancel_wanted = 0"
      " AND source = ? AND ref = ? AND asks = ? AND id < ? RETURNING id",
      concat("superseded by run ", run), run, event.source, event.ref, asked, run);
  std::vector<RunId> asked_to_stop;
  while (found.step()) asked_to_stop.push_back(found.number(0));
  return asked_to_stop;
}

}  // namespace

Added Store::add(const PushEvent& event, Supersede supersede, std::optional<RunId> retry_of) {
  if (event.delivery.empty())
    throw Error(ErrorKind::invalid, "an event needs a delivery id, by which it is known again");
  const std::string body = boost::json::serialize(to_json(event));
  const std::string asked = asks(event);
  const Instant now = inside_->options.clock();
  std::vector<RunId> asked_to_stop;
  const bool announced = inside_->announced.with(
      [&](const std::set<std::string>& sources) { return sources.contains(event.source); });

  const auto work = [&](Connection& database) -> Added {
    if (const auto known = run_of(database, event.source, event.delivery)) return {*known, true};
    if (retry_of) require_run(database, *retry_of);
    database.perform("INSERT INTO events (source, delivery, received, body) VALUES (?, ?, ?, ?)",
                     event.source, event.delivery, event.received, body);
    const RunId run = database.last_id();
    database.perform(
        "INSERT INTO runs (id, source, ref, asked_commit, asks, state, retry_of, created)"
        " VALUES (?, ?, ?, ?, ?, 'queued', ?, ?)",
        run, event.source, event.ref, event.commit, asked, retry_of, now);
    if (announced) {
      database.perform(
          "INSERT INTO actions (run, image, hook, plugin, kind, body, state, tries, due, why)"
          " VALUES (?, '', '', '', 'status', '{}', 'waiting', 0, ?, '')",
          run, now);
    }
    if (supersede != Supersede::no && event.branch()) {
      supersede_queued(database, run, event, asked, now);
      if (supersede == Supersede::running)
        asked_to_stop = supersede_running(database, run, event, asked);
    }
    return {run, false};
  };
  return inside_->write(Watched::yes, work, [&] {
    inside_->cancelled.with(
        [&](std::set<RunId>& runs) { runs.insert(asked_to_stop.begin(), asked_to_stop.end()); });
  });
}

std::optional<RunId> Store::find_delivery(const std::string& source,
                                          const std::string& delivery) const {
  return inside_->readers.with(
      [&](Connection& database) { return run_of(database, source, delivery); });
}

}  // namespace lighterman::store
