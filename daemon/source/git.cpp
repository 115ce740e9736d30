#include "source/git.hpp"

#include "core/text.hpp"

namespace lighterman::source {

void use_git() {
  static const int ready = [] {
    const int started = git_libgit2_init();
    // A mirror belongs to whoever runs the daemon, also when an operator copied it.
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    // Packs are mapped and objects cached in a daemon that must stay small; the defaults are 8 GiB
    // and 256 MiB.
    git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, std::size_t{4} << 20);
    git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, std::size_t{32} << 20);
    git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, static_cast<ssize_t>(8 << 20));
    return started;
  }();
  if (ready < 0) throw Error(ErrorKind::internal, "libgit2 could not be started");
}

std::string git_words() {
  const git_error* const error = git_error_last();
  return error != nullptr && error->message != nullptr ? error->message : "no reason given";
}

void check(int result, std::string_view doing) {
  if (result < 0) throw Error(ErrorKind::internal, concat(doing, ": ", git_words()));
}

Repository open_repository(const std::string& folder) {
  use_git();
  git_repository* opened = nullptr;
  check(git_repository_open_bare(&opened, folder.c_str()), concat("opening the mirror ", folder));
  return Repository(opened);
}

git_oid oid_of(const std::string& hex) {
  git_oid oid;
  if (hex.size() != GIT_OID_HEXSZ || git_oid_fromstr(&oid, hex.c_str()) != 0) {
    throw Error(ErrorKind::invalid,
                concat("\"", shortened(hex, 80), "\" is not a commit id (40 hex digits)"));
  }
  return oid;
}

std::string hex_of(const git_oid& oid) {
  char text[GIT_OID_HEXSZ + 1];
  return git_oid_tostr(text, sizeof text, &oid);
}

CommitObject get_commit(git_repository* repository, const std::string& id) {
  const git_oid oid = oid_of(id);
  git_commit* commit = nullptr;
  if (git_commit_lookup(&commit, repository, &oid) != 0) {
    throw Error(ErrorKind::not_found, concat("commit ", id, " is not in the mirror"));
  }
  return CommitObject(commit);
}

bool has_commit(git_repository* repository, const std::string& id) {
  const git_oid oid = oid_of(id);
  git_commit* commit = nullptr;
  const bool found = git_commit_lookup(&commit, repository, &oid) == 0;
  git_commit_free(commit);
  return found;
}

}  // namespace lighterman::source
