#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/status.hpp"
#include "core/run.hpp"
#include "core/secret.hpp"
#include "net/http.hpp"

namespace lighterman::pipeline {

/// How a run stands, in words that every forge has some of. failure: what was pushed is at fault,
/// or policy; error: something else is.
enum class Standing { queued, running, success, failure, error, cancelled };

/// What a forge shows beside a commit.
struct CommitStatus {
  Standing standing = Standing::queued;
  std::string description;  ///< one line, 140 bytes at most: what GitHub takes
  std::string commit;       ///< empty: not known yet
  std::string ref;          ///< branch or tag; empty: a bare commit
  std::string url;          ///< of the run
  std::string context;
  RunId run = 0;
};

CommitStatus commit_status(const Run& run, const std::vector<Stage>& stages, std::string url,
                           std::string context);

/// The forge's own word: "pending", "INPROGRESS".
std::string_view word_for(Standing standing, Forge forge) noexcept;

/// The call that sets it. GitHub: docs.github.com/rest/commits/statuses; GitLab:
/// docs.gitlab.com/api/commits; Gitea and Forgejo: repoCreateStatus in their swagger; Bitbucket:
/// developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses, and "Updating build
/// status for commits" of Data Center.
net::Request request_for(const CommitStatus& status, const config::StatusPlace& place,
                         const std::string& username, const Secret& token);

/// Asks for the repository, with the same token: whether it is known, and may see it.
net::Request look_request(const config::StatusPlace& place, const std::string& username,
                          const Secret& token);

/// Returns when the forge took it, or had it already. Error(unavailable), with the pause it asks
/// for (net::Busy), is worth another try; others are not, and say what to do. No message holds the
/// token.
void check_answer(const net::Request& request, const net::Response& answer,
                  const config::StatusPlace& place, const Secret& token);

}  // namespace lighterman::pipeline
