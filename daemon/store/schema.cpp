#include "store/schema.hpp"

#include <array>

#include "core/error.hpp"

namespace lighterman::store {
namespace {

// Times are milliseconds since 1970, UTC. An event is what was asked and never changes; its run,
// of the same id, is what becomes of it. Apart, because a run's small row is rewritten often and an
// event's body can be long.
constexpr const char* version_1 = R"sql(
CREATE TABLE events (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice: people keep links to runs
  source    TEXT NOT NULL,
  delivery  TEXT NOT NULL,
  received  INTEGER NOT NULL,
  body      TEXT NOT NULL,                      -- the PushEvent as JSON
  UNIQUE (source, delivery)
);

CREATE TABLE runs (
  id            INTEGER PRIMARY KEY REFERENCES events (id) ON DELETE CASCADE,
  source        TEXT NOT NULL,
  ref           TEXT NOT NULL,
  asked_commit  TEXT NOT NULL,
  asks          TEXT NOT NULL,                  -- what is built: images, arguments, cache
  state         TEXT NOT NULL,
  commit_id     TEXT NOT NULL DEFAULT '',
  why           TEXT NOT NULL DEFAULT '',
  cancel_wanted INTEGER NOT NULL DEFAULT 0,
  cancel_why    TEXT NOT NULL DEFAULT '',
  superseded_by INTEGER,
  retry_of      INTEGER REFERENCES runs (id) ON DELETE SET NULL,
  attempt       INTEGER NOT NULL DEFAULT 0,
  created       INTEGER NOT NULL,
  started       INTEGER,
  ended         INTEGER
);
CREATE INDEX runs_by_source ON runs (source);
CREATE INDEX runs_queued ON runs (id) WHERE state = 'queued';
CREATE INDEX runs_open ON runs (source, ref) WHERE ended IS NULL;
CREATE INDEX runs_by_commit ON runs (iif(commit_id = '', asked_commit, commit_id));
CREATE INDEX runs_retried ON runs (retry_of) WHERE retry_of IS NOT NULL;

CREATE TABLE stages (
  place   INTEGER PRIMARY KEY AUTOINCREMENT,    -- the order in which they began
  run     INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  image   TEXT NOT NULL,
  name    TEXT NOT NULL,
  state   TEXT NOT NULL,
  result  TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended   INTEGER,
  UNIQUE (run, image, name)
);

CREATE TABLE journal (
  run    INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  moment INTEGER NOT NULL,
  image  TEXT NOT NULL,
  stage  TEXT NOT NULL,
  kind   TEXT NOT NULL,
  text   TEXT NOT NULL,
  PRIMARY KEY (run, number)
) WITHOUT ROWID;

CREATE TABLE heads (
  source    TEXT NOT NULL,
  ref       TEXT NOT NULL,
  commit_id TEXT NOT NULL,
  PRIMARY KEY (source, ref)
) WITHOUT ROWID;

CREATE TABLE tags (
  reference TEXT PRIMARY KEY,                   -- host/repository:tag
  commit_id TEXT NOT NULL,
  ref       TEXT NOT NULL,
  digest    TEXT NOT NULL,
  run       INTEGER NOT NULL                    -- outlives the run
) WITHOUT ROWID;

CREATE TABLE layers (
  diff_id           TEXT NOT NULL,
  compression       TEXT NOT NULL,
  media_type        TEXT NOT NULL,
  blob              TEXT NOT NULL,
  size              INTEGER NOT NULL,
  uncompressed_size INTEGER NOT NULL,
  PRIMARY KEY (diff_id, compression)
) WITHOUT ROWID;
CREATE INDEX layers_by_blob ON layers (blob);

CREATE TABLE places (
  seen       INTEGER PRIMARY KEY AUTOINCREMENT, -- larger: seen later
  host       TEXT NOT NULL,
  blob       TEXT NOT NULL,
  repository TEXT NOT NULL,
  UNIQUE (host, blob, repository)
);

CREATE TABLE uploads (
  repository TEXT NOT NULL,                     -- host/repository
  blob       TEXT NOT NULL,
  location   TEXT NOT NULL,
  offset     INTEGER NOT NULL,
  updated    INTEGER NOT NULL,
  PRIMARY KEY (repository, blob)
) WITHOUT ROWID;

CREATE TABLE facts (
  scope TEXT NOT NULL,
  name  TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (scope, name)
) WITHOUT ROWID;
)sql";

// What plugins were asked in a run and decided, for `plugin replay`; and what they want done.
constexpr const char* version_2 = R"sql(
CREATE TABLE hooks (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  run      INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  source   TEXT NOT NULL,
  image    TEXT NOT NULL,
  hook     TEXT NOT NULL,
  moment   INTEGER NOT NULL,
  facts    TEXT NOT NULL,                       -- 'null' once it is no longer kept
  answers  TEXT NOT NULL,                       -- of capabilities
  decision TEXT NOT NULL,
  UNIQUE (run, image, hook)
);

CREATE TABLE actions (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  run    INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  image  TEXT NOT NULL,
  hook   TEXT NOT NULL,
  plugin TEXT NOT NULL,
  kind   TEXT NOT NULL,
  body   TEXT NOT NULL,
  state  TEXT NOT NULL,
  tries  INTEGER NOT NULL,
  due    INTEGER NOT NULL,
  why    TEXT NOT NULL
);
CREATE INDEX actions_by_run ON actions (run);
CREATE INDEX actions_due ON actions (due) WHERE state = 'waiting';
)sql";

