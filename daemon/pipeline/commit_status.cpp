#include "pipeline/commit_status.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "net/retry.hpp"
#include "net/url.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::size_t longest_description = 140;
constexpr std::chrono::hours longest_rest{1};

bool is_bitbucket(Forge forge) noexcept {
  return forge == Forge::bitbucket || forge == Forge::bitbucket_server;
}

/// Whether what failed was no fault of the commit: a registry, an engine, ourselves.
bool is_trouble(const std::vector<Stage>& stages) {
  return std::ranges::any_of(stages, [](const Stage& stage) {
    if (stage.state != StageState::failed || !stage.result.is_object()) return false;
    const std::string kind = Fields(stage.result, "stage").text_or("kind", "");
    return kind == render(ErrorKind::unavailable) || kind == render(ErrorKind::internal);
  });
}

Standing standing_of(const Run& run, const std::vector<Stage>& stages) {
  switch (run.state) {
    case RunState::queued:
      return Standing::queued;
    case RunState::running:
      return Standing::running;
    case RunState::succeeded:
    case RunState::skipped:
      return Standing::success;
    case RunState::denied:
      return Standing::failure;
    case RunState::failed:
      return is_trouble(stages) ? Standing::error : Standing::failure;
    case RunState::cancelled:
    case RunState::superseded:
      break;
  }
  return Standing::cancelled;
}

std::string describe(const Run& run) {
  if (run.state == RunState::queued) return "waits to be built";
  if (run.state == RunState::running) return "is being built";
  const std::string why = run.why.substr(0, run.why.find('\n'));
  if (run.state == RunState::succeeded) return why.empty() ? "published" : why;
  if (why.starts_with(render(run.state))) return why;
  return why.empty() ? std::string(render(run.state)) : concat(render(run.state), ": ", why);
}

std::string cut(const std::string& text) {
  if (text.size() <= longest_description) return text;
  const std::string_view dots = "…";
  return concat(shortened(text, longest_description - dots.size()), dots);
}

/// Below the API's base URL.
std::string repository_path(const config::StatusPlace& place) {
  std::vector<std::string> parts = split(place.repository, '/');
  for (std::string& part : parts) part = render_url_part(part);
  switch (place.forge) {
    case Forge::gitlab:
      return concat("/projects/", render_url_part(place.repository));
    case Forge::bitbucket:
      return concat("/repositories/", join(parts, "/"));
    case Forge::bitbucket_server:
      return concat("/rest/api/latest/projects/", parts.front(), "/repos/", parts.back());
    default:
      return concat("/repos/", join(parts, "/"));
  }
}

std::string status_path(const std::string& commit, Forge forge) {
  if (forge == Forge::bitbucket) return concat("/commit/", commit, "/statuses/build");
  if (forge == Forge::bitbucket_server) return concat("/commits/", commit, "/builds");
  return concat("/statuses/", commit);
}

boost::json::object body_of(const CommitStatus& status, Forge forge) {
  boost::json::object body{{"state", word_for(status.standing, forge)},
                           {"description", status.description}};
  if (is_bitbucket(forge)) {
    body["key"] = status.context;
    body["name"] = status.context;
    body["url"] = status.url;
    if (forge == Forge::bitbucket_server) body["buildNumber"] = std::to_string(status.run);
    return body;
  }
  body["target_url"] = status.url;
  body[forge == Forge::gitlab ? "name" : "context"] = status.context;
  // Without it GitLab takes any branch that has the commit.
  if (forge == Forge::gitlab && !status.ref.empty()) body["ref"] = status.ref;
  return body;
}

std::string_view needed_of(Forge forge) noexcept {
  switch (forge) {
    case Forge::github:
      return "\"Commit statuses: write\" (a classic token: repo:status)";
    case Forge::gitlab:
      return "the scope api, and the role Developer";
    case Forge::gitea:
    case Forge::forgejo:
      return "the scope write:repository, and to be a writer of the repository";
    default:
      return "to write to the repository";
  }
}

std::optional<std::int64_t> number_in(const net::Response& answer, std::string_view header) {
  const auto field = answer.headers.find(header);
  std::int64_t number = 0;
  if (!field) return {};
  const auto [end, error] = std::from_chars(field->data(), field->data() + field->size(), number);
  if (error != std::errc()) return {};
  return number;
}

/// How long the forge wants to be left alone; empty: that is not what it says.
std::optional<std::chrono::milliseconds> asked_rest(const net::Response& answer) {
  if (answer.status != 403 && answer.status != 429) return {};
  if (const auto pause = net::retry_after(answer)) return pause;
  // GitHub's limit by the hour ("Rate limits for the REST API").
  if (number_in(answer, "X-RateLimit-Remaining") != 0) return {};
  const auto reset = number_in(answer, "X-RateLimit-Reset");
  if (!reset) return longest_rest;
  const std::chrono::milliseconds rest = Instant(std::chrono::seconds(*reset)) - system_now();
  return std::clamp<std::chrono::milliseconds>(rest, std::chrono::seconds(1), longest_rest);
}

