#include "store/inside.hpp"

namespace lighterman::store {

std::optional<std::string> Store::find_head(const std::string& source,
                                            const std::string& ref) const {
  return inside_->readers.with([&](Connection& database) -> std::optional<std::string> {
    Statement row =
        database.query("SELECT commit_id FROM heads WHERE source = ? AND ref = ?", source, ref);
    if (!row.step()) return {};
    return row.text(0);
  });
}

void Store::put_head(const std::string& source, const std::string& ref, const std::string& commit) {
  inside_->write(Watched::no, [&](Connection& database) {
    database.perform("REPLACE INTO heads (source, ref, commit_id) VALUES (?, ?, ?)", source, ref,
                     commit);
  });
}

std::optional<TagRecord> Store::find_tag(const Reference& reference) const {
  return inside_->readers.with([&](Connection& database) -> std::optional<TagRecord> {
    Statement row =
        database.query("SELECT commit_id, ref, digest, run, version FROM tags WHERE reference = ?",
                       reference.text());
    if (!row.step()) return {};
    return TagRecord{row.text(0), row.text(1), Digest::parse(row.text(2)), row.number(3),
                     row.text(4)};
  });
}

void Store::put_tag(const Reference& reference, const TagRecord& record) {
  if (!reference.tag() || reference.digest())
    throw Error(ErrorKind::invalid,
                concat("\"", reference.text(), "\" is not a reference by tag alone"));
  inside_->write(Watched::no, [&](Connection& database) {
    database.perform(
        "REPLACE INTO tags (reference, commit_id, ref, digest, run, version)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        reference.text(), record.commit, record.ref, record.digest, record.run, record.version);
  });
}

std::optional<std::string> Store::find_fact(const std::string& scope,
                                            const std::string& name) const {
  return inside_->readers.with([&](Connection& database) -> std::optional<std::string> {
    Statement row =
        database.query("SELECT value FROM facts WHERE scope = ? AND name = ?", scope, name);
    if (!row.step()) return {};
    return row.text(0);
  });
}

void Store::put_fact(const std::string& scope, const std::string& name, const std::string& value) {
  inside_->write(Watched::no, [&](Connection& database) {
    database.perform("REPLACE INTO facts (scope, name, value) VALUES (?, ?, ?)", scope, name,
                     value);
  });
}

void Store::forget_fact(const std::string& scope, const std::string& name) {
  inside_->write(Watched::no, [&](Connection& database) {
    database.perform("DELETE FROM facts WHERE scope = ? AND name = ?", scope, name);
  });
}

std::int64_t Store::forget_findings(Instant before) {
  return inside_->write(Watched::no, [&](Connection& database) {
    return database.perform(
        "DELETE FROM facts WHERE scope = 'findings' AND CAST(name AS INTEGER) IN"
        " (SELECT id FROM runs WHERE ended < ?)",
        before);
  });
}

std::int64_t Store::forget_scans(Instant before) {
  return inside_->write(Watched::no, [&](Connection& database) {
    // RFC 3339 in UTC sorts as time does.
    return database.perform(
        "DELETE FROM facts WHERE scope = 'scan' AND json_extract(value, '$.scanned') < ?",
        render_time(before));
  });
}

std::map<std::string, std::string> Store::facts(const std::string& scope) const {
  return inside_->readers.with([&](Connection& database) {
    Statement rows = database.query("SELECT name, value FROM facts WHERE scope = ?", scope);
    std::map<std::string, std::string> facts;
    while (rows.step()) facts[rows.text(0)] = rows.text(1);
    return facts;
  });
}

}  // namespace lighterman::store
