#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/build_plan.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/reference.hpp"
#include "core/secret.hpp"
#include "core/time.hpp"
#include "net/http.hpp"
#include "os/file_tree.hpp"

namespace lighterman::engine {

/// How to reach one Docker Engine.
struct Options {
  std::string name = "local";
  std::string host;  ///< unix:///path or tcp://host:port; empty: as the docker CLI finds it
  net::Trust trust;  ///< for tcp with TLS
  bool tls = false;
  unsigned slots = 2;                  ///< builds at the same time
  std::vector<std::string> platforms;  ///< what it builds for; empty: its own
  std::vector<std::string> labels;     ///< further names, shared by engines of one kind
  bool drain = false;                  ///< takes no new build
  Builder builder = Builder::automatic;
  std::uint64_t cache_limit = 0;  ///< bytes of its build cache that are kept; 0: it cares itself
  std::chrono::milliseconds cache_age{
      0};  ///< unused for longer, build cache goes; 0: any age stays
  /// Bytes that all its images may take before some that our builds left there go; 0: any number.
  std::uint64_t image_limit = 0;
  /// Unused for longer, images that our builds left there go; 0: any age stays.
  std::chrono::milliseconds image_age{std::chrono::hours(24 * 14)};
  std::uint64_t min_free =
      1ull << 30;  ///< with less free on its disk, where we see it, builds wait
  std::chrono::milliseconds connect_timeout{std::chrono::seconds(10)};
};

/// What the docker CLI would use: DOCKER_HOST with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, else
/// DOCKER_CONTEXT or the current context of DOCKER_CONFIG/config.json, else /var/run/docker.sock.
/// Throws Error(invalid) for a context that is broken or wants a way we do not have (ssh).
Options options_from_environment();

struct About {
  std::string version;      ///< "20.10.24"
  std::string api_version;  ///< the one we negotiated, "1.41"
  std::string os, architecture;
  std::string storage_driver;
  std::string root_folder;  ///< where it keeps everything, on its own machine
  bool containerd_store = false;
  std::uint64_t memory_bytes = 0;
  unsigned cpus = 0;
};

/// A registry's credentials for private bases, as the engine's session asks for them.
struct Login {
  std::string username;
  Secret password;
  Secret identity_token;  ///< instead of the two above
};

/// What an engine needs of a registry's token service (distribution's docs/spec/auth/token.md).
struct TokenWish {
  std::string host, realm, service;
  std::vector<std::string> scopes;  ///< "repository:acme/base:pull"
};
struct RegistryToken {
  Secret value;
  std::chrono::seconds life{60};
};

/// One thing that happened in a build, for the journal and for progress.
struct BuildNews {
  enum class Kind {
    step_started,
    step_cached,
    step_done,
    step_failed,
    output,
    warning
  } kind = Kind::output;
  std::string step;  ///< "[build 3/4] RUN make", stable within the build
  std::string text;  ///< output: one line; otherwise what to show
  bool error_stream = false;
  int line = 0;  ///< in the Dockerfile, 0: not known
};

/// What the classic builder leaves in the engine on its way, as it comes to be. It tells so among
/// what the steps print, so an id counts only where the engine says that it came to be just then.
struct Leaving {
  enum class Kind {
    made,      ///< an image, after one step
    used,      ///< an image that was there
    pulled,    ///< a base that was fetched for this build
    container  ///< of one step; gone when the step is over, unless the engine dies
  } kind = Kind::made;
  std::string id;    ///< its first 12 digits
  std::string name;  ///< of what was pulled
};

struct BuildRequest {
  const BuildPlan* plan = nullptr;
  std::string dockerfile_name;                             ///< within the context stream
  std::vector<std::string> tags;                           ///< full names to give the image
  std::function<std::size_t(char*, std::size_t)> context;  ///< the tar, for the classic builder
  /// The chosen files of "context", "dockerfile" or, by named_folder(), of a named context, for
  /// BuildKit; null: no such folder. Any thread, while build() runs.
  std::function<std::unique_ptr<os::FileTree>(const std::string& folder, const os::FileChoice&)>
      folder;
  /// The engine keeps under it what it got of the context and asks for changes only: the same for
  /// all builds of one context, and of no other.
  std::string context_key;
  /// Credentials for a base's registry ("docker.io" for the Hub); any thread, while build() runs.
  std::function<std::optional<Login>(const std::string& host)> login;
  /// A token for a base's registry, so that the engine gets no password for it; empty: it logs in
  /// by itself. Registries without tokens ask for the login all the same. Any thread, as `login`.
  std::function<RegistryToken(const TokenWish&)> token;
  /// The value of a secret the Dockerfile mounts; any thread, while build() runs. Ids come from the
  /// repository: give out only what the configuration allows this image.
  std::function<std::optional<Secret>(const std::string& id)> secret;
  /// The socket of the SSH agent that the Dockerfile mounts by this id; empty: none. Any thread,
  /// while build() runs; the same care as with secrets.
  std::function<std::string(const std::string& id)> ssh_agent;
  /// Hosts whose logins the classic builder gets with the request: it cannot ask as BuildKit does.
  std::vector<std::string> login_hosts;
  /// What the plan's named images are now: name of the context -> reference by digest. One that is
  /// missing here is taken by the plan's reference.
  std::map<std::string, std::string> images;
  std::string dockerfile_text;  ///< to find the line of a failed step; empty: lines are not known
  std::function<void(const BuildNews&)> news;  ///< one thread at a time
  std::function<void(const Leaving&)> leaves;  ///< likewise
};

/// The folder that holds the files of the plan's context of this name.
std::string named_folder(std::string_view context);

/// How much of the context went to the engine.
struct ContextSent {
  std::uint64_t entries = 0;  ///< told by name
  std::uint64_t files = 0, bytes = 0;
};

struct BuiltImage {
  std::string image_id;  ///< "sha256:..."
  Builder builder = Builder::buildkit;
  unsigned steps = 0, cached_steps = 0;
  std::optional<ContextSent> context = {};  ///< empty: it went as a tar
};

/// A failed build: which step, where in the Dockerfile, the exit code and the last output.
class BuildFailure : public Error {
 public:
  BuildFailure(const std::string& message, std::string step, int line, std::optional<int> exit_code,
               std::vector<std::string> output = {})
      : Error(ErrorKind::invalid, message),
        step_(std::move(step)),
        line_(line),
        exit_code_(exit_code),
        output_(std::move(output)) {}
  const std::string& step() const noexcept { return step_; }
  int line() const noexcept { return line_; }  ///< 0: not known
  std::optional<int> exit_code() const noexcept { return exit_code_; }
  /// The step's last lines (up to 20), oldest first.
  const std::vector<std::string>& output() const noexcept { return output_; }

