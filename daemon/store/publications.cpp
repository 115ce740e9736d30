#include <algorithm>
#include <boost/json.hpp>
#include <limits>

#include "core/json.hpp"
#include "store/inside.hpp"

namespace lighterman::store {
namespace {

// The columns that publication_from and scan_from read, in their order.
constexpr std::string_view publication_columns =
    "p.id, p.run, p.source, p.image, p.digest, p.targets, p.published, p.facts, p.denied, p.gone";
constexpr std::string_view scan_columns =
    "s.publication, s.scanned, s.database, s.clean, s.reasons, s.counts, s.known";
constexpr int scan_at = 10;

Publication publication_from(const Statement& row) {
  return {row.number(0),
          row.number(1),
          row.text(2),
          row.text(3),
          Digest::parse(row.text(4)),
          published_targets_from(boost::json::parse(row.text(5))),
          row.instant(6),
          boost::json::parse(row.text(7)),
          row.text(8),
          row.number(9) != 0};
}

std::vector<std::string> texts_in(const std::string& json) {
  const boost::json::value list = boost::json::parse(json);
  std::vector<std::string> texts;
  for (const auto& value : list.as_array()) texts.emplace_back(value.as_string());
  return texts;
}

ScanRecord scan_from(const Statement& row, int at) {
  ScanRecord record;
  record.publication = row.number(at);
  record.scanned = row.instant(at + 1);
  record.database = row.find_instant(at + 2);
  record.clean = row.number(at + 3) != 0;
  record.reasons = texts_in(row.text(at + 4));
  record.counts = boost::json::parse(row.text(at + 5)).as_object();
  record.known = texts_in(row.text(at + 6));
  return record;
}

std::string render_targets(const std::vector<PublishedTarget>& targets) {
  boost::json::array list;
  for (const PublishedTarget& target : targets) list.push_back(to_json(target));
  return boost::json::serialize(list);
}

/// Tags that an earlier run gave the same image still name it.
void merge(std::vector<PublishedTarget>& targets, const std::vector<PublishedTarget>& more) {
  for (const PublishedTarget& other : more) {
    auto same = std::ranges::find(targets, other.repository, &PublishedTarget::repository);
    if (same == targets.end()) same = targets.insert(same, {other.repository, {}});
    for (const std::string& tag : other.tags)
      if (std::ranges::find(same->tags, tag) == same->tags.end()) same->tags.push_back(tag);
  }
}

}  // namespace

std::int64_t Store::put_publication(const Publication& publication) {
  return inside_->write(Watched::no, [&](Connection& database) {
    std::vector<PublishedTarget> targets;
    {
      Statement row = database.query(
          "SELECT targets FROM publications WHERE source = ? AND image = ? AND digest = ?",
          publication.source, publication.image, publication.digest.text());
      if (row.step()) targets = published_targets_from(boost::json::parse(row.text(0)));
    }
    merge(targets, publication.targets);
    Statement row = database.query(
        "INSERT INTO publications (run, source, image, digest, targets, published, facts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, image, digest) DO UPDATE SET"
        " run = excluded.run, targets = excluded.targets, published = excluded.published,"
        " facts = excluded.facts, denied = '', gone = 0 RETURNING id",
        publication.run, publication.source, publication.image, publication.digest.text(),
        render_targets(targets), publication.published, boost::json::serialize(publication.facts));
    row.step();
    return row.number(0);
  });
}

void Store::update_publication(const Publication& publication) {
  inside_->write(Watched::no, [&](Connection& database) {
    database.perform("UPDATE publications SET targets = ?, denied = ?, gone = ? WHERE id = ?",
                     render_targets(publication.targets), publication.denied,
                     publication.gone ? 1 : 0, publication.id);
  });
}

void Store::put_scan(const ScanRecord& record) {
  inside_->write(Watched::no, [&](Connection& database) {
    // What was found is only compared with the next scan's; how it stood is kept for good.
    database.perform("UPDATE scans SET known = '[]' WHERE publication = ?", record.publication);
    database.perform(
        "INSERT OR REPLACE INTO scans (publication, scanned, database, clean, reasons, counts,"
        " known) VALUES (?, ?, ?, ?, ?, ?, ?)",
        record.publication, record.scanned, record.database, record.clean ? 1 : 0,
        boost::json::serialize(json_array(record.reasons)), boost::json::serialize(record.counts),
        boost::json::serialize(json_array(record.known)));
  });
}

std::vector<ScannedPublication> Store::publications(const PublicationFilter& filter) const {
  // s: the newest scan; t: the newest up to `clean_at`.
  std::string sql = concat(
      "SELECT ", publication_columns, ", ", scan_columns,
      " FROM publications p LEFT JOIN scans s ON s.publication = p.id AND s.scanned ="
      " (SELECT max(scanned) FROM scans WHERE publication = p.id)",
      filter.clean_at ? " JOIN scans t ON t.publication = p.id AND t.clean AND t.scanned ="
                        " (SELECT max(scanned) FROM scans WHERE publication = p.id AND scanned <= "
                        "?6)"
                      : "",
      " WHERE p.id < ?1 AND p.gone = ?2");
  if (!filter.source.empty()) sql += " AND p.source = ?3";
  if (!filter.image.empty()) sql += " AND p.image = ?4";
  if (filter.digest) sql += " AND p.digest = ?7";
  if (filter.clean) sql += *filter.clean ? " AND s.clean" : " AND NOT s.clean";
  sql += " ORDER BY p.id DESC LIMIT ?5";
  return inside_->readers.with([&](Connection& database) {
    Statement rows = database.query(sql);
    rows.put(1, filter.before.value_or(std::numeric_limits<std::int64_t>::max()));
    rows.put(2, std::int64_t{filter.gone ? 1 : 0});
    if (!filter.source.empty()) rows.put(3, filter.source);
    if (!filter.image.empty()) rows.put(4, filter.image);
    rows.put(5, static_cast<std::int64_t>(filter.limit));
    if (filter.clean_at) rows.put(6, *filter.clean_at);
    if (filter.digest) rows.put(7, *filter.digest);
    std::vector<ScannedPublication> found;
    while (rows.step()) {
      std::optional<ScanRecord> last;
      if (rows.find_number(scan_at)) last = scan_from(rows, scan_at);
      found.push_back({publication_from(rows), std::move(last)});
    }
    return found;
  });
}

}  // namespace lighterman::store
