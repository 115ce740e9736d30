#include "store/makings.hpp"

#include <algorithm>

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

std::string manifests_question() {
  return concat("SELECT ", manifest_of, " AS found", staged, within(manifest_of), " UNION SELECT ",
                digest_of, published, within(digest_of),
                " UNION SELECT digest FROM publications WHERE ", within("digest"),
                " ORDER BY found LIMIT ?3");
}

std::string configs_question() {
  return concat("SELECT DISTINCT ", manifest_of, " AS found", staged, within(config_of),
                " ORDER BY found LIMIT ?3");
}

std::string config_question() {
  return concat("SELECT ", manifest_of, staged, config_of, " = ?1 ORDER BY place DESC LIMIT ?2");
}

/// Each half is limited by itself: an image that is the same every night has many makings.
std::string makings_question() {
  const auto newest = [](std::string_view among, std::string_view column) {
    return concat("SELECT run, image FROM (SELECT run, image", among, column,
                  " = ?1 ORDER BY place DESC LIMIT ?2)");
  };
  return concat(newest(staged, manifest_of), " UNION ", newest(published, digest_of),
                " ORDER BY run DESC, image LIMIT ?2");
}

constexpr std::string_view tags_question =
    "SELECT reference, run FROM tags WHERE digest = ?1 ORDER BY reference LIMIT ?2";
constexpr std::string_view carried_question =
    "SELECT digest, run FROM replications WHERE target = ?1 AND state = 'done' AND EXISTS"
    " (SELECT 1 FROM json_each(replications.tags) WHERE value = ?2) ORDER BY id DESC LIMIT 1";

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

std::vector<std::string> Makings::questions() {
  return {manifests_question(), configs_question(),         config_question(),
          makings_question(),   std::string(tags_question), std::string(carried_question)};
}

std::vector<Digest> Makings::manifests(const std::string& hex, std::size_t limit) const {
  return digests_from(store_, manifests_question(), hex, limit);
}

std::vector<Digest> Makings::manifests_of_configs(const std::string& hex, std::size_t limit) const {
  return digests_from(store_, configs_question(), hex, limit);
}

std::vector<Digest> Makings::manifests_of(const Digest& config, std::size_t limit) const {
  return store_.inside().readers.with([&](Connection& database) {
    Statement rows = database.query(config_question(), config, static_cast<std::int64_t>(limit));
    std::vector<Digest> digests;
    while (rows.step()) {
      Digest manifest = Digest::parse(rows.text(0));
      if (std::ranges::find(digests, manifest) == digests.end())
        digests.push_back(std::move(manifest));
    }
    return digests;
  });
}

std::vector<Making> Makings::find(const Digest& manifest, std::size_t limit) const {
  return store_.inside().readers.with([&](Connection& database) {
    Statement rows = database.query(makings_question(), manifest, static_cast<std::int64_t>(limit));
    std::vector<Making> found;
    while (rows.step()) found.push_back({rows.number(0), rows.text(1)});
    return found;
  });
}

std::vector<SetTag> Makings::tags(const Digest& manifest, std::size_t limit) const {
  return store_.inside().readers.with([&](Connection& database) {
    Statement rows = database.query(tags_question, manifest, static_cast<std::int64_t>(limit));
    std::vector<SetTag> found;
    while (rows.step()) found.push_back({Reference::parse(rows.text(0)), rows.number(1)});
    return found;
  });
}

std::optional<Carried> Makings::find_carried(const Reference& tag) const {
  return store_.inside().readers.with([&](Connection& database) -> std::optional<Carried> {
    Statement row = database.query(carried_question, tag.name(), tag.tag());
    if (!row.step()) return {};
    return Carried{Digest::parse(row.text(0)), row.number(1)};
  });
}

}  // namespace lighterman::store
