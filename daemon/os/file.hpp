#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/bytes.hpp"
#include "core/secret.hpp"

namespace lighterman::os {

/// An open file; closed when it ends. Reads and writes name their offset, so that several threads
/// may use one File at different places. Throws Error(internal) with path and reason.
class File {
 public:
  static File open_to_read(const std::filesystem::path& path);  ///< Error(not_found) if missing
  static File create(const std::filesystem::path& path);        ///< new or emptied, mode 0600
  static File open_to_extend(
      const std::filesystem::path& path);  ///< created if missing, kept if there

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  std::size_t read_at(std::uint64_t offset, char* into, std::size_t room) const;  ///< 0: the end
  void write_at(std::uint64_t offset, std::string_view bytes);
  std::uint64_t size() const;
  void sync();  ///< fdatasync
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  File(int descriptor, std::filesystem::path path);
  int descriptor_ = -1;
  std::filesystem::path path_;
};

/// Reads a whole small file; Error(invalid) when it is larger than `limit` bytes.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = 1 << 20);
/// Writes beside, syncs, renames: readers see the old or the new bytes, never a mixture.
void replace_file(const std::filesystem::path& path, std::string_view bytes, unsigned mode = 0644);
/// Makes a rename or removal in this folder survive a power cut.
void sync_folder(const std::filesystem::path& folder);
/// The stream of a file's bytes from `offset` on; keeps the file open while it lives.
Pull reader(const std::filesystem::path& path, std::uint64_t offset = 0);

/// The value behind "file:PATH" (one trailing line end is dropped) or "env:NAME".
/// Throws Error(invalid) naming the place, never the value.
Secret read_secret(const std::string& place);

/// A new folder under `parent`, removed with all it holds when this ends.
class ScratchFolder {
 public:
  explicit ScratchFolder(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path());
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace lighterman::os
