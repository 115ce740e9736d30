#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "core/bytes.hpp"
#include "core/digest.hpp"
#include "core/time.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"

namespace lighterman::staging {

/// Bytes on their way into the layout; removed again unless they are kept. One thread at a time.
class Incoming {
 public:
  explicit Incoming(const std::filesystem::path& path);
  ~Incoming();
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;

  void write(std::string_view bytes);
  std::uint64_t size() const noexcept { return size_; }
  /// Writes what is left to disk and names what came; call once.
  Digest finish();
  const std::filesystem::path& path() const noexcept { return file_.path(); }

 private:
  os::File file_;
  os::Sha256 hash_;
  std::uint64_t size_ = 0;
};

/// Blobs on disk as OCI image-spec's image-layout.md has them, at most `limit` bytes of them: the
/// least recently used go first, never one that is pinned. Any thread.
class Layout {
 public:
  Layout(std::filesystem::path folder, std::uint64_t limit);

  /// A place for bytes whose digest is not known yet.
  std::unique_ptr<Incoming> receive();
  /// Keeps what came, pinned once. Throws Error(invalid) when it is not what `expected` names.
  Digest keep(Incoming& incoming, const std::optional<Digest>& expected);
  Digest keep(std::string_view bytes);

  /// Pins the blob if it is there, and says its size.
  std::optional<std::uint64_t> pin(const Digest& blob);
  void unpin(const Digest& blob) noexcept;
  bool holds(const Digest& blob) const;
  Pull open(const Digest& blob, std::uint64_t offset) const;  ///< pinned blobs only
  std::string read(const Digest& blob, std::uint64_t limit) const;
  std::uint64_t held_bytes() const;

 private:
  struct Blob {
    std::uint64_t size = 0;
    unsigned pins = 0;
    std::filesystem::file_time_type used;
  };
  std::filesystem::path path_of(const Digest& blob) const;
  void load();
  void touch(const Digest& digest, Blob& blob) noexcept;
  void make_room() noexcept;

  const std::filesystem::path folder_;
  const std::uint64_t limit_;
  mutable std::mutex mutex_;
  std::map<Digest, Blob> blobs_;
  std::uint64_t held_ = 0;
};

}  // namespace lighterman::staging
