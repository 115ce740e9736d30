#include "store/connection.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cassert>

#include "core/error.hpp"

namespace lighterman::store {
namespace {

[[noreturn]] void fail(int code, sqlite3* database, const std::string& file) {
  const std::string said = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(ErrorKind::unavailable,
                  concat(file, ": another program holds the database: ", said));
    case SQLITE_NOTADB:
      throw Error(ErrorKind::invalid, concat(file, ": not a Lighterman database: ", said));
    case SQLITE_FULL:
      throw Error(ErrorKind::internal, concat(file, ": no room left on the disk: ", said));
    case SQLITE_CANTOPEN:
      throw Error(ErrorKind::internal,
                  concat(file, ": cannot be opened (is its folder there and writable?): ", said));
    case SQLITE_CONSTRAINT:
      if (code == SQLITE_CONSTRAINT_FOREIGNKEY)
        throw Error(ErrorKind::not_found, concat(file, ": the run meant does not exist"));
      [[fallthrough]];
    default:
      throw Error(ErrorKind::internal, concat(file, ": ", said, " (SQLite code ", code, ")"));
  }
}

/// Only the daemon's user may read logs and events; SQLite gives -wal and -shm the same mode.
void create_privately(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor >= 0) ::close(descriptor);  // what is wrong is said better by sqlite3_open_v2
}

}  // namespace

Statement::~Statement() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) fail(code, sqlite3_db_handle(statement_), file_);
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) fail(code, sqlite3_db_handle(statement_), file_);
  return false;
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return size == 0 ? std::string() : std::string(bytes, size);
}

bool Statement::has(int column) const {
  return sqlite3_column_type(statement_, column) != SQLITE_NULL;
}

std::optional<std::int64_t> Statement::find_number(int column) const {
  if (!has(column)) return {};
  return number(column);
}

std::optional<Instant> Statement::find_instant(int column) const {
  if (!has(column)) return {};
  return instant(column);
}

void Statement::put(int place, std::string_view value) {
  // A null pointer would be NULL, not the empty text.
  const char* bytes = value.data() != nullptr ? value.data() : "";
  check(sqlite3_bind_text64(statement_, place, bytes, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::put(int place, std::int64_t value) {
  check(sqlite3_bind_int64(statement_, place, value));
}

void Statement::put(int place, std::nullopt_t) { check(sqlite3_bind_null(statement_, place)); }

Connection::Connection(const std::filesystem::path& file, Access access) : file_(file.string()) {
  if (access == Access::write) create_privately(file);
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(file_.c_str(), &opened,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  database_.reset(opened);
  if (code != SQLITE_OK) fail(code, opened, file_);
  sqlite3_busy_timeout(opened, 5000);  // milliseconds; only another process can make us wait
  if (access == Access::read) execute("PRAGMA query_only = ON");
}

void Connection::execute(const std::string& sql) {
  const int code = sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, database_.get(), file_);
}

sqlite3_stmt* Connection::prepared(std::string_view sql) {
  const auto known = statements_.find(sql);
  if (known != statements_.end()) {
    assert(sqlite3_stmt_busy(known->second.get()) == 0);
    return known->second.get();
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) fail(code, database_.get(), file_);
  statements_.emplace(sql, statement);
  return statement;
}

}  // namespace lighterman::store
