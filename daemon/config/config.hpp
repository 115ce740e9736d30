#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/build_plan.hpp"
#include "core/reference.hpp"
#include "core/replication.hpp"
#include "core/role.hpp"
#include "engine/engine.hpp"
#include "registry/options.hpp"
#include "scan/trivy.hpp"
#include "scan/waivers.hpp"

namespace lighterman::config {

/// A bearer token of the API; only its SHA-256 is kept.
struct Token {
  std::string name;
  std::string sha256;  ///< 64 hex digits
  std::string place;   ///< or "file:..."/"env:...", hashed when read
  Role role = Role::trigger;
  std::vector<std::string> sources = {};  ///< the only ones it sees and touches; empty: all
};

/// With which certificate the API is served, so that it needs no proxy for https.
struct Tls {
  std::filesystem::path certificate_file;  ///< PEM, with the chain behind it
  std::filesystem::path key_file;          ///< PEM
};

/// Who a trusted proxy says is there (OpenID Connect by oauth2-proxy, for instance).
struct Identity {
  std::string user_header = "X-Forwarded-User";
  std::string groups_header = "X-Forwarded-Groups";  ///< names with commas between them
  std::map<std::string, Role> groups;                ///< the best role of somebody's groups counts
  std::optional<Role> everybody;                     ///< whoever is in none of them; empty: nothing
};

struct Schedule {
  std::string cron;  ///< five fields, UTC
  std::string ref;   ///< full ref; empty: the default branch
};

enum class Supersede { never, queued, running };

/// One image of a source, defaults filled in.
struct Image {
  std::string name;
  std::vector<Reference> targets;  ///< `reference` and `targets`
  std::string context = ".";
  std::string dockerfile;  ///< empty: Dockerfile (or Containerfile) in the context
  std::string target, network, engine;
  std::vector<std::string> platforms;  ///< empty: the engine's own; several: one index
  /// Build argument -> its values: one image for each combination.
  std::map<std::string, std::vector<std::string>> matrix;
  Builder builder = Builder::automatic;
  StagingWay staging = StagingWay::automatic;
  std::map<std::string, std::string> args, labels;
  std::map<std::string, std::string> secrets;    ///< id -> place
  std::map<std::string, std::string> ssh;        ///< id -> place of a key, or "agent:SOCKET"
  std::map<std::string, NamedContext> contexts;  ///< by the name that the Dockerfile uses
  std::vector<std::string> cache_from;
  std::string cache_to;           ///< empty: the cache stays in the engine
  std::vector<std::string> tags;  ///< templates: "{branch}", "{version}", "sha-{short}", "latest"
  std::vector<std::string> branches, git_tags;   ///< globs; empty: the source's
  std::vector<std::string> paths, paths_ignore;  ///< globs over changed paths
  Reuse reuse = Reuse::automatic;
  bool reproducible = false, no_cache = false, pull = false;
  BuildLimits limits;
};

/// Where and as whom the forge is told how a run stands.
struct Status {
  std::string api;         ///< base URL; empty: told by the source's URL
  std::string repository;  ///< as the API names it; empty: told by the source's URL
  std::string username;    ///< for basic authentication; empty: the token alone
  std::string token_place;
  std::string context = "lighterman";  ///< the name that the status has at the commit
};

struct Source {
  std::string name;
  std::string url;
  std::string secret_place;  ///< the webhook's secret
  std::string forge;         ///< empty: told by the headers
  std::string username, password_place;
  std::string ssh_key_file, ssh_passphrase_place, known_hosts_file, ca_file;
  bool submodules = true, lfs = true;
  std::vector<std::string> branches{"**"}, git_tags{"**"};
  Supersede supersede = Supersede::queued;
  std::optional<std::chrono::milliseconds> poll;                 ///< `every:`
  std::chrono::milliseconds catch_up{std::chrono::minutes(15)};  ///< 0: never
  std::vector<Schedule> schedules;
  bool repository_file = false;  ///< `.lighterman.yml` in the repository may describe images
  std::vector<std::string> allowed_targets;  ///< globs of names that file may publish to
  std::map<std::string, Image> images;
  std::optional<Status> status;  ///< empty: the forge is told nothing
};

/// A plugin at work: which one, for which sources, with which settings and capabilities. Whether
/// they fit the plugin is for whoever loads it to say.
struct PluginSeat {
  std::string name;
  std::string use;                   ///< empty: `name`
  std::vector<std::string> sources;  ///< globs; empty: all
  boost::json::object settings;
  std::map<std::string, std::vector<std::string>> allow;  ///< by capability
};

/// What a key's successor signs again: images that a tag of ours points to, all, or none.
enum class Resign { tagged, all, none };
std::string_view render(Resign policy) noexcept;

/// The keys that plugins may sign with.
struct Keys {
  std::filesystem::path folder;
  std::string password_place;
  bool refuse_expired = true;
  Resign resign = Resign::tagged;
};

/// What is asked of the images that builds begin with.
struct Bases {
  std::map<std::string, std::string> keys;  ///< name -> public key's file, beside those of `keys`
  std::vector<std::string> signed_by;       ///< names, of which one must have signed; empty: nobody
  std::chrono::milliseconds max_age{0};     ///< 0: any
  std::vector<std::string> except;          ///< globs of bases of which nothing is asked
  std::string watch;  ///< when it is looked whether bases moved, five fields, UTC; empty: never
};

/// Who looks at images: our Trivy, the scanner of the Harbor that an image goes to, or both.
enum class ScanBy { trivy, harbor, both };

/// How images are scanned before they are tagged.
struct Scan {
  ScanBy by = ScanBy::trivy;
  scan::TrivyOptions trivy;     ///< without cache folder and token, which are below
  std::filesystem::path cache;  ///< empty: trivy/ in `data`
  std::string server_token_place;
  std::vector<Severity> block{Severity::critical};
  bool ignore_unfixed = false, deny_unscanned = true;
  std::string rescan = "30 3 * * *";  ///< when what is published is scanned again; empty: never
  std::vector<scan::Waiver> waivers;
  std::vector<std::string> vex;  ///< OpenVEX documents: in the repository, or absolute paths
  std::chrono::milliseconds keep{std::chrono::hours(24 * 90)};  ///< findings of runs
};

/// A pattern of tags, repositories or labels: a glob with {a,b} alternatives, or a regular
/// expression (RE2) if it begins with '^' or ends with '$'.
using Patterns = std::vector<std::string>;

/// When a rule of `replicate` carries: what was just published, what is missing over there, or
/// what somebody asks for.
enum class ReplicateWhen { immediate, scheduled, manual };
std::string_view render(ReplicateWhen when) noexcept;
ReplicateWhen parse_replicate_when(std::string_view given);  ///< also Harbor's "event_based"

/// Which images go to which registry.
struct ReplicateRule {
  std::string name;
  std::string to;  ///< "host" or "host/namespace"; empty: the image is only asked of `warm`
  Patterns from;   ///< of "host/repository"; empty: what this daemon publishes
  Patterns names;  ///< of the repository alone
  Patterns tags, tags_except;
  Patterns labels;  ///< "name=value" of the image's labels, all of which must be there
  std::string rename = "{name}";  ///< "{repository}": all of the name; "{name}": its last part
  ReplicateWhen when = ReplicateWhen::immediate;
  std::string schedule;  ///< five fields, UTC
  ReplicationTerms terms;
  bool delete_vanished = false;  ///< tags that are gone at the source go there too
};

/// How long tags live, and what else does.
struct RetainRule {
  std::string name;
  Patterns repositories;         ///< of "host/repository"
  Patterns tags;                 ///< only these are looked at; empty: all
  std::optional<unsigned> keep;  ///< the newest so many
  bool by_version = true;        ///< by version, else by the time they were made
  std::optional<std::chrono::milliseconds> newer_than;
  std::optional<std::chrono::milliseconds> pulled_within;  ///< of registries that tell (Harbor)
  Patterns protect{"latest"};
  bool live_branches = true;  ///< tags of branches that are still there
  std::string deployed;  ///< file or URL that lists what is in use, a reference or digest a line
  std::string schedule;  ///< five fields, UTC; empty: only by hand
};

struct Config {
  std::filesystem::path file;
  std::string listen = "127.0.0.1:7070";
  std::string public_url;  ///< for links; empty: http://<listen>
  std::filesystem::path data = "/var/lib/lighterman";
  std::string log_format = "text";  ///< or "json"
  std::vector<Token> tokens;
  std::optional<Tls> tls;  ///< empty: plain http
  /// Networks (CIDR) whose X-Forwarded-For and X-Forwarded-Proto are believed.
  std::vector<std::string> trusted_proxies{"127.0.0.0/8", "::1/128"};
  std::optional<Identity> identity;  ///< empty: proxies vouch for nobody
  bool metrics_open = false;         ///< /metrics needs no token
  bool open_badges = false;          ///< anybody may see how a branch's newest run ended
  std::string staging_listen = "127.0.0.1:7071";
  std::uint64_t staging_size_limit = 20ull << 30;
  std::string compression = "gzip";
  std::uint64_t body_limit = 25 << 20;  ///< of webhook bodies, bytes
  unsigned workers = 0;                 ///< runs at a time; 0: the engines' slots in all
  std::chrono::milliseconds stop_limit{std::chrono::seconds(30)};
  std::vector<engine::Options> engines;                 ///< at least one
  std::map<std::string, registry::Options> registries;  ///< by host
  std::map<std::string, Source> sources;
  std::vector<ReplicateRule> replicate;                                ///< in the file's order
  std::vector<RetainRule> retain;                                      ///< in the file's order
  unsigned replications = 2;                                           ///< at a time
  std::chrono::milliseconds replication_limit{std::chrono::hours(6)};  ///< for one try
  std::uint64_t min_free = 1ull << 30;                ///< with less disk space in `data` runs wait
  std::optional<Keys> keys;                           ///< empty: nothing can be signed
  std::optional<Bases> bases;                         ///< empty: nothing is asked of bases
  std::optional<Scan> scan;                           ///< empty: images are not scanned
  std::map<std::string, std::string> secrets;         ///< for plugins: name -> place
  std::vector<std::filesystem::path> plugin_folders;  ///< looked through before what ships
  std::map<std::string, PluginSeat> plugins;
  /// How long it is kept what plugins were asked, for `plugin replay`; 0: not at all.
  std::chrono::milliseconds plugin_history{std::chrono::hours(24 * 90)};
  /// How long the image of a denied run stays in its engine, for somebody to allow it.
  std::chrono::milliseconds keep_denied{std::chrono::hours(24 * 7)};

  std::string base_url() const;  ///< public_url, or else of `listen`; without a slash at its end
  std::string run_url(std::int64_t run) const;          ///< where people see the run
  const Source& source(const std::string& name) const;  ///< Error(not_found) with did-you-mean
};

/// One thing wrong or worth saying about a configuration.
struct Finding {
  enum class Weight { error, warning } weight = Weight::error;
  std::string where;  ///< "lighterman.yml:12: sources.hello.url"
  std::string text;
};

/// Throws Error(invalid) with all findings, one a line: "file:line: path: what (hint)".
Config load(const std::filesystem::path& file);
Config parse(const std::string& text, const std::filesystem::path& name);
/// Images as the repository's `.lighterman.yml` describes them; only `images:` is allowed there, no
/// secrets, engine or limits above the operator's; targets must match `allowed_targets`.
std::map<std::string, Image> parse_repository_file(const std::string& text, const Source& source);
/// What would be wrong at run time: files and variables that are missing, and the like. Offline.
std::vector<Finding> examine(const Config& config);
/// The effective configuration as YAML, defaults included, secrets as their places.
std::string render(const Config& config);
/// JSON Schema (2020-12) from the same table that parses.
boost::json::value schema();

}  // namespace lighterman::config
