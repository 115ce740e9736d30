#include <limits>

#include "store/inside.hpp"

namespace lighterman::store {
namespace {

/// The rows that a filter wants, with its values at the places that bind() fills.
std::string where(const SignatureFilter& filter) {
  std::string sql = " FROM signatures AS mine WHERE id < ?1";
  if (!filter.key_hint.empty()) sql += " AND key_hint = ?2";
  if (filter.image) sql += " AND image = ?3 AND repository = ?4";
  if (!filter.lacking.empty())
    sql +=
        " AND NOT EXISTS (SELECT 1 FROM signatures AS other WHERE other.image = mine.image"
        " AND other.repository = mine.repository AND other.payload = mine.payload"
        " AND other.form = mine.form AND other.key_hint = ?5)";
  if (filter.tagged)
    sql +=
        " AND EXISTS (SELECT 1 FROM tags WHERE digest = mine.image"
        " AND substr(reference, 1, length(mine.repository) + 1) = mine.repository || ':')";
  if (filter.troubled) sql += " AND why <> ''";
  return sql;
}

void bind(Statement& statement, const SignatureFilter& filter) {
  statement.put(1, filter.before.value_or(std::numeric_limits<std::int64_t>::max()));
  if (!filter.key_hint.empty()) statement.put(2, filter.key_hint);
  if (filter.image) {
    statement.put(3, filter.image->digest());
    statement.put(4, filter.image->name());
  }
  if (!filter.lacking.empty()) statement.put(5, filter.lacking);
}

}  // namespace

void Store::put_signatures(std::span<const SignatureRecord> records) {
  if (records.empty()) return;
  inside_->write(Watched::no, [&](Connection& database) {
    for (const SignatureRecord& each : records)
      database.perform(
          "INSERT INTO signatures"
          " (key_hint, repository, image, predicate_type, form, payload, artifact, moment)"
          " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
          " ON CONFLICT (image, repository, payload, form, key_hint)"
          " DO UPDATE SET artifact = excluded.artifact",
          each.key_hint, each.image.name(), each.image.digest(), each.predicate_type, each.form,
          each.payload, each.artifact, each.when);
  });
}

std::vector<SignatureRecord> Store::signatures(const SignatureFilter& filter) const {
  const std::string sql = concat(
      "SELECT key_hint, repository, image, predicate_type, form, payload, artifact, moment, id, "
      "why",
      where(filter), " ORDER BY id DESC LIMIT ?6");
  return inside_->readers.with([&](Connection& database) {
    Statement rows = database.query(sql);
    bind(rows, filter);
    rows.put(6, static_cast<std::int64_t>(filter.limit));
    std::vector<SignatureRecord> records;
    while (rows.step())
      records.push_back(
          {rows.text(0), Reference::parse(rows.text(1)).at(Digest::parse(rows.text(2))),
           rows.text(3), rows.text(4), Digest::parse(rows.text(5)), Digest::parse(rows.text(6)),
           rows.instant(7), rows.number(8), rows.text(9)});
    return records;
  });
}

SignatureCount Store::count_signatures(const SignatureFilter& filter) const {
  const std::string sql =
      concat("SELECT count(*), count(DISTINCT repository || '@' || image)", where(filter));
  return inside_->readers.with([&](Connection& database) {
    Statement row = database.query(sql);
    bind(row, filter);
    row.step();
    return SignatureCount{row.number(0), row.number(1)};
  });
}

void Store::put_signature_trouble(std::span<const std::int64_t> ids, const std::string& why) {
  inside_->write(Watched::no, [&](Connection& database) {
    for (const std::int64_t id : ids)
      database.perform("UPDATE signatures SET why = ? WHERE id = ?", why, id);
  });
}

void Store::forget_signatures_of(const Reference& image) {
  inside_->write(Watched::no, [&](Connection& database) {
    database.perform("DELETE FROM signatures WHERE image = ? AND repository = ?", image.digest(),
                     image.name());
  });
}

void Store::forget_signatures_by(const std::string& key_hint) {
  inside_->write(Watched::no, [&](Connection& database) {
    database.perform("DELETE FROM signatures WHERE key_hint = ?", key_hint);
  });
}

}  // namespace lighterman::store
