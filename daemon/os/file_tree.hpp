#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "os/tar.hpp"

namespace lighterman::os {

/// The part of a tree that somebody wants: patterns as in a .dockerignore file
/// (docs.docker.com/build/concepts/context/#dockerignore-files).
struct FileChoice {
  std::vector<std::string> include;  ///< with all that lies below; none here and in follow: all
  std::vector<std::string> follow;   ///< as include, with what symbolic links on the way point to
  std::vector<std::string> exclude;  ///< "!" takes back

  bool everything() const noexcept { return include.empty() && follow.empty(); }
};

/// Files that somebody else decides which to read of: first all entries are told, then the content
/// of some is asked for by number. One thread at a time.
class FileTree {
 public:
  virtual ~FileTree() = default;
  /// Tells the entries in the order of their paths, parents first; their numbers are 0, 1, 2...
  /// Paths are compared byte by byte, '/' being less than any other byte. Call once.
  virtual void list(const std::function<void(const TarEntry&)>& take) = 0;
  /// The content of the file with this number: exactly the size that was told. After list().
  virtual void read(std::size_t number, const Push& out) = 0;
};

}  // namespace lighterman::os
