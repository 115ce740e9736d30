#include <algorithm>
#include <boost/json.hpp>
#include <limits>

#include "core/error.hpp"
#include "core/json.hpp"
#include "store/inside.hpp"

namespace lighterman::store {
namespace {

constexpr std::string_view select_replication =
    "SELECT id, run, rule, source, digest, target, tags, terms, state, tries, created, due,"
    " started, ended, total, present, mounted, sent, why, notes FROM replications";

std::vector<std::string> texts_in(const std::string& json) {
  return boost::json::value_to<std::vector<std::string>>(boost::json::parse(json));
}

std::uint64_t bytes_at(const Statement& row, int column) {
  return static_cast<std::uint64_t>(row.number(column));
}

Replication replication_from(const Statement& row) {
  return {row.number(0),
          row.number(1),
          row.text(2),
          Reference::parse(row.text(3)).at(Digest::parse(row.text(4))),
          Reference::parse(row.text(5)),
          texts_in(row.text(6)),
          replication_terms_from(boost::json::parse(row.text(7))),
          parse_replication_state(row.text(8)),
          row.number(9),
          row.instant(10),
          row.instant(11),
          row.find_instant(12),
          row.find_instant(13),
          bytes_at(row, 14),
          bytes_at(row, 15),
          bytes_at(row, 16),
          bytes_at(row, 17),
          row.text(18),
          texts_in(row.text(19))};
}

std::optional<Replication> find_replication(Connection& database, std::int64_t id) {
  Statement row = database.query(concat(select_replication, " WHERE id = ?"), id);
  if (!row.step()) return {};
  return replication_from(row);
}

/// Whether all that `older` is to carry, `newer` carries.
bool covers(const Replication& newer, const Replication& older) {
  return std::ranges::all_of(older.tags, [&](const std::string& tag) {
    return std::ranges::find(newer.tags, tag) != newer.tags.end();
  });
}

std::vector<Replication> waiting_for_pair(Connection& database, const Replication& like) {
  Statement rows = database.query(
      concat(select_replication, " WHERE state = 'waiting' AND source = ? AND target = ?"),
      like.source.name(), like.target.name());
  std::vector<Replication> found;
  while (rows.step()) found.push_back(replication_from(rows));
  return found;
}

/// The tags that no later replication of the pair carries: an older image must not come after a
/// newer one, whenever either of them was held up.
std::vector<std::string> tags_left(Connection& database, const Replication& mine) {
  Statement rows = database.query(
      "SELECT tags FROM replications WHERE source = ? AND target = ? AND id > ?"
      " AND state NOT IN ('cancelled', 'superseded')",
      mine.source.name(), mine.target.name(), mine.id);
  std::vector<std::string> left = mine.tags;
  while (rows.step())
    for (const std::string& newer : texts_in(rows.text(0))) std::erase(left, newer);
  return left;
}

}  // namespace

std::int64_t Store::add_replication(const Replication& replication) {
  const Instant now = inside_->options.clock();
  return inside_->write(Watched::yes, [&](Connection& database) {
    std::vector<std::int64_t> superseded;
    for (const Replication& older : waiting_for_pair(database, replication)) {
      const bool same = older.source == replication.source && older.terms == replication.terms &&
                        covers(older, replication);
      if (same) return older.id;
      // Without tags it carries an image that another one does not.
      const bool other_image = older.tags.empty() && older.source != replication.source;
      if (!other_image && covers(replication, older)) superseded.push_back(older.id);
    }
    Statement row = database.query(
        "INSERT INTO replications (run, rule, source, digest, target, tags, terms, state, created,"
        " due) VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?) RETURNING id",
        replication.run, replication.rule, replication.source.name(), *replication.source.digest(),
        replication.target.name(), boost::json::serialize(json_array(replication.tags)),
        boost::json::serialize(to_json(replication.terms)), now, replication.due);
    row.step();
    const std::int64_t id = row.number(0);
    for (const std::int64_t older : superseded)
      database.perform(
          "UPDATE replications SET state = 'superseded', ended = ?, why = ? WHERE id = ?", now,
          concat("replication ", id, " carries what is newer"), older);
    return id;
  });
}

std::optional<Replication> Store::claim_replication(Instant now) {
  const auto due = [&](Connection& database) -> std::optional<std::int64_t> {
    Statement row = database.query(
        "SELECT id FROM replications AS mine WHERE state = 'waiting' AND due <= ? AND NOT EXISTS"
        " (SELECT 1 FROM replications WHERE state = 'running' AND target = mine.target)"
        " ORDER BY due, id LIMIT 1",
        now);
    if (!row.step()) return {};
    return row.number(0);
  };
  // Whoever waits for work asks whenever something changed. Asking must change nothing, or those
  // who wait would wake one another for ever.
  if (!inside_->readers.with(due)) return {};
  return inside_->write(Watched::yes, [&](Connection& database) -> std::optional<Replication> {
    while (const auto id = due(database)) {
      const Replication mine = find_replication(database, *id).value();
      const std::vector<std::string> tags = tags_left(database, mine);
      if (tags.empty() && !mine.tags.empty()) {
        database.perform(
            "UPDATE replications SET state = 'superseded', ended = ?, why = ? WHERE id = ?", now,
            "later replications carry its tags", *id);
        continue;
      }
      database.perform(
          "UPDATE replications SET state = 'running', tries = tries + 1, started = ?,"
          " ended = NULL, tags = ? WHERE id = ?",
          now, boost::json::serialize(json_array(tags)), *id);
      return find_replication(database, *id);
    }
    return {};
  });
}

bool Store::put_replication(const Replication& replication) {
  const auto number = [](std::uint64_t bytes) { return static_cast<std::int64_t>(bytes); };
  return inside_->write(Watched::yes, [&](Connection& database) {
    return database.perform(
               "UPDATE replications SET state = ?, due = ?, ended = ?, total = ?, present = ?,"
               " mounted = ?, sent = ?, why = ?, notes = ? WHERE id = ? AND state = 'running'",
               std::string(render(replication.state)), replication.due, replication.ended,
               number(replication.total_bytes), number(replication.present_bytes),
               number(replication.mounted_bytes), number(replication.sent_bytes), replication.why,
               boost::json::serialize(json_array(replication.notes)), replication.id) == 1;
  });
}

bool Store::cancel_replication(std::int64_t id, const std::string& why) {
  const Instant now = inside_->options.clock();
  get_replication(id);
  return inside_->write(Watched::yes, [&](Connection& database) {
    return database.perform(
               "UPDATE replications SET state = 'cancelled', ended = ?, why = ?"
               " WHERE id = ? AND state IN ('waiting', 'running')",
               now, why, id) == 1;
  });
}

Replication Store::get_replication(std::int64_t id) const {
  const auto found =
      inside_->readers.with([&](Connection& database) { return find_replication(database, id); });
  if (!found) throw Error(ErrorKind::not_found, concat("there is no replication ", id));
  return *found;
}

std::vector<Replication> Store::replications(const ReplicationFilter& filter) const {
  std::string sql = concat(select_replication, " WHERE id < ?1");
  if (filter.run) sql += " AND run = ?2";
  if (!filter.rule.empty()) sql += " AND rule = ?3";
  if (filter.state) sql += " AND state = ?4";
  if (filter.open) sql += " AND state IN ('waiting', 'running')";
  if (filter.digest) sql += " AND digest = ?6";
  sql += " ORDER BY id DESC LIMIT ?5";
  return inside_->readers.with([&](Connection& database) {
    Statement rows = database.query(sql);
    rows.put(1, filter.before.value_or(std::numeric_limits<std::int64_t>::max()));
    if (filter.run) rows.put(2, *filter.run);
    if (!filter.rule.empty()) rows.put(3, filter.rule);
    if (filter.state) rows.put(4, render(*filter.state));
    rows.put(5, static_cast<std::int64_t>(filter.limit));
    if (filter.digest) rows.put(6, *filter.digest);
    std::vector<Replication> found;
    while (rows.step()) found.push_back(replication_from(rows));
    return found;
  });
}

std::optional<Instant> Store::next_replication() const {
  return inside_->readers.with([&](Connection& database) -> std::optional<Instant> {
    Statement row =
        database.query("SELECT due FROM replications WHERE state = 'waiting' ORDER BY due LIMIT 1");
    if (!row.step()) return {};
    return row.instant(0);
  });
}

std::int64_t Store::requeue_replications() {
  return inside_->write(Watched::yes, [&](Connection& database) {
    return database.perform("UPDATE replications SET state = 'waiting' WHERE state = 'running'");
  });
}

void Store::forget_replications(Instant before) {
  inside_->write(Watched::no, [&](Connection& database) {
    database.perform(
        "DELETE FROM replications WHERE ended < ?"
        " AND state NOT IN ('waiting', 'running')",
        before);
  });
}

}  // namespace lighterman::store
