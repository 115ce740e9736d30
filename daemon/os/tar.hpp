#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/bytes.hpp"

namespace lighterman::os {

struct TarEntry {
  enum class Type { file, folder, symlink, hardlink, other };
  std::string path = {};  ///< UTF-8 or raw bytes, relative, '/' between parts
  Type type = Type::file;
  unsigned mode = 0644;      ///< permission bits
  std::uint64_t size = 0;    ///< files only
  std::int64_t seconds = 0;  ///< time of change, since 1970
  std::int64_t nanoseconds = 0;
  std::string link = {};  ///< symlink and hardlink target
};

/// Writes a pax tar stream (POSIX.1-2001) with owner 0:0; the same calls give the same bytes.
/// libarchive underneath. One thread at a time.
class TarWriter {
 public:
  explicit TarWriter(Push out);
  ~TarWriter();
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  void add(const TarEntry& entry, std::string_view content = {});  ///< content.size() == entry.size
  void add(const TarEntry& entry, const Pull& content);            ///< exactly entry.size bytes
  /// `writer` gives the content, exactly entry.size bytes, to the Push it is called with.
  void add(const TarEntry& entry, const std::function<void(const Push&)>& writer);
  void finish();  ///< end marker; call once

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

/// Reads a tar stream entry by entry, never holding an entry's content. One thread at a time.
class TarReader {
 public:
  explicit TarReader(Pull in);
  ~TarReader();
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;

  bool next(TarEntry& entry);                      ///< false: the end; Error(invalid) if broken
  std::size_t read(char* into, std::size_t room);  ///< of the current entry's content; 0: its end

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::os