// Which key signed what, so that a key can be replaced.
constexpr const char* version_3 = R"sql(
CREATE TABLE signatures (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  key_hint       TEXT NOT NULL,
  repository     TEXT NOT NULL,                 -- host/repository
  image          TEXT NOT NULL,                 -- its digest
  predicate_type TEXT NOT NULL,
  form           TEXT NOT NULL,
  payload        TEXT NOT NULL,                 -- the digest of what was signed
  artifact       TEXT NOT NULL,
  moment         INTEGER NOT NULL,
  why            TEXT NOT NULL DEFAULT '',      -- it could not be signed again
  UNIQUE (image, repository, payload, form, key_hint)
);
CREATE INDEX signatures_by_key ON signatures (key_hint, id);
CREATE INDEX tags_by_digest ON tags (digest);
)sql";

// What a moving tag moved by, where the git tag has more than a version in it.
constexpr const char* version_4 = R"sql(
ALTER TABLE tags ADD COLUMN version TEXT NOT NULL DEFAULT '';
)sql";

// Who let a denied run publish, and why: an Allowance as JSON.
constexpr const char* version_5 = R"sql(
ALTER TABLE runs ADD COLUMN allowed TEXT NOT NULL DEFAULT '';
)sql";

// Images that were published, and how each scan of them came out.
constexpr const char* version_6 = R"sql(
CREATE TABLE publications (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  run       INTEGER NOT NULL,                   -- outlives the run
  source    TEXT NOT NULL,
  image     TEXT NOT NULL,
  digest    TEXT NOT NULL,
  targets   TEXT NOT NULL,
  published INTEGER NOT NULL,
  facts     TEXT NOT NULL,
  denied    TEXT NOT NULL DEFAULT '',
  gone      INTEGER NOT NULL DEFAULT 0,
  UNIQUE (source, image, digest)
);

CREATE TABLE scans (
  publication INTEGER NOT NULL REFERENCES publications (id) ON DELETE CASCADE,
  scanned     INTEGER NOT NULL,
  database    INTEGER,
  clean       INTEGER NOT NULL,
  reasons     TEXT NOT NULL,
  counts      TEXT NOT NULL,
  known       TEXT NOT NULL,                    -- '[]' but for the newest
  PRIMARY KEY (publication, scanned)
) WITHOUT ROWID;
)sql";

// Images on their way from one registry to another.
constexpr const char* version_7 = R"sql(
CREATE TABLE replications (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  run     INTEGER NOT NULL,                     -- outlives the run; 0: none
  rule    TEXT NOT NULL,
  source  TEXT NOT NULL,                        -- host/repository
  digest  TEXT NOT NULL,
  target  TEXT NOT NULL,                        -- host/repository
  tags    TEXT NOT NULL,
  terms   TEXT NOT NULL,
  state   TEXT NOT NULL,
  tries   INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL,
  due     INTEGER NOT NULL,
  started INTEGER,
  ended   INTEGER,
  total   INTEGER NOT NULL DEFAULT 0,
  present INTEGER NOT NULL DEFAULT 0,
  mounted INTEGER NOT NULL DEFAULT 0,
  sent    INTEGER NOT NULL DEFAULT 0,
  why     TEXT NOT NULL DEFAULT '',
  notes   TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX replications_open ON replications (due) WHERE state IN ('waiting', 'running');
CREATE INDEX replications_by_run ON replications (run);
CREATE INDEX publications_by_digest ON publications (digest);
)sql";

// Counts that would take a look at every run, kept as runs end; and what is told to forges, due
// again whenever there is something new to tell.
constexpr const char* version_8 = R"sql(
CREATE TABLE ends (
  source TEXT NOT NULL,
  state  TEXT NOT NULL,
  runs   INTEGER NOT NULL,
  PRIMARY KEY (source, state)
) WITHOUT ROWID;
INSERT INTO ends SELECT source, state, count(*) FROM runs WHERE ended IS NOT NULL
  GROUP BY source, state;
