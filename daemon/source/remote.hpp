#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "source/git.hpp"
#include "source/mirror.hpp"

namespace lighterman::source {

/// One conversation with a remote: who we are, whom we believe, when we stop. One thread.
class RemoteTalk {
 public:
  RemoteTalk(const Options& options, git_repository* repository, const Progress& progress,
             const std::stop_token& stop);

  /// What the remote's refs point to, annotated tags peeled; and its default branch.
  struct Heads {
    std::map<std::string, std::string> refs;
    std::optional<std::string> default_branch;
  };
  Heads heads();
  /// Brings the refs; what the remote had is returned, because a missing ref is no failure to
  /// libgit2.
  Heads fetch(const std::vector<std::string>& refspecs);

 private:
  static int credentials(git_credential** out, const char* url, const char* user, unsigned allowed,
                         void* self) noexcept;
  static int certificate(git_cert* certificate, int valid, const char* host, void* self) noexcept;
  static int progressed(const git_indexer_progress* stats, void* self) noexcept;
  static int told(const char* text, int length, void* self) noexcept;
  int give_credentials(git_credential** out, const char* user, unsigned allowed);
  int believe(const git_cert* certificate, bool valid, const std::string& host);
  git_remote_callbacks callbacks();
  Heads list();
  [[noreturn]] void fail(std::string_view doing);
  bool timed_out() const;

  const Options& options_;
  const Progress& progress_;
  std::stop_token stop_;
  std::chrono::steady_clock::time_point until_;
  Remote remote_;
  std::string words_;    ///< what the remote said
  std::string refusal_;  ///< why we do not go on; empty: nothing
  unsigned tried_ = 0;
};

/// Believes the PEM file's authorities beside the system's, for every https remote of this process
/// (libgit2 knows one set). Any thread, while no RemoteTalk goes on in another.
void believe_authorities(const std::string& ca_file);

}  // namespace lighterman::source
