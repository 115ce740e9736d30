#include "store/makings.hpp"

#include "store/inside.hpp"

namespace lighterman::store {
namespace {

// Written as the indexes have them: they serve nothing that is written in another way.
constexpr std::string_view staged = " FROM stages WHERE name = 'staging' AND state = 'done' AND ";
constexpr std::string_view published =
    " FROM stages WHERE name >= 'publish:' AND name < 'publish;' AND state = 'done' AND ";
constexpr std::string_view manifest_of = "json_extract(result, '$.manifest')";
constexpr std::string_view config_of = "json_extract(result, '$.config.digest')";
constexpr std::string_view digest_of = "substr(json_extract(result, '$.reference'), -71)";

/// Between ?1, "sha256:HEX", and ?2, what comes after all that begin so.
std::string within(std::string_view column) {
  return concat(column, " >= ?1 AND ", column, " < ?2");
}

std::vector<Digest> digests_from(Store& store, const std::string& sql, const std::string& hex,
                                 std::size_t limit) {
  const std::string first = concat("sha256:", hex);
  return store.inside().readers.with([&](Connection& database) {
    Statement rows =
        database.query(sql, first, concat(first, 'g'), static_cast<std::int64_t>(limit));
    std::vector<Digest> digests;
    while (rows.step()) digests.push_back(Digest::parse(rows.text(0)));
    return digests;
  });
}

}  // namespace

std::vector<Digest> Makings::manifests(const std::string& hex, std::size_t limit) const {
  return digests_from(store_,
                      concat("SELECT ", manifest_of, " AS found", staged, within(manifest_of),
                             " UNION SELECT ", digest_of, published, within(digest_of),
                             " UNION SELECT digest FROM publications WHERE ", within("digest"),
                             " ORDER BY found LIMIT ?3"),
                      hex, limit);
}

std::vector<Digest> Makings::manifests_of_configs(const std::string& hex, std::size_t limit) const {
  return digests_from(store_,
                      concat("SELECT DISTINCT ", manifest_of, " AS found", staged,
                             within(config_of), " ORDER BY found LIMIT ?3"),
                      hex, limit);
}

std::vector<Making> Makings::find(const Digest& manifest, std::size_t limit) const {
  const std::string sql =
      concat("SELECT run, image", staged, manifest_of, " = ?1 UNION SELECT run, image", published,
             digest_of, " = ?1 ORDER BY run DESC, image LIMIT ?2");
  return store_.inside().readers.with([&](Connection& database) {
    Statement rows = database.query(sql, manifest, static_cast<std::int64_t>(limit));
    std::vector<Making> found;
    while (rows.step()) found.push_back({rows.number(0), rows.text(1)});
    return found;
  });
}

std::vector<SetTag> Makings::tags(const Digest& manifest) const {
  return store_.inside().readers.with([&](Connection& database) {
    Statement rows = database.query(
        "SELECT reference, run FROM tags WHERE digest = ? ORDER BY reference", manifest);
    std::vector<SetTag> found;
    while (rows.step()) found.push_back({Reference::parse(rows.text(0)), rows.number(1)});
    return found;
  });
}

std::optional<Digest> Makings::find_carried(const Reference& tag) const {
  return store_.inside().readers.with([&](Connection& database) -> std::optional<Digest> {
    Statement row = database.query(
        "SELECT digest FROM replications WHERE target = ?1 AND state = 'done' AND EXISTS"
        " (SELECT 1 FROM json_each(replications.tags) WHERE value = ?2) ORDER BY id DESC LIMIT 1",
        tag.name(), tag.tag());
    if (!row.step()) return {};
    return Digest::parse(row.text(0));
  });
}

}  // namespace lighterman::store
