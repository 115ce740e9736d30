#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include "store/inside.hpp"

namespace lighterman::store {
namespace {

// The columns that run_from reads, in its order.
constexpr std::string_view select_run =
    "SELECT runs.id, body, state, commit_id, why, cancel_wanted, retry_of, attempt, created,"
    " started, ended, allowed FROM runs JOIN events ON events.id = runs.id";

Run run_from(const Statement& row) {
  Run run;
  run.id = row.number(0);
  run.event = push_event_from(boost::json::parse(row.text(1)));
  run.state = parse_run_state(row.text(2));
  run.commit = row.text(3);
  run.why = row.text(4);
  run.cancel_wanted = row.number(5) != 0;
  run.retry_of = row.find_number(6);
  run.attempt = row.number(7);
  run.created = row.instant(8);
  run.started = row.find_instant(9);
  run.ended = row.find_instant(10);
  if (const std::string allowed = row.text(11); !allowed.empty())
    run.allowed = allowance_from(boost::json::parse(allowed));
  return run;
}

Run run_of(Connection& database, RunId run) {
  Statement row = database.query(concat(select_run, " WHERE runs.id = ?"), run);
  if (!row.step()) throw Error(ErrorKind::not_found, concat("run ", run, " does not exist"));
  return run_from(row);
}

/// Where a run stands, as far as its ending is concerned.
struct Standing {
  RunState state;
  std::string why;
  bool cancel_wanted;
  std::string cancel_why;
  std::optional<RunId> superseded_by;
};

Standing standing(Connection& database, RunId run) {
  Statement row = database.query(
      "SELECT state, why, cancel_wanted, cancel_why, superseded_by FROM runs WHERE id = ?", run);
  if (!row.step()) throw Error(ErrorKind::not_found, concat("run ", run, " does not exist"));
  return {parse_run_state(row.text(0)), row.text(1), row.number(2) != 0, row.text(3),
          row.find_number(4)};
}

void end(Connection& database, RunId run, RunState state, const std::string& why, Instant now) {
  database.perform("UPDATE runs SET state = ?, why = ?, ended = ? WHERE id = ?", render(state), why,
                   now, run);
  database.perform("UPDATE stages SET state = ?, ended = ? WHERE run = ? AND ended IS NULL",
                   render(StageState::failed), now, run);
}

/// How a run ends that stopped because it was asked to: with the words of who asked.
void end_as_wished(Connection& database, RunId run, const Standing& was, const std::string& why,
                   Instant now) {
  const RunState state = was.superseded_by ? RunState::superseded : RunState::cancelled;
  end(database, run, state, was.cancel_why.empty() ? why : was.cancel_why, now);
}

/// Back into the queue at its old place; true if it is there, false if it had been asked to stop
/// and so ends instead.
bool queue_again(Connection& database, RunId run, Instant now) {
  const Standing was = standing(database, run);
  if (was.cancel_wanted) {
    end_as_wished(database, run, was, "", now);
    return false;
  }
  database.perform("UPDATE runs SET state = 'queued', started = NULL WHERE id = ?", run);
  return true;
}

}  // namespace

Run Store::get(RunId run) const {
  return inside_->readers.with([&](Connection& database) { return run_of(database, run); });
}

std::vector<Run> Store::list(const RunFilter& filter) const {
  // The statement's text depends on which filters are set, so that each kind finds its index.
  std::string sql = concat(select_run, " WHERE ?1 > runs.id");
  if (!filter.source.empty()) sql += " AND runs.source = ?2";
  if (!filter.branch.empty()) sql += " AND runs.ref = ?3";
  if (!filter.commit.empty())
    sql +=
        " AND iif(commit_id = '', asked_commit, commit_id) >= ?4"
        " AND iif(commit_id = '', asked_commit, commit_id) < ?4 || 'g'";
  if (filter.state) sql += " AND runs.state = ?5";
  sql += " ORDER BY runs.id DESC LIMIT ?6";
  const RunId before = filter.before.value_or(std::numeric_limits<RunId>::max());
  const auto limit = static_cast<std::int64_t>(std::min<std::size_t>(filter.limit, 1U << 30U));

  return inside_->readers.with([&](Connection& database) {
    Statement rows = database.query(sql);
    rows.put(1, before);
    if (!filter.source.empty()) rows.put(2, filter.source);
    if (!filter.branch.empty()) rows.put(3, concat("refs/heads/", filter.branch));
    if (!filter.commit.empty()) rows.put(4, lower(filter.commit));
    if (filter.state) rows.put(5, render(*filter.state));
    rows.put(6, limit);
    std::vector<Run> runs;
    while (rows.step()) runs.push_back(run_from(rows));
    return runs;
  });
}

std::string lane_of(const PushEvent& event) { return concat(event.source, '\n', event.ref); }

std::optional<Run> Store::claim(std::span<const std::string> busy_lanes) {
  const std::string busy =
      boost::json::serialize(boost::json::array(busy_lanes.begin(), busy_lanes.end()));
  const auto oldest = [&](Connection& database) -> std::optional<RunId> {
    Statement row = database.query(
        "SELECT id FROM runs WHERE state = 'queued'"
        " AND source || char(10) || ref NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT "
        "1",
        busy);
    if (!row.step()) return {};
    return row.number(0);
  };
  // Idle workers ask often; most of the time a look is enough.
  if (!inside_->readers.with(oldest)) return {};
  return inside_->write(Watched::yes, [&](Connection& database) -> std::optional<Run> {
    const auto run = oldest(database);
    if (!run) return {};
    database.perform(
        "UPDATE runs SET state = 'running', attempt = attempt + 1, started = ? WHERE id = ?",
        inside_->options.clock(), *run);
    return run_of(database, *run);
  });
}

std::vector<RunId> Store::requeue_interrupted() {
  return inside_->write(
      Watched::yes,
      [&](Connection& database) {
        std::vector<RunId> interrupted;
        {
          Statement rows = database.query(
              "SELECT id FROM runs WHERE ended IS NULL AND state = 'running' ORDER BY id");
          while (rows.step()) interrupted.push_back(rows.number(0));
        }
        const Instant now = inside_->options.clock();
        std::erase_if(interrupted, [&](RunId run) { return !queue_again(database, run, now); });
        return interrupted;
      },
      [&] { inside_->cancelled.with([](std::set<RunId>& runs) { runs.clear(); }); });
}

void Store::put_commit(RunId run, const std::string& commit) {
  inside_->write(Watched::yes, [&](Connection& database) {
    require_run(database, run);
    database.perform("UPDATE runs SET commit_id = ? WHERE id = ?", commit, run);
  });
}

void Store::put_why(RunId run, const std::string& why) {
  inside_->write(Watched::yes, [&](Connection& database) {
    require_run(database, run);
    database.perform("UPDATE runs SET why = ? WHERE id = ?", why, run);
  });
}

void Store::finish(RunId run, RunState state, const std::string& why) {
  if (!is_final(state))
    throw Error(ErrorKind::invalid, concat("run ", run, " cannot end as ", render(state)));
  inside_->write(
      Watched::yes,
      [&](Connection& database) {
        const Standing was = standing(database, run);
        const bool wished = state == RunState::cancelled && was.cancel_wanted;
        if (!is_final(was.state)) {
          const Instant now = inside_->options.clock();
          return wished ? end_as_wished(database, run, was, why, now)
                        : end(database, run, state, why, now);
        }
        // The same end once more is what a worker does that was not sure of the first time.
        const bool same = was.state == state || (wished && was.state == RunState::superseded);
        if (!same)
          throw Error(ErrorKind::conflict, concat("run ", run, " cannot end as ", render(state),
                                                  ": it has ended as ", render(was.state)));
      },
      [&] { inside_->cancelled.with([&](std::set<RunId>& runs) { runs.erase(run); }); });
}

void Store::hand_back(RunId run) {
  inside_->write(
      Watched::yes,
      [&](Connection& database) {
        const Standing was = standing(database, run);
        if (was.state == RunState::queued) return;
        if (is_final(was.state))
          throw Error(
              ErrorKind::conflict,
              concat("run ", run, " cannot wait again: it has ended as ", render(was.state)));
        queue_again(database, run, inside_->options.clock());
      },
      [&] { inside_->cancelled.with([&](std::set<RunId>& runs) { runs.erase(run); }); });
}

void Store::allow(RunId run, const Allowance& allowance) {
  const std::string text = boost::json::serialize(to_json(allowance));
  inside_->write(Watched::yes, [&](Connection& database) {
    const Standing was = standing(database, run);
    if (was.state != RunState::denied)
      throw Error(ErrorKind::conflict, concat("run ", run, " is ", render(was.state),
                                              "; only a denied run can be allowed"));
    database.perform(
        "UPDATE runs SET state = 'queued', why = '', started = NULL, ended = NULL, allowed = ?"
        " WHERE id = ?",
        text, run);
    database.perform("DELETE FROM hooks WHERE run = ? AND hook = 'on_finished'", run);
  });
}

bool Store::request_cancel(RunId run, const std::string& why) {
  bool running = false;
  return inside_->write(
      Watched::yes,
      [&](Connection& database) {
        const Standing was = standing(database, run);
        if (is_final(was.state)) return false;
        if (was.state == RunState::queued) {
          end(database, run, RunState::cancelled, why, inside_->options.clock());
          return true;
        }
        running = true;
        // The first who asked is the one who is named.
        if (!was.cancel_wanted)
          database.perform("UPDATE runs SET cancel_wanted = 1, cancel_why = ? WHERE id = ?", why,
                           run);
        return true;
      },
      [&] {
        if (running) inside_->cancelled.with([&](std::set<RunId>& runs) { runs.insert(run); });
      });
}

}  // namespace lighterman::store
