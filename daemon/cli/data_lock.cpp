#include "cli/data_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::cli {

DataLock::DataLock(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "lock";
  descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor_ < 0) {
    throw Error(ErrorKind::denied,
                concat("data folder \"", folder.string(), "\" cannot be written (who owns it?)"));
  }
  // A restore by root must not leave a lock that the daemon cannot open.
  struct stat owner {};
  if (geteuid() == 0 && stat(folder.c_str(), &owner) == 0 &&
      fchown(descriptor_, owner.st_uid, owner.st_gid) != 0) {
    close(descriptor_);
    throw Error(ErrorKind::denied, concat("\"", path.string(),
                                          "\" cannot be given to the owner of its folder; does "
                                          "the file system know owners?"));
  }
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    close(descriptor_);
    throw Error(ErrorKind::conflict,
                concat("data folder \"", folder.string(), "\" is in use by another lighterman"));
  }
}

DataLock::~DataLock() { close(descriptor_); }

}  // namespace lighterman::cli
