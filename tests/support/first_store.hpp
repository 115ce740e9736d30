#pragma once

#include "core/text.hpp"
#include "store/schema.hpp"

namespace lighterman::support {

/// A store as the first version left it: run 1 failed, run 2 of the same source waits.
inline void make_first_store(const std::filesystem::path& file) {
  store::Connection database(file, store::Connection::Access::write);
  store::migrate(database, store::schema_steps().first(1));
  const std::string commit(40, 'a');
  for (const char* number : {"1", "2"}) {
    database.execute(concat(
        "INSERT INTO events (id, source, delivery, received, body) VALUES (", number,
        ", 'shop', 'd", number, "', 1767323045000, '{\"source\":\"shop\",\"delivery\":\"d", number,
        "\",\"origin\":\"webhook\",\"ref\":\"refs/heads/main\",\"commit\":\"", commit,
        "\",\"before\":\"\",\"author\":\"ann\",\"title\":\"Say hello\",\"reason\":\"\","
        "\"received\":\"2026-01-02T03:04:05.000Z\"}');"
        "INSERT INTO runs (id, source, ref, asked_commit, asks, state, created) VALUES (",
        number, ", 'shop', 'refs/heads/main', '", commit, "', '', 'queued', 1767323045000);"));
  }
  database.execute(
      "UPDATE runs SET state = 'failed', why = 'the disk was full', attempt = 1,"
      " started = 1767323046000, ended = 1767323047000 WHERE id = 1;"
      "INSERT INTO stages (run, image, name, state, result, started, ended)"
      " VALUES (1, '', 'source', 'failed', '{}', 1767323046000, 1767323047000);"
      "INSERT INTO journal (run, number, moment, image, stage, kind, text)"
      " VALUES (1, 1, 1767323046000, '', 'source', 'out', 'hello from the past');");
}

}  // namespace lighterman::support
