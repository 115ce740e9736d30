#pragma once

#include <git2.h>

#include <memory>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/handles.hpp"

namespace lighterman::source {

using Repository = std::unique_ptr<git_repository, By<git_repository_free>>;
using Remote = std::unique_ptr<git_remote, By<git_remote_free>>;
using Object = std::unique_ptr<git_object, By<git_object_free>>;
using CommitObject = std::unique_ptr<git_commit, By<git_commit_free>>;
using Tree = std::unique_ptr<git_tree, By<git_tree_free>>;
using TreeEntry = std::unique_ptr<git_tree_entry, By<git_tree_entry_free>>;
using Odb = std::unique_ptr<git_odb, By<git_odb_free>>;
using OdbObject = std::unique_ptr<git_odb_object, By<git_odb_object_free>>;
using Diff = std::unique_ptr<git_diff, By<git_diff_free>>;

/// libgit2 must be initialised once before any call.
void use_git();
/// libgit2's own words about the last failure on this thread.
std::string git_words();
/// Throws Error(internal) with libgit2's words when `result` is a failure.
void check(int result, std::string_view doing);

Repository open_repository(const std::string& folder);
/// Error(not_found) when the commit is not here.
CommitObject get_commit(git_repository* repository, const std::string& id);
bool has_commit(git_repository* repository, const std::string& id);
git_oid oid_of(const std::string& hex);  ///< Error(invalid) when it is no object id
std::string hex_of(const git_oid& oid);

}  // namespace lighterman::source
