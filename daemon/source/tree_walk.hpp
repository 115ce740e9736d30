#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "os/tar.hpp"
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

/// One repository that a walk is in: the source's own or a submodule's.
struct Place {
  std::shared_ptr<const Mirror> owned;  ///< a submodule's; shared by its files and the walk
  const Mirror& mirror;
  std::string commit;
  std::string inside;  ///< the folder of the repository that stands at the context's root
  Repository repository;
  Odb odb;
  std::optional<std::map<std::string, Submodule>> submodules = {};

  Place(const Mirror& from, std::string at, std::string folder);
  Tree root() const;
  Tree folder() const;  ///< the tree of `inside`
};

/// A file's content, to be read now or later, any number of times. One thread at a time.
struct Content {
  std::shared_ptr<const Place> place;  ///< shared by all files of one repository
  git_oid id{};
  std::uint64_t blob_size = 0;
  bool lfs = false;  ///< the blob is a pointer

  void read(const Push& out, const std::stop_token& stop) const;
};

/// Which paths of a tree are wanted.
class Choice {
 public:
  virtual ~Choice() = default;
  virtual bool wants(const std::string& path) const = 0;
  /// Whether something below may be wanted, of a folder that itself is not.
  virtual bool wants_below(const std::string& folder) const = 0;
};

/// Walks one commit's folder, submodules included, in the order of os::FileTree. Times come from
/// the content. One thread.
class TreeWalk {
 public:
  /// `content` is null for what is no file.
  using Visit = std::function<void(const os::TarEntry& entry, const Content* content)>;

  TreeWalk(const Choice& choice, Visit visit, std::stop_token stop)
      : choice_(choice), visit_(std::move(visit)), stop_(std::move(stop)) {}

  void walk(const Mirror& mirror, const std::string& commit, const std::string& folder);
  /// One file under another name.
  void visit_file(const Mirror& mirror, const std::string& commit, const std::string& path,
                  const std::string& name);
  /// Files and folders that were not wanted; what lies in such a folder is not counted.
  std::uint64_t left_out() const noexcept { return left_out_; }

 private:
  using SharedPlace = std::shared_ptr<Place>;  // the walk's and, when it is over, its files'

  void walk(const SharedPlace& place, const git_tree* tree, const std::string& prefix);
  void visit_folder(const SharedPlace& place, const git_tree_entry* entry, const std::string& path);
  void visit_blob(const SharedPlace& place, const git_tree_entry* entry, const std::string& path);
  void walk_submodule(const SharedPlace& place, const git_tree_entry* entry,
                      const std::string& path);
  void visit_parents();

  const Choice& choice_;
  const Visit visit_;
  const std::stop_token stop_;
  std::vector<os::TarEntry> parents_;  ///< unwanted folders on the way, to be told with what is in
  std::uint64_t left_out_ = 0;
};

}  // namespace lighterman::source
