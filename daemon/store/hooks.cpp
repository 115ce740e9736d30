#include <boost/json.hpp>
#include <limits>

#include "store/inside.hpp"

namespace lighterman::store {
namespace {

// The columns that hook_from and action_from read, in their order.
constexpr std::string_view select_hook =
    "SELECT id, run, source, image, hook, moment, facts, answers, decision FROM hooks";
constexpr std::string_view select_action =
    "SELECT id, run, image, hook, plugin, kind, body, state, tries, due, why FROM actions";

HookRecord hook_from(const Statement& row) {
  HookRecord record;
  record.id = row.number(0);
  record.run = row.number(1);
  record.source = row.text(2);
  record.image = row.text(3);
  record.hook = row.text(4);
  record.now = row.instant(5);
  record.facts = boost::json::parse(row.text(6));
  record.answers = boost::json::parse(row.text(7));
  record.decision = boost::json::parse(row.text(8));
  return record;
}

std::string_view waiting_for(Errand errand) {
  return errand == Errand::status ? " WHERE state = 'waiting' AND kind = 'status'"
                                  : " WHERE state = 'waiting' AND kind <> 'status'";
}

ActionRecord action_from(const Statement& row) {
  ActionRecord record;
  record.id = row.number(0);
  record.run = row.number(1);
  record.image = row.text(2);
  record.hook = row.text(3);
  record.plugin = row.text(4);
  record.kind = row.text(5);
  record.body = boost::json::parse(row.text(6));
  record.state = parse_action_state(row.text(7));
  record.tries = row.number(8);
  record.due = row.instant(9);
  record.why = row.text(10);
  return record;
}

}  // namespace

void Store::put_hook(const HookRecord& record, std::span<const ActionRecord> actions) {
  const std::string facts = boost::json::serialize(record.facts);
  const std::string answers = boost::json::serialize(record.answers);
  const std::string decision = boost::json::serialize(record.decision);
  inside_->write(Watched::yes, [&](Connection& database) {
    require_run(database, record.run);
    database.perform("DELETE FROM hooks WHERE run = ? AND image = ? AND hook = ?", record.run,
                     record.image, record.hook);
    // What somebody was told already stays told.
    database.perform(
        "DELETE FROM actions WHERE run = ? AND image = ? AND hook = ? AND state <> 'done'",
        record.run, record.image, record.hook);
    database.perform(
        "INSERT INTO hooks (run, source, image, hook, moment, facts, answers, decision)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        record.run, record.source, record.image, record.hook, record.now, facts, answers, decision);
    for (const ActionRecord& action : actions) {
      database.perform(
          "INSERT INTO actions (run, image, hook, plugin, kind, body, state, tries, due, why)"
          " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
          record.run, record.image, record.hook, action.plugin, action.kind,
          boost::json::serialize(action.body), render(action.state), action.tries, action.due,
          action.why);
    }
  });
}

std::optional<HookRecord> Store::find_hook(RunId run, const std::string& image,
                                           const std::string& hook) const {
  return inside_->readers.with([&](Connection& database) -> std::optional<HookRecord> {
    Statement row = database.query(concat(select_hook, " WHERE run = ? AND image = ? AND hook = ?"),
                                   run, image, hook);
    if (!row.step()) return {};
    return hook_from(row);
  });
}

std::vector<HookRecord> Store::hooks(const HookFilter& filter) const {
  std::string sql = concat(select_hook, " WHERE id < ?1");
  if (!filter.hook.empty()) sql += " AND hook = ?2";
  if (!filter.source.empty()) sql += " AND source = ?3";
  if (!filter.image.empty()) sql += " AND image = ?4";
  sql += " AND facts <> 'null' ORDER BY id DESC LIMIT ?5";
  return inside_->readers.with([&](Connection& database) {
    Statement rows = database.query(sql);
    rows.put(1, filter.before.value_or(std::numeric_limits<std::int64_t>::max()));
    if (!filter.hook.empty()) rows.put(2, filter.hook);
    if (!filter.source.empty()) rows.put(3, filter.source);
    if (!filter.image.empty()) rows.put(4, filter.image);
    rows.put(5, static_cast<std::int64_t>(filter.limit));
    std::vector<HookRecord> records;
    while (rows.step()) records.push_back(hook_from(rows));
    return records;
  });
}

std::int64_t Store::forget_hooks(Instant before) {
  return inside_->write(Watched::no, [&](Connection& database) {
    // The decisions stay with their runs; what they were made of goes.
    return database.perform(
        "UPDATE hooks SET facts = 'null', answers = '[]' WHERE facts <> 'null' AND run IN"
        " (SELECT id FROM runs WHERE ended < ?)",
        before);
  });
}

std::vector<ActionRecord> Store::actions(RunId run) const {
  return inside_->readers.with([&](Connection& database) {
    Statement rows = database.query(concat(select_action, " WHERE run = ? ORDER BY id"), run);
    std::vector<ActionRecord> records;
    while (rows.step()) records.push_back(action_from(rows));
    return records;
  });
}

std::optional<ActionRecord> Store::find_due_action(Instant now, Errand errand) const {
  return inside_->readers.with([&](Connection& database) -> std::optional<ActionRecord> {
    Statement row = database.query(
        concat(select_action, waiting_for(errand), " AND due <= ? ORDER BY due, id LIMIT 1"), now);
    if (!row.step()) return {};
    return action_from(row);
  });
}

std::optional<Instant> Store::next_due(Errand errand) const {
  return inside_->readers.with([&](Connection& database) -> std::optional<Instant> {
    Statement row = database.query(
        concat("SELECT due FROM actions", waiting_for(errand), " ORDER BY due LIMIT 1"));
    if (!row.step()) return {};
    return row.instant(0);
  });
}

void Store::put_action(const ActionRecord& record) {
  inside_->write(Watched::yes, [&](Connection& database) {
    database.perform("UPDATE actions SET state = ?, tries = ?, due = ?, why = ? WHERE id = ?",
                     render(record.state), record.tries, record.due, record.why, record.id);
  });
}

void Store::announce(std::set<std::string> sources) {
  inside_->announced.with(
      [&](std::set<std::string>& announced) { announced = std::move(sources); });
}

void Store::put_status(const ActionRecord& record, const Run& told) {
  inside_->write(Watched::yes, [&](Connection& database) {
    database.perform("UPDATE actions SET body = ? WHERE id = ?",
                     boost::json::serialize(record.body), record.id);
    database.perform(
        "UPDATE actions SET state = ?, tries = ?, due = ?, why = ? WHERE id = ? AND EXISTS"
        " (SELECT 1 FROM runs WHERE id = ? AND state = ? AND commit_id = ?)",
        render(record.state), record.tries, record.due, record.why, record.id, told.id,
        render(told.state), told.commit);
  });
}

}  // namespace lighterman::store
