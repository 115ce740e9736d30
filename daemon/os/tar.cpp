#include "os/tar.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <cerrno>
#include <exception>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/handles.hpp"

namespace lighterman::os {
namespace {

using Entry = std::unique_ptr<archive_entry, By<archive_entry_free>>;

/// libarchive converts names by the thread's locale. Names here are UTF-8 or raw bytes, whatever
/// the machine's locale is, or the same calls would not give the same bytes.
class NamesAreUtf8 {
 public:
  NamesAreUtf8() : before_(::uselocale(utf8())) {}
  ~NamesAreUtf8() { ::uselocale(before_); }
  NamesAreUtf8(const NamesAreUtf8&) = delete;
  NamesAreUtf8& operator=(const NamesAreUtf8&) = delete;

 private:
  static locale_t utf8() {
    static const locale_t locale = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (!locale) throw Error(ErrorKind::internal, "tar: this machine has no C.UTF-8 locale");
    return locale;
  }
  locale_t before_;
};

unsigned file_type(TarEntry::Type type) {
  switch (type) {
    case TarEntry::Type::folder:
      return AE_IFDIR;
    case TarEntry::Type::symlink:
      return AE_IFLNK;
    case TarEntry::Type::file:
    case TarEntry::Type::hardlink:
    case TarEntry::Type::other:
      break;
  }
  return AE_IFREG;
}

std::string reason_of(archive* handle) {
  const char* text = archive_error_string(handle);
  return text ? valid_utf8(text) : std::string("unknown reason");
}

}  // namespace

struct TarWriter::Inside {
  explicit Inside(Push push) : out(std::move(push)), handle(archive_write_new()) {
    if (!handle) throw Error(ErrorKind::internal, "tar: out of memory");
    archive_write_set_format_pax(handle.get());
    archive_write_add_filter_none(handle.get());
    archive_write_set_bytes_per_block(handle.get(), 65536);
    archive_write_set_bytes_in_last_block(handle.get(), 1);
    if (archive_write_open(handle.get(), this, nullptr, &Inside::write, nullptr) != ARCHIVE_OK)
      throw Error(ErrorKind::internal, concat("tar: ", reason_of(handle.get())));
  }

  static la_ssize_t write(archive* handle, void* self, const void* bytes,
                          std::size_t size) noexcept {
    auto* inside = static_cast<Inside*>(self);
    if (inside->abandoned) return -1;
    try {
      inside->out({static_cast<const char*>(bytes), size});
      return static_cast<la_ssize_t>(size);
    } catch (...) {
      // libarchive is C: the exception waits outside until it has returned.
      inside->failure = std::current_exception();
      archive_set_error(handle, EIO, "the receiver failed");
      return -1;
    }
  }

  void check(la_ssize_t result, const std::string& path) {
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    // A warning says that a name is not UTF-8 and was written as raw bytes, which is what we want.
    if (result < ARCHIVE_WARN)
      throw Error(ErrorKind::invalid,
                  concat("tar: ", valid_utf8(path), ": ", reason_of(handle.get())));
  }

  void header(const TarEntry& given) {
    const NamesAreUtf8 locale;
    archive_entry* to = archive_entry_clear(entry.get());
    archive_entry_copy_pathname(to, given.path.c_str());
    archive_entry_set_mode(to, file_type(given.type) | (given.mode & 07777));
    archive_entry_set_uid(to, 0);
    archive_entry_set_gid(to, 0);
    archive_entry_set_mtime(to, given.seconds, given.nanoseconds);
    archive_entry_set_size(
        to, given.type == TarEntry::Type::file ? static_cast<la_int64_t>(given.size) : 0);
    if (given.type == TarEntry::Type::symlink) archive_entry_copy_symlink(to, given.link.c_str());
    if (given.type == TarEntry::Type::hardlink) archive_entry_copy_hardlink(to, given.link.c_str());
    check(archive_write_header(handle.get(), to), given.path);
  }

  void content(std::string_view bytes, const std::string& path) {
    while (!bytes.empty()) {
      const la_ssize_t put = archive_write_data(handle.get(), bytes.data(), bytes.size());
      check(put, path);
      if (put <= 0) throw Error(ErrorKind::internal, concat("tar: ", valid_utf8(path), ": stuck"));
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
  }

  Push out;
  std::exception_ptr failure;
  bool abandoned = false;
  Entry entry{archive_entry_new()};
  std::vector<char> buffer;
  // Last, so that it is freed before what its callback needs.
  std::unique_ptr<archive, By<archive_write_free>> handle;
};

TarWriter::TarWriter(Push out) : inside_(std::make_unique<Inside>(std::move(out))) {}

TarWriter::~TarWriter() {
  // Freeing an unfinished archive writes its end; a stream that broke off must not look whole.
  inside_->abandoned = true;
}

namespace {

void check_size(const TarEntry& entry, std::uint64_t content) {
  const std::uint64_t wanted = entry.type == TarEntry::Type::file ? entry.size : 0;
  if (content != wanted)
    throw Error(ErrorKind::invalid, concat("tar: ", valid_utf8(entry.path), ": its content has ",
                                           content, " bytes where ", wanted, " were announced"));
}

void check_entry(const TarEntry& entry) {
  const bool is_link =
      entry.type == TarEntry::Type::symlink || entry.type == TarEntry::Type::hardlink;
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorKind::invalid, concat("tar: \"", valid_utf8(entry.path.c_str()), "\": ", why));
  };
  if (entry.path.empty()) refuse("an entry needs a path");
  if (entry.type == TarEntry::Type::other) refuse("only files, folders and links can be written");
  if (is_link && entry.link.empty()) refuse("a link needs a target");
  if (entry.path.find('\0') != std::string::npos || entry.link.find('\0') != std::string::npos)
    refuse("a name cannot hold a zero byte");
}

}  // namespace

