#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "os/tar.hpp"
#include "source/context.hpp"
#include "source/git.hpp"
#include "source/ignore.hpp"
#include "source/mirror.hpp"

namespace lighterman::source {

/// The path of a submodule in its commit, and where it comes from (gitmodules(5)).
struct Submodule {
  std::string path, url;
};
std::map<std::string, Submodule> parse_gitmodules(const std::string& text);  ///< by path
/// A submodule's URL, relative ones resolved against the parent's as git does.
std::string resolve_submodule_url(const std::string& parent, const std::string& url);
/// The submodule's own options: the parent's credentials only for the parent's host.
Options submodule_options(const Options& parent, const Submodule& submodule);

/// What a Git LFS pointer file says (git-lfs docs/spec.md); empty: it is none.
struct LfsPointer {
  std::string oid;
  std::uint64_t size = 0;
};
std::optional<LfsPointer> parse_lfs_pointer(std::string_view content);
/// Streams what a pointer stands for, by the git-lfs program; exactly pointer.size bytes.
void stream_lfs(const Mirror& mirror, std::string_view pointer_text, const LfsPointer& pointer,
                const Push& out, const std::stop_token& stop);
/// Streams a large blob without holding it, by the git program: libgit2 reads packed objects whole.
void stream_blob(const Mirror& mirror, const std::string& oid, const Push& out,
                 const std::stop_token& stop);

/// Writes one commit's folder into a tar, submodules included. One thread.
class TreeWalk {
 public:
  TreeWalk(os::TarWriter& tar, const IgnoreRules& rules, ContextTotals& totals,
           std::stop_token stop)
      : tar_(tar), rules_(rules), totals_(totals), stop_(std::move(stop)) {}

  /// `always`: paths that are sent though a rule ignores them.
  void write(const Mirror& mirror, const std::string& commit, const std::string& folder,
             const std::vector<std::string>& always);
  /// One file under another name.
  void write_file(const Mirror& mirror, const std::string& commit, const std::string& path,
                  const std::string& name);

 private:
  struct Place;
  void walk(Place& place, const git_tree* tree, const std::string& prefix);
  void add_blob(Place& place, const git_tree_entry* entry, const std::string& path);
  void add_folder(const git_oid& id, const std::string& path);
  void add_submodule(Place& place, const git_tree_entry* entry, const std::string& path);
  bool is_ignored(const std::string& path) const;

  os::TarWriter& tar_;
  const IgnoreRules& rules_;
  ContextTotals& totals_;
  std::stop_token stop_;
  std::vector<std::string> always_;
};

}  // namespace lighterman::source
