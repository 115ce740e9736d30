#include "store/ledger.hpp"

#include <algorithm>
#include <limits>

#include "store/inside.hpp"

namespace lighterman::store {
namespace {

// The columns that entry_from reads, in its order.
constexpr std::string_view select_entry =
    "SELECT number, moment, who, deed, subject, why, address, previous, hash FROM audit";

AuditEntry entry_from(const Statement& row) {
  return {row.number(0), row.instant(1), row.text(2), row.text(3), row.text(4),
          row.text(5),   row.text(6),    row.text(7), row.text(8)};
}

std::vector<AuditEntry> entries_of(Statement& rows) {
  std::vector<AuditEntry> entries;
  while (rows.step()) entries.push_back(entry_from(rows));
  return entries;
}

std::int64_t bound(std::size_t limit) {
  return static_cast<std::int64_t>(std::min<std::size_t>(limit, 1U << 30U));
}

}  // namespace

AuditEntry Ledger::add(AuditEntry entry, const Seal& seal, Care care) {
  Store::Inside& inside = store_.inside();
  inside.writer.perform(
      [&](Connection& database) {
        entry.number = 1;
        entry.previous.clear();
        {
          Statement newest =
              database.query("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1");
          if (newest.step()) {
            entry.number = newest.number(0) + 1;
            entry.previous = newest.text(1);
          }
        }
        // A number is given once: where the end was cut off, a gap has to stay.
        {
          Statement given = database.query("SELECT seq FROM sqlite_sequence WHERE name = 'audit'");
          if (given.step()) entry.number = std::max(entry.number, given.number(0) + 1);
        }
        entry.when = inside.options.clock();
        entry.hash = seal(entry);
        database.perform(
            "INSERT INTO audit (number, moment, who, deed, subject, why, address, previous, hash)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            entry.number, entry.when, entry.who, entry.deed, entry.subject, entry.why,
            entry.address, entry.previous, entry.hash);
      },
      care == Care::full ? Durability::full : Durability::lazy, {});
  return entry;
}

std::vector<AuditEntry> Ledger::list(const LedgerFilter& filter) const {
  std::string sql = concat(select_entry, " WHERE number < ?1");
  if (!filter.who.empty()) sql += " AND who = ?2";
  if (!filter.deed.empty()) sql += " AND deed = ?3";
  if (filter.since) sql += " AND moment >= ?4";
  sql += " ORDER BY number DESC LIMIT ?5";
  return store_.inside().readers.with([&](Connection& database) {
    Statement rows = database.query(sql);
    rows.put(1, filter.before.value_or(std::numeric_limits<std::int64_t>::max()));
    if (!filter.who.empty()) rows.put(2, filter.who);
    if (!filter.deed.empty()) rows.put(3, filter.deed);
    if (filter.since) rows.put(4, *filter.since);
    rows.put(5, bound(filter.limit));
    return entries_of(rows);
  });
}

std::vector<AuditEntry> Ledger::after(std::int64_t number, std::size_t limit) const {
  return store_.inside().readers.with([&](Connection& database) {
    Statement rows = database.query(
        concat(select_entry, " WHERE number > ? ORDER BY number LIMIT ?"), number, bound(limit));
    return entries_of(rows);
  });
}

std::int64_t Ledger::last_given() const {
  return store_.inside().readers.with([](Connection& database) -> std::int64_t {
    Statement row = database.query("SELECT seq FROM sqlite_sequence WHERE name = 'audit'");
    return row.step() ? row.number(0) : 0;
  });
}

}  // namespace lighterman::store