void TarWriter::add(const TarEntry& entry, std::string_view content) {
  check_entry(entry);
  check_size(entry, content.size());
  inside_->header(entry);
  inside_->content(content, entry.path);
}

void TarWriter::add(const TarEntry& entry, const Pull& content) {
  check_entry(entry);
  inside_->header(entry);
  inside_->buffer.resize(65536);
  std::uint64_t done = 0;
  const std::uint64_t wanted = entry.type == TarEntry::Type::file ? entry.size : 0;
  for (;;) {
    const std::size_t got = content(inside_->buffer.data(), inside_->buffer.size());
    if (got == 0) break;
    done += got;
    if (done > wanted) break;
    inside_->content({inside_->buffer.data(), got}, entry.path);
  }
  check_size(entry, done);
}

void TarWriter::add(const TarEntry& entry, const std::function<void(const Push&)>& writer) {
  check_entry(entry);
  inside_->header(entry);
  std::uint64_t done = 0;
  const std::uint64_t wanted = entry.type == TarEntry::Type::file ? entry.size : 0;
  writer([&](std::string_view bytes) {
    done += bytes.size();
    if (done > wanted) check_size(entry, done);
    inside_->content(bytes, entry.path);
  });
  check_size(entry, done);
}

void TarWriter::finish() {
  const int result = archive_write_close(inside_->handle.get());
  inside_->check(result, "its end");
}

struct TarReader::Inside {
  explicit Inside(Pull pull) : in(std::move(pull)), handle(archive_read_new()) {
    if (!handle) throw Error(ErrorKind::internal, "tar: out of memory");
    archive_read_support_format_tar(handle.get());
    archive_read_support_format_empty(handle.get());
    check(archive_read_open(handle.get(), this, nullptr, &Inside::read, nullptr));
  }

  static la_ssize_t read(archive* handle, void* self, const void** bytes) noexcept {
    auto* inside = static_cast<Inside*>(self);
    try {
      const std::size_t got = inside->in(inside->buffer.data(), inside->buffer.size());
      *bytes = inside->buffer.data();
      return static_cast<la_ssize_t>(got);
    } catch (...) {
      // As in the writer: C must not see it.
      inside->failure = std::current_exception();
      archive_set_error(handle, EIO, "the stream failed");
      return -1;
    }
  }

  void check(la_ssize_t result) {
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    if (result < ARCHIVE_WARN)
      throw Error(ErrorKind::invalid, concat("reading tar: ", reason_of(handle.get())));
  }

  Pull in;
  std::exception_ptr failure;
  std::vector<char> buffer = std::vector<char>(131072);
  std::unique_ptr<archive, By<archive_read_free>> handle;
};

TarReader::TarReader(Pull in) : inside_(std::make_unique<Inside>(std::move(in))) {}
TarReader::~TarReader() = default;

bool TarReader::next(TarEntry& entry) {
  const NamesAreUtf8 locale;
  archive_entry* found = nullptr;
  const int result = archive_read_next_header(inside_->handle.get(), &found);
  if (result == ARCHIVE_EOF) {
    if (inside_->failure) std::rethrow_exception(std::exchange(inside_->failure, nullptr));
    return false;
  }
  inside_->check(result);
  const char* path = archive_entry_pathname(found);
  if (!path) throw Error(ErrorKind::invalid, "reading tar: an entry has no readable name");
  entry = TarEntry{};
  entry.path = path;
  entry.mode = static_cast<unsigned>(archive_entry_perm(found));
  entry.seconds = archive_entry_mtime(found);
  entry.nanoseconds = archive_entry_mtime_nsec(found);
  if (const char* target = archive_entry_hardlink(found)) {
    entry.type = TarEntry::Type::hardlink;
    entry.link = target;
  } else if (const char* aim = archive_entry_symlink(found)) {
    entry.type = TarEntry::Type::symlink;
    entry.link = aim;
  } else if (archive_entry_filetype(found) == AE_IFDIR) {
    entry.type = TarEntry::Type::folder;
  } else if (archive_entry_filetype(found) == AE_IFREG) {
    entry.size = static_cast<std::uint64_t>(archive_entry_size(found));
  } else {
    entry.type = TarEntry::Type::other;
  }
  return true;
}

std::size_t TarReader::read(char* into, std::size_t room) {
  const la_ssize_t got = archive_read_data(inside_->handle.get(), into, room);
  inside_->check(got);
  // What libarchive reports beside the bytes (a warning) does not change them.
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

}  // namespace lighterman::os