 private:
  std::string step_;
  int line_;
  std::optional<int> exit_code_;
  std::vector<std::string> output_;
};

struct StageSize {
  std::string name;  ///< "builder", "stage 0", "final"
  std::string image_id;
  std::uint64_t bytes = 0;
};

struct Inspected {
  std::string id;
  std::uint64_t bytes = 0;
  std::string os, architecture;
  std::vector<DiffId> layers;
  std::vector<Reference> digests;  ///< under which registries have it, as far as the engine knows
  std::optional<Instant> created;
};

/// Told while the engine pushes: layer id, what it does, bytes so far and in all (0: not known).
using PushNews = std::function<void(const std::string& layer, const std::string& doing,
                                    std::uint64_t current, std::uint64_t total)>;

/// One Docker Engine, by its API (docs.docker.com/reference/api/engine). Each call begins with a
/// ping that negotiates the version, so that an engine may be upgraded or downgraded under us.
/// Errors: unavailable (cannot be reached, cut, restarted), BuildFailure, cancelled, denied.
/// Any thread.
class Engine {
 public:
  explicit Engine(Options options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  const Options& options() const noexcept;

  About about(const std::stop_token& stop);
  /// Builds; stop or the plan's timeout really ends the build in the engine. Leaves no container.
  /// Throws what `context` and `folder` throw. With BuildKit and cache_from, cache facts go into
  /// the image (BUILDKIT_INLINE_CACHE), because without them a published image is no cache to
  /// anybody. Named contexts that this engine cannot have are refused; a cache that it cannot
  /// write is told as a warning.
  BuiltImage build(const BuildRequest& request, const std::stop_token& stop);
  std::optional<Inspected> find_image(const std::string& name, const std::stop_token& stop);
  void tag(const std::string& image, const std::string& repository, const std::string& tag,
           const std::stop_token& stop);
  /// Pushes name:tag; returns the manifest digest the engine reports (empty if it reports none).
  std::optional<Digest> push(const std::string& repository, const std::string& tag,
                             const Login& login, const PushNews& news, const std::stop_token& stop);
  /// Streams `images/get` of one image to `sink`.
  void export_image(const std::string& name, const Push& sink, const std::stop_token& stop);
  /// Removes one name with a tag (not the image's other names, never by force); missing is fine.
  /// The engine deletes an image that loses its last name, but not the nameless ones below it.
  void untag(const std::string& name, const std::stop_token& stop);
  /// Names with their tags that match `pattern`, such as "127.0.0.1:7071/*/*" (a star stands for
  /// anything but a slash).
  std::vector<std::string> names(const std::string& pattern, const std::stop_token& stop);
  /// Drops what was used least recently of the build cache until no more than `keep` bytes are
  /// left; what a build uses stays. Returns how many bytes that freed. Whose cache it is, the
  /// engine does not know.
  std::uint64_t prune_cache(std::uint64_t keep, const std::stop_token& stop);
  /// Drops what no build used for so long.
  std::uint64_t prune_old_cache(std::chrono::seconds unused_for, const std::stop_token& stop);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::engine