std::string without(std::string text, const Secret& token) {
  const std::string& value = token.reveal();
  if (value.empty()) return text;
  for (std::size_t at = 0; (at = text.find(value, at)) != std::string::npos; at += 3)
    text.replace(at, value.size(), "***");
  return text;
}

/// GitLab refuses to be told again what it knows.
bool is_known_already(const net::Response& answer, Forge forge) {
  return forge == Forge::gitlab && answer.status == 400 &&
         answer.body.find("Cannot transition status") != std::string::npos;
}

}  // namespace

CommitStatus commit_status(const Run& run, const std::vector<Stage>& stages, std::string url,
                           std::string context) {
  CommitStatus status;
  status.standing = standing_of(run, stages);
  status.description = cut(describe(run));
  status.commit = run.commit.empty() ? run.event.commit : run.commit;
  status.ref = run.event.branch().value_or(run.event.tag().value_or(""));
  status.url = std::move(url);
  status.context = std::move(context);
  status.run = run.id;
  return status;
}

std::string_view word_for(Standing standing, Forge forge) noexcept {
  const bool atlassian = is_bitbucket(forge), gitlab = forge == Forge::gitlab;
  switch (standing) {
    case Standing::queued:
      return atlassian ? "INPROGRESS" : "pending";
    case Standing::running:
      return atlassian ? "INPROGRESS" : gitlab ? "running" : "pending";
    case Standing::success:
      return atlassian ? "SUCCESSFUL" : "success";
    case Standing::failure:
      return atlassian ? "FAILED" : gitlab ? "failed" : "failure";
    case Standing::cancelled:
      if (forge == Forge::bitbucket) return "STOPPED";
      if (forge == Forge::bitbucket_server) return "CANCELLED";
      if (gitlab) return "canceled";
      break;
    case Standing::error:
      break;
  }
  return atlassian ? "FAILED" : gitlab ? "failed" : "error";
}

net::Request look_request(const config::StatusPlace& place, const std::string& username,
                          const Secret& token) {
  net::Request request;
  request.url = concat(place.api, repository_path(place));
  request.headers.add("Accept", "application/json");
  if (!username.empty()) {
    request.basic = std::pair(username, token);
  } else if (place.forge == Forge::gitea || place.forge == Forge::forgejo) {
    request.headers.add("Authorization", concat("token ", token.reveal()));
  } else {
    request.bearer = token;
  }
  return request;
}

net::Request request_for(const CommitStatus& status, const config::StatusPlace& place,
                         const std::string& username, const Secret& token) {
  net::Request request = look_request(place, username, token);
  request.method = "POST";
  request.url += status_path(status.commit, place.forge);
  request.headers.add("Content-Type", "application/json");
  request.body = boost::json::serialize(body_of(status, place.forge));
  return request;
}

void check_answer(const net::Request& request, const net::Response& answer,
                  const config::StatusPlace& place, const Secret& token) {
  if ((answer.status >= 200 && answer.status < 300) || is_known_already(answer, place.forge))
    return;
  const std::string text(trim(without(valid_utf8(answer.body), token)));
  const std::string said =
      concat(request.method, ' ', net::Url::parse(request.url).shown(), ": ", answer.status,
             text.empty() ? "" : concat(": ", shortened(text, 200)));
  if (const auto rest = asked_rest(answer)) throw net::Busy(said, *rest);
  const int code = answer.status;
  if (code == 408 || code == 429 || code >= 500) {
    if (const auto pause = net::retry_after(answer)) throw net::Busy(said, *pause);
    throw Error(ErrorKind::unavailable, said);
  }
  if (code >= 300 && code < 400)
    throw Error(ErrorKind::invalid,
                concat(said,
                       "; it is elsewhere, and the token goes to no other place: set `api` or "
                       "`repository` of the source's `status`"));
  if (code == 401)
    throw Error(ErrorKind::denied,
                concat(said,
                       "; it does not know the token: look at `token` of the source's "
                       "`status` (expired?)"));
  if (code == 403)
    throw Error(ErrorKind::denied, concat(said, "; the token needs ", needed_of(place.forge)));
  if (code == 404)
    throw Error(ErrorKind::not_found,
                concat(said, "; there is no repository ", place.repository,
                       " with this commit, or the token may not see it: it needs ",
                       needed_of(place.forge)));
  throw Error(ErrorKind::invalid, said);
}

}  // namespace lighterman::pipeline
