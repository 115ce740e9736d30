#include "store/backup.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "store/inside.hpp"
#include "store/schema.hpp"

namespace lighterman::store {
namespace {

void sync(const std::filesystem::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int fault = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!synced)
    throw Error(ErrorKind::internal, concat('"', path.string(), "\" cannot be written to disk: ",
                                            std::generic_category().message(fault)));
}

}  // namespace

void back_up(Store& store, const std::filesystem::path& to) {
  // Made here, so that it is for our eyes only from its first byte on.
  const int made = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0) {
    const int fault = errno;
    throw Error(
        fault == EEXIST ? ErrorKind::conflict : ErrorKind::denied,
        concat('"', to.string(), "\" cannot be made: ",
               fault == EEXIST ? "it is there already" : std::generic_category().message(fault)));
  }
  ::close(made);
  try {
    // A reader, though one that SQLite would not believe to be one (query_only): it sees one
    // moment, and who writes goes on.
    Connection database(store.inside().options.file, Connection::Access::write);
    database.perform("VACUUM INTO ?", to.string());
    sync(to, O_RDONLY);
    sync(to.has_parent_path() ? to.parent_path() : ".", O_RDONLY | O_DIRECTORY);
  } catch (const Error&) {
    // Half a backup would be taken for one.
    std::error_code ignored;
    std::filesystem::remove(to, ignored);
    throw;
  }
}

BackupCheck check_backup(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error))
    throw Error(ErrorKind::not_found, concat('"', file.string(), "\" is not a file"));
  Connection database(file, Connection::Access::read);
  const auto number = [&](const char* question) {
    Statement row = database.query(question);
    return row.step() ? row.number(0) : 0;
  };
  BackupCheck found;
  if (number("PRAGMA application_id") != application_id)
    throw Error(ErrorKind::invalid, concat('"', file.string(), "\" is no store of Lighterman"));
  found.schema = number("PRAGMA user_version");
  if (found.schema > static_cast<std::int64_t>(schema_steps().size()))
    throw Error(ErrorKind::conflict,
                concat('"', file.string(), "\" was written by a newer Lighterman (schema ",
                       found.schema, ", this one knows ", schema_steps().size(), ')'));
  {
    Statement row = database.query("PRAGMA integrity_check(1)");
    const std::string said = row.step() ? row.text(0) : "nothing";
    if (said != "ok")
      throw Error(ErrorKind::invalid, concat('"', file.string(), "\" is damaged: ", said));
  }
  found.runs = number("SELECT count(*) FROM runs");
  return found;
}

}  // namespace lighterman::store