CREATE TRIGGER runs_end AFTER UPDATE OF ended ON runs
  WHEN old.ended IS NULL AND new.ended IS NOT NULL
BEGIN
  INSERT INTO ends (source, state, runs) VALUES (new.source, new.state, 1)
    ON CONFLICT (source, state) DO UPDATE SET runs = runs + 1;
END;
CREATE TRIGGER runs_told AFTER UPDATE OF state, commit_id ON runs
  WHEN old.state <> new.state OR old.commit_id <> new.commit_id
BEGIN
  UPDATE actions SET state = 'waiting', tries = 0, due = 0 WHERE run = new.id AND kind = 'status';
END;
CREATE INDEX publications_tagged ON publications (source, image) WHERE gone = 0;
)sql";

// Tokens that were made by `token new`, the audit trail, and indexes for lists of runs.
constexpr const char* version_9 = R"sql(
CREATE TABLE tokens (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  name    TEXT NOT NULL,
  sha256  TEXT NOT NULL UNIQUE,                 -- 64 hex digits; the token itself is nowhere
  role    TEXT NOT NULL,
  sources TEXT NOT NULL,                        -- '[]': all
  creator TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER,
  used    INTEGER,
  revoked INTEGER
);
CREATE UNIQUE INDEX tokens_by_name ON tokens (name) WHERE revoked IS NULL;

CREATE TABLE audit (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,   -- so that the end cannot be cut off unseen
  moment   INTEGER NOT NULL,
  who      TEXT NOT NULL,
  deed     TEXT NOT NULL,
  subject  TEXT NOT NULL,
  why      TEXT NOT NULL,
  address  TEXT NOT NULL,
  previous TEXT NOT NULL,                       -- the hash of the entry before
  hash     TEXT NOT NULL
);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is only added to');
END;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is only added to');
END;

-- Lists of what is rare among many runs.
CREATE INDEX runs_by_state ON runs (state);
CREATE INDEX runs_by_ref ON runs (ref);
)sql";

// From an image's digest to the runs that made it: what the stages' results say anyway.
constexpr const char* version_10 = R"sql(
CREATE INDEX stages_by_manifest ON stages (json_extract(result, '$.manifest'))
  WHERE name = 'staging' AND state = 'done';
CREATE INDEX stages_by_config ON stages (json_extract(result, '$.config.digest'))
  WHERE name = 'staging' AND state = 'done';
-- The end of host/repository@sha256:...
CREATE INDEX stages_by_reference ON stages (substr(json_extract(result, '$.reference'), -71))
  WHERE name >= 'publish:' AND name < 'publish;' AND state = 'done';
CREATE INDEX replications_by_digest ON replications (digest);
CREATE INDEX replications_by_target ON replications (target) WHERE state = 'done';
)sql";

constexpr std::array steps_to_here{version_1, version_2, version_3, version_4, version_5,
                                   version_6, version_7, version_8, version_9, version_10};

std::int64_t pragma(Connection& database, const char* question) {
  Statement answer = database.query(question);
  return answer.step() ? answer.number(0) : 0;
}

void refuse_strangers(Connection& database) {
  const std::int64_t owner = pragma(database, "PRAGMA application_id");
  const std::int64_t objects = pragma(database, "SELECT count(*) FROM sqlite_schema");
  if (owner == application_id || (owner == 0 && objects == 0)) return;
  throw Error(
      ErrorKind::invalid,
      concat(database.file(), ": another program's database; name an empty place for ours"));
}

}  // namespace

std::span<const char* const> schema_steps() noexcept { return steps_to_here; }

void migrate(Connection& database, std::span<const char* const> steps) {
  refuse_strangers(database);
  const auto known = static_cast<std::int64_t>(steps.size());
  const std::int64_t found = pragma(database, "PRAGMA user_version");
  if (found > known)
    throw Error(ErrorKind::conflict,
                concat(database.file(), ": written by a newer Lighterman (schema ", found,
                       ", this one knows ", known, "); start that version or restore a backup"));
  if (found == known) return;
  // A failure closes the connection, which rolls back: half a migration is never seen.
  database.execute("BEGIN IMMEDIATE");
  for (std::int64_t version = found; version < known; ++version)
    during(concat("bringing the schema to version ", version + 1),
           [&] { database.execute(steps[static_cast<std::size_t>(version)]); });
  database.execute(concat("PRAGMA application_id = ", application_id));
  database.execute(concat("PRAGMA user_version = ", known));
  database.execute("COMMIT");
}

}  // namespace lighterman::store
