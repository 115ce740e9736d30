#include "os/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>

#include "core/error.hpp"
#include "os/hash.hpp"

namespace lighterman::os {
namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(const fs::path& path, std::string_view doing, int reason) {
  throw Error(reason == ENOENT ? ErrorKind::not_found : ErrorKind::internal,
              concat(doing, " ", path.native(), ": ", std::generic_category().message(reason)));
}

int open_or_fail(const fs::path& path, int flags, unsigned mode, std::string_view doing) {
  for (;;) {
    const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (descriptor >= 0) return descriptor;
    if (errno != EINTR) fail(path, doing, errno);
  }
}

}  // namespace

File::File(int descriptor, fs::path path) : descriptor_(descriptor), path_(std::move(path)) {}

File File::open_to_read(const fs::path& path) {
  return {open_or_fail(path, O_RDONLY, 0, "opening"), path};
}

File File::create(const fs::path& path) {
  return {open_or_fail(path, O_RDWR | O_CREAT | O_TRUNC, 0600, "creating"), path};
}

File File::open_to_extend(const fs::path& path) {
  return {open_or_fail(path, O_RDWR | O_CREAT, 0600, "opening"), path};
}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::size_t File::read_at(std::uint64_t offset, char* into, std::size_t room) const {
  for (;;) {
    const ssize_t got = ::pread(descriptor_, into, room, static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) fail(path_, "reading", errno);
  }
}

void File::write_at(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0) {
      if (errno == EINTR) continue;
      fail(path_, "writing", errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
}

std::uint64_t File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail(path_, "reading the size of", errno);
  return static_cast<std::uint64_t>(status.st_size);
}

void File::sync() {
  if (::fdatasync(descriptor_) != 0) fail(path_, "writing", errno);
}

std::string read_file(const fs::path& path, std::uint64_t limit) {
  const int descriptor = open_or_fail(path, O_RDONLY, 0, "opening");
  const std::unique_ptr<const int, void (*)(const int*)> closing(
      &descriptor, [](const int* open) { ::close(*open); });
  std::string bytes;
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && status.st_size > 0 &&
      static_cast<std::uint64_t>(status.st_size) <= limit)
    bytes.reserve(static_cast<std::size_t>(status.st_size) + 1);
  // Read to the end instead of trusting the size: pipes and /proc have none.
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(descriptor, buffer, sizeof buffer);
    if (got < 0) {
      if (errno == EINTR) continue;
      fail(path, "reading", errno);
    }
    if (got == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(got) > limit)
      throw Error(ErrorKind::invalid,
                  concat("reading ", path.native(), ": it is larger than ", render_size(limit)));
    bytes.append(buffer, static_cast<std::size_t>(got));
  }
}

void replace_file(const fs::path& path, std::string_view bytes, unsigned mode) {
  const fs::path beside =
      path.parent_path() / concat(".", path.filename().native(), ".", random_id());
  {
    const int descriptor = open_or_fail(beside, O_WRONLY | O_CREAT | O_EXCL, 0600, "creating");
    std::size_t done = 0;
    int reason = 0;
    while (reason == 0 && done < bytes.size()) {
      const ssize_t put = ::write(descriptor, bytes.data() + done, bytes.size() - done);
      if (put >= 0)
        done += static_cast<std::size_t>(put);
      else if (errno != EINTR)
        reason = errno;
    }
    if (reason == 0 && (::fchmod(descriptor, mode) != 0 || ::fsync(descriptor) != 0))
      reason = errno;
    if (::close(descriptor) != 0 && reason == 0) reason = errno;
    if (reason == 0 && ::rename(beside.c_str(), path.c_str()) != 0) reason = errno;
    if (reason != 0) {
      ::unlink(beside.c_str());
      fail(path, "writing", reason);
    }
  }
  sync_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

void sync_folder(const fs::path& folder) {
  const int descriptor = open_or_fail(folder, O_RDONLY | O_DIRECTORY, 0, "opening");
  const int reason = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  // Some file systems cannot sync folders and say so; there is nothing more to do on them.
  if (reason != 0 && reason != EINVAL && reason != ENOTSUP) fail(folder, "syncing", reason);
}

Pull reader(const fs::path& path, std::uint64_t offset) {
  // Shared by the copies that std::function makes of the stream.
  const auto file = std::make_shared<const File>(File::open_to_read(path));
  return [file, offset](char* into, std::size_t room) mutable {
    const std::size_t got = file->read_at(offset, into, room);
    offset += got;
    return got;
  };
}

Secret read_secret(const std::string& place) {
  if (place.starts_with("file:")) {
    const fs::path path = place.substr(5);
    std::string value;
    try {
      value = read_file(path);
    } catch (const Error& error) {
      // The operator's configuration is wrong, whatever the system calls it.
      throw Error(ErrorKind::invalid, concat("secret ", place, ": ", error.what()));
    }
    if (value.ends_with('\n')) value.pop_back();
    if (value.ends_with('\r')) value.pop_back();
    if (value.empty())
      throw Error(ErrorKind::invalid, concat("secret ", place, ": the file is empty"));
    return Secret(std::move(value));
  }
  if (place.starts_with("env:")) {
    const char* value = std::getenv(place.c_str() + 4);
    if (!value || !*value)
      throw Error(ErrorKind::invalid,
                  concat("secret ", place, ": the environment variable is not set"));
    return Secret(value);
  }
  // Whatever stands here may be the secret itself, so it is not repeated.
  throw Error(ErrorKind::invalid,
              "a secret is named by its place, \"file:PATH\" or \"env:NAME\", never by its value");
}

ScratchFolder::ScratchFolder(const fs::path& parent) {
  std::string name = (parent / "lighterman-XXXXXX").native();
  if (!::mkdtemp(name.data())) fail(parent, "making a folder in", errno);
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code failure;
  fs::remove_all(path_, failure);
  if (!failure) return;
  // A folder that its owner may not write into (a module cache, say) is opened up first.
  std::error_code ignored;
  for (auto at = fs::recursive_directory_iterator(path_, ignored);
       !ignored && at != fs::recursive_directory_iterator(); at.increment(ignored))
    if (at->is_directory(ignored) && !at->is_symlink(ignored))
      fs::permissions(at->path(), fs::perms::owner_all, fs::perm_options::add, ignored);
  fs::remove_all(path_, failure);
}

}  // namespace lighterman::os
