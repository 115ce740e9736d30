#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/digest.hpp"
#include "core/handles.hpp"
#include "core/time.hpp"

namespace lighterman::store {

/// A prepared statement in use; ends its use (and keeps the statement for the next) when it goes.
/// Columns count from 0. One thread at a time.
class Statement {
 public:
  /// Values are bound in order; they are copied, so temporaries may be given.
  template <class... Values>
  Statement(sqlite3_stmt* statement, const std::string& file, const Values&... values)
      : statement_(statement), file_(file) {
    [[maybe_unused]] int place = 0;
    (put(++place, values), ...);
  }
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  bool step();  ///< to the next row; false: there is none
  std::int64_t number(int column) const;
  std::string text(int column) const;
  bool has(int column) const;  ///< not NULL
  std::optional<std::int64_t> find_number(int column) const;
  Instant instant(int column) const { return Instant(Instant::duration(number(column))); }
  std::optional<Instant> find_instant(int column) const;

  void put(int place, std::string_view value);
  void put(int place, std::int64_t value);
  void put(int place, Instant value) { put(place, value.time_since_epoch().count()); }
  void put(int place, const DiffId& value) { put(place, std::string_view(value.text())); }
  void put(int place, const Digest& value) { put(place, std::string_view(value.text())); }
  void put(int place, const std::string& value) { put(place, std::string_view(value)); }
  void put(int place, const char* value) { put(place, std::string_view(value)); }
  void put(int place, std::nullopt_t);
  template <class T>
  void put(int place, const std::optional<T>& value) {
    value ? put(place, *value) : put(place, std::nullopt);
  }

 private:
  void check(int code) const;
  sqlite3_stmt* statement_;
  const std::string& file_;
};

/// One SQLite connection and its prepared statements. One thread at a time.
class Connection {
 public:
  enum class Access { write, read };
  Connection(const std::filesystem::path& file, Access access);

  /// Several statements without parameters; not kept prepared.
  void execute(const std::string& sql);
  /// The statement with its parameters bound, before its first row. `sql` is kept prepared, so it
  /// must not hold values.
  template <class... Values>
  Statement query(std::string_view sql, const Values&... values) {
    return Statement(prepared(sql), file_, values...);
  }
  /// Runs a statement that gives no rows; returns how many rows it changed.
  template <class... Values>
  std::int64_t perform(std::string_view sql, const Values&... values) {
    query(sql, values...).step();
    return sqlite3_changes(database_.get());
  }
  std::int64_t last_id() const { return sqlite3_last_insert_rowid(database_.get()); }
  bool in_transaction() const { return sqlite3_get_autocommit(database_.get()) == 0; }
  const std::string& file() const noexcept { return file_; }

 private:
  sqlite3_stmt* prepared(std::string_view sql);

  std::string file_;
  // Statements go before the database they belong to.
  std::unique_ptr<sqlite3, By<sqlite3_close_v2>> database_;
  std::map<std::string, std::unique_ptr<sqlite3_stmt, By<sqlite3_finalize>>, std::less<>>
      statements_;
};

}  // namespace lighterman::store
