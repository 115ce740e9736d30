#include "config/status.hpp"

#include <optional>
#include <vector>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::config {
namespace {

/// Where git fetches from, taken apart: a URL, or ssh's short form user@host:path.
struct Remote {
  bool https = false;
  bool http = false;
  std::string host;       ///< without user
  std::string authority;  ///< with port
  std::vector<std::string> path;
};

std::optional<Remote> remote_of(std::string_view url) {
  Remote remote;
  std::string_view path;
  if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) {
    const std::string name = lower(url.substr(0, scheme));
    remote.https = name == "https";
    remote.http = name == "http";
    url.remove_prefix(scheme + 3);
    const std::size_t slash = std::min(url.find('/'), url.size());
    path = url.substr(slash);
    url = url.substr(0, slash);
  } else {
    const std::size_t colon = url.find(':');
    if (colon == std::string_view::npos || url.find('/') < colon) return {};
    path = url.substr(colon + 1);
    url = url.substr(0, colon);
  }
  const std::size_t at = url.rfind('@');
  if (at != std::string_view::npos) url.remove_prefix(at + 1);
  remote.authority = lower(url);
  remote.host = remote.authority.substr(0, remote.authority.find(':'));
  if (path.ends_with(".git")) path.remove_suffix(4);
  for (std::string& part : split(path, '/'))
    if (!part.empty()) remote.path.push_back(std::move(part));
  return remote;
}

struct KnownForge {
  std::string_view host;
  Forge forge;
  std::string_view api;
};
constexpr KnownForge known_forges[] = {
    {"github.com", Forge::github, "https://api.github.com"},
    {"gitlab.com", Forge::gitlab, "https://gitlab.com/api/v4"},
    {"bitbucket.org", Forge::bitbucket, "https://api.bitbucket.org/2.0"},
    {"codeberg.org", Forge::forgejo, "https://codeberg.org/api/v1"},
};

const KnownForge* find_known(const std::optional<Remote>& remote) {
  for (const KnownForge& known : known_forges)
    if (remote && remote->host == known.host) return &known;
  return nullptr;
}

/// What the forge serves its API under.
std::string_view api_path(Forge forge) {
  switch (forge) {
    case Forge::github:
      return "/api/v3";
    case Forge::gitlab:
      return "/api/v4";
    case Forge::bitbucket_server:
      return "";
    default:
      return "/api/v1";
  }
}

Forge forge_of(const Source& source, const KnownForge* known) {
  if (!source.forge.empty()) return parse_forge(source.forge);
  if (known != nullptr) return known->forge;
  throw Error(ErrorKind::invalid,
              "needs the source's `forge` (github, gitlab, gitea, forgejo, bitbucket or "
              "bitbucket-server), to know how it is told");
}

std::string api_of(Forge forge, const std::optional<Remote>& remote, const KnownForge* known) {
  if (known != nullptr && known->forge == forge) return std::string(known->api);
  // Data Center puts "scm" before the project, and whatever it is served under before that.
  const std::size_t usual = forge == Forge::bitbucket_server ? 3 : 2;
  const bool at_root =
      remote && (forge == Forge::gitlab ? remote->path.size() >= 2
                                        : remote->path.size() == usual &&
                                              (usual == 2 || remote->path.front() == "scm"));
  if (remote && remote->https && at_root && forge != Forge::bitbucket)
    return concat("https://", remote->authority, api_path(forge));
  throw Error(
      ErrorKind::invalid,
      "needs `api`, the base URL of the forge's API, which the source's `url` does not tell");
}

std::string repository_of(Forge forge, const std::optional<Remote>& remote) {
  if (remote && remote->path.size() >= 2) {
    // Only GitLab has groups within groups.
    const std::vector<std::string> parts =
        forge == Forge::gitlab
            ? remote->path
            : std::vector<std::string>(remote->path.end() - 2, remote->path.end());
    return join(parts, "/");
  }
  throw Error(ErrorKind::invalid,
              "needs `repository`, such as acme/hello, which the source's `url` does not tell");
}

}  // namespace

StatusPlace status_place(const Source& source) {
  const Status& status = source.status.value();
  const std::optional<Remote> remote = remote_of(source.url);
  const KnownForge* known = find_known(remote);
  StatusPlace place;
  place.forge = forge_of(source, known);
  if (place.forge == Forge::gogs || place.forge == Forge::generic)
    throw Error(ErrorKind::invalid, concat("cannot be told to ", render(place.forge),
                                           ", which has no commit statuses"));
  place.api = status.api.empty() ? api_of(place.forge, remote, known) : status.api;
  while (place.api.ends_with('/')) place.api.pop_back();
  place.repository =
      status.repository.empty() ? repository_of(place.forge, remote) : status.repository;
  return place;
}

std::string commit_page(const Source& source, const std::string& told, const std::string& commit) {
  const std::optional<Remote> remote = remote_of(source.url);
  if (!remote || remote->host.empty() || remote->path.size() < 2) return {};
  const KnownForge* known = find_known(remote);
  const std::string& named = source.forge.empty() ? told : source.forge;
  if (named.empty() && known == nullptr) return {};
  const Forge forge = named.empty() ? known->forge : parse_forge(named);
  // The port of ssh is not that of the pages.
  const std::string site = remote->https  ? concat("https://", remote->authority)
                           : remote->http ? concat("http://", remote->authority)
                                          : concat("https://", remote->host);
  const std::string path = join(remote->path, "/");
  switch (forge) {
    case Forge::gitlab:
      return concat(site, '/', path, "/-/commit/", commit);
    case Forge::bitbucket:
      return concat(site, '/', path, "/commits/", commit);
    case Forge::bitbucket_server:
      return concat(site, "/projects/", remote->path.end()[-2], "/repos/", remote->path.back(),
                    "/commits/", commit);
    case Forge::generic:
      return {};
    default:
      return concat(site, '/', path, "/commit/", commit);
  }
}

}  // namespace lighterman::config
