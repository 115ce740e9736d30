#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "os/file.hpp"

namespace lighterman::support {

/// A git repository with a work tree, made by the git program. Names and times are fixed, each
/// commit a minute after the one before, so that equal calls give equal commits.
class GitRepository {
 public:
  GitRepository();

  std::filesystem::path path() const { return folder_.path() / "repository"; }
  std::string url() const;  ///< "file:///..."

  void write(const std::string& file, std::string_view content);
  void write_program(const std::string& file, std::string_view content);  ///< executable
  void link(const std::string& file, const std::string& target);          ///< a symlink
  void remove(const std::string& file);
  /// Commits all of the work tree, changed or not; the new commit's id.
  std::string commit(const std::string& message);
  void branch(const std::string& name);    ///< makes it here and moves to it
  void checkout(const std::string& name);  ///< moves to a branch that is there
  void tag(const std::string& name);       ///< a plain tag on the current commit
  std::string head();
  /// Any git command in the work tree; its output without the last line end. Throws
  /// Error(internal) with git's words when it fails.
  std::string git(std::vector<std::string> arguments);

 private:
  os::ScratchFolder folder_;
  int commits_ = 0;
};

}  // namespace lighterman::support
