#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/secret.hpp"

namespace lighterman::source {

/// How to fetch one source. Secrets are places ("file:...", "env:..."), read when a fetch asks.
struct Options {
  std::string name;
  std::string url;       ///< https://, http://, ssh://, git@host:path, file:// or a path
  std::string username;  ///< for https with a password or token
  std::string password_place;
  std::string ssh_key_file;  ///< private key; its ".pub" need not exist
  std::string ssh_passphrase_place;
  std::string known_hosts_file;  ///< empty: ~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts
  std::string ca_file;           ///< PEM, believed beside the system's
  bool submodules = true;
  bool lfs = true;  ///< resolve Git LFS pointers (needs git-lfs)
  std::chrono::milliseconds timeout{std::chrono::minutes(30)};
};

struct Commit {
  std::string id;
  std::string author;  ///< "Name <mail>"
  std::string message;
  std::int64_t time = 0;  ///< committer time, seconds since 1970
};

/// Told while fetching: objects received, objects in all, bytes.
using Progress = std::function<void(std::uint64_t, std::uint64_t, std::uint64_t)>;

/// A bare clone of one source, fetched step by step. Any thread; fetches take turns.
/// Errors: unavailable (network), denied (credentials, host key, certificate: says what to do),
/// not_found (no such ref or commit; a force-push that lost it is named as the likely cause).
class Mirror {
 public:
  Mirror(Options options, std::filesystem::path folder);
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  /// What the remote's branches and tags point to now (annotated tags peeled): full ref -> commit.
  std::map<std::string, std::string> remote_heads(const std::stop_token& stop);
  /// The remote's default branch ("refs/heads/main"), if it says.
  std::optional<std::string> default_branch(const std::stop_token& stop);
  /// Brings `ref` (full; empty: all branches and tags) and makes sure `commit` (may be empty: the
  /// ref's head) is here. Asks the remote only if the commit is not here yet or is not named.
  Commit fetch(const std::string& ref, const std::string& commit, const Progress& progress,
               const std::stop_token& stop);

  Commit get(const std::string& commit) const;
  /// Paths that differ between two commits; `from` empty: all paths of `to`.
  std::vector<std::string> changed_paths(const std::string& from, const std::string& to) const;
  /// Whether `older` is an ancestor of `newer` or the same; false if either is not here.
  bool is_ancestor(const std::string& older, const std::string& newer) const;
  /// A file of the commit's tree; empty: no such file. Error(invalid) when larger than `limit`.
  std::optional<std::string> find_file(const std::string& commit, const std::string& path,
                                       std::uint64_t limit = 1 << 20) const;
  const std::filesystem::path& folder() const noexcept;
  const Options& options() const noexcept;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
  friend class Context;
};

}  // namespace lighterman::source
