#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "os/file_tree.hpp"
#include "source/mirror.hpp"

namespace lighterman::source {

/// What the stream held, known at its end.
struct ContextTotals {
  std::uint64_t files = 0, bytes = 0, ignored = 0;
};

/// A folder of a commit's tree, submodules and LFS pointers resolved, as files to choose from.
/// Their times come from the content. The mirror outlives it and the files.
class Folder {
 public:
  /// Error(not_found) when the commit has no such folder, with near names.
  Folder(const Mirror& mirror, std::string commit, const std::string& path);

  const std::string& path() const noexcept { return path_; }  ///< "." is the repository's top
  const std::string& id() const noexcept {
    return id_;
  }  ///< git's, of its tree: equal ids, equal files
  /// The chosen ones; no rule but those of the choice is applied. Any thread.
  std::unique_ptr<os::FileTree> files(const os::FileChoice& choice,
                                      const std::stop_token& stop) const;

 private:
  const Mirror* mirror_;
  std::string commit_, path_, id_;
};

/// A build context out of a commit's tree: `folder` of the repository, submodules and LFS pointers
/// resolved. Owners are 0:0 and times come from each entry's content, so equal trees give equal
/// bytes and a changed file never keeps its time. It is had as a tar stream, with the ignore rules
/// of "<dockerfile>.dockerignore" or ".dockerignore" applied as Docker does
/// (docs.docker.com/build/concepts/context/#dockerignore-files), or as files to choose from.
/// Memory: one read buffer, and of files to choose from their names; large blobs are streamed. One
/// thread at a time, but for files() and dockerfile_files(): any thread.
class Context {
 public:
  /// Error(not_found) when folder or Dockerfile is not in the commit, with near names.
  Context(const Mirror& mirror, std::string commit, const std::string& folder,
          const std::string& dockerfile);
  ~Context();
  Context(Context&&) noexcept;

  /// Path of the Dockerfile within the stream, for the engine's `dockerfile` parameter. One outside
  /// the folder is added there.
  const std::string& dockerfile_name() const noexcept;
  std::string dockerfile_text() const;
  const std::string& ignore_text() const noexcept;  ///< of its ignore file; empty: it has none
  /// Writes the whole tar. Call once per build attempt; each call gives the same bytes.
  ContextTotals write(const Push& out, const std::stop_token& stop) const;
  /// As Folder::files.
  std::unique_ptr<os::FileTree> files(const os::FileChoice& choice,
                                      const std::stop_token& stop) const;
  /// The paths in the folder that differ from an earlier commit, of those in one of the choices.
  /// Error(not_found) when that commit is not here.
  std::vector<std::string> changed_since(const std::string& commit,
                                         const std::vector<os::FileChoice>& choices,
                                         const std::stop_token& stop) const;
  /// The Dockerfile at dockerfile_name(), and the ignore file of its own where it has one.
  std::unique_ptr<os::FileTree> dockerfile_files(const std::stop_token& stop) const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

/// The same as something to read, its writer on a thread of its own with a bounded buffer.
/// The thread ends before this does.
class ContextStream {
 public:
  ContextStream(const Context& context, const std::stop_token& stop);
  ~ContextStream();
  ContextStream(const ContextStream&) = delete;
  ContextStream& operator=(const ContextStream&) = delete;
  std::size_t read(char* into, std::size_t room);  ///< 0: the end; throws what the writer threw
  ContextTotals totals() const;                    ///< after the end

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::source
