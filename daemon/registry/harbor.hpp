#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/findings.hpp"
#include "core/reference.hpp"
#include "core/time.hpp"
#include "net/http.hpp"
#include "registry/access.hpp"
#include "registry/options.hpp"

namespace lighterman::registry {

/// A robot account of Harbor's: what it may, and for how long.
struct HarborRobot {
  std::string name;
  bool disabled = false;
  std::optional<Instant> expires;        ///< empty: never
  std::vector<std::string> permissions;  ///< "acme: push repository"; "/" stands for the system
  bool may(const std::string& project, const std::string& action,
           const std::string& resource) const;
};

/// A rule of Harbor's by which it carries images itself.
struct HarborPolicy {
  std::int64_t id = 0;
  std::string name, destination, trigger;
  bool enabled = true;
};

/// Something that Harbor was told to do, and how it stands: "InProgress", "Succeed", "Failed" ...
struct HarborJob {
  std::int64_t id = 0;
  std::string state;
  std::string text;  ///< what it says beside that
  std::optional<Instant> changed;
  bool ended() const noexcept;
  bool failed() const noexcept;
};

/// When Harbor clears up by itself.
struct HarborSchedule {
  std::string kind;  ///< "Daily", "Custom", ...; empty or "None": never
  std::string cron;  ///< six fields, seconds first
};

/// The retention rules of one of Harbor's projects.
struct HarborRetention {
  std::int64_t id = 0;
  std::size_t rules = 0;
  HarborSchedule schedule;
};

/// What Harbor knows of an image or an index.
struct HarborArtifact {
  std::optional<Instant> pushed, pulled;  ///< the last time; empty: never
  std::vector<Digest> children;           ///< of an index
};

/// Harbor by its own API (goharbor/harbor, api/v2.0/swagger.yaml), with the registry's credentials.
/// Errors are those of registry::Client: denied names the permission. Any thread.
class Harbor {
 public:
  explicit Harbor(Options options);

  struct About {
    std::string version;  ///< empty: it does not tell us
    bool read_only = false;
  };
  /// Empty: what answers there is no Harbor.
  std::optional<About> find(const std::stop_token& stop);

  /// The project that a repository of Harbor's lies in: its name's first part.
  static std::string project_of(const Reference& repository);
  bool has_project(const std::string& name, const std::stop_token& stop);
  /// A private one; false: there was one already.
  bool make_project(const std::string& name, const std::stop_token& stop);

  /// Whom we log in as; empty: nobody.
  std::string account() const;
  /// The robot that we log in as; empty when it is no robot's name. Error(denied): it may not look
  /// at itself ("list robot").
  std::optional<HarborRobot> find_robot(const std::stop_token& stop);

  std::vector<HarborPolicy> policies(const std::stop_token& stop);
  /// Error(not_found), with the names there are.
  HarborPolicy policy(const std::string& name, const std::stop_token& stop);
  std::int64_t start_replication(std::int64_t policy, const std::stop_token& stop);
  HarborJob replication(std::int64_t execution, const std::stop_token& stop);
  void stop_replication(std::int64_t execution, const std::stop_token& stop);

  void start_scan(const Reference& image, const std::stop_token& stop);
  /// Empty: nobody scanned it yet. `text` holds what kept it from being scanned.
  std::optional<HarborJob> find_scan(const Reference& image, const std::stop_token& stop);
  /// What its scanner found. Error(not_found): it was not scanned.
  Findings findings(const Reference& image, const std::stop_token& stop);

  /// Empty: the project has no rules.
  std::optional<HarborRetention> find_retention(const std::string& project,
                                                const std::stop_token& stop);
  std::int64_t start_retention(std::int64_t id, bool dry_run, const std::stop_token& stop);
  std::optional<HarborJob> last_retention(std::int64_t id, const std::stop_token& stop);

  HarborSchedule garbage_schedule(const std::stop_token& stop);
  std::int64_t collect_garbage(const std::stop_token& stop);
  std::optional<HarborJob> last_collection(const std::stop_token& stop);

  /// The images and indexes of a repository. Unlike reading them it counts as no pull.
  std::map<Digest, HarborArtifact> artifacts(const Reference& repository,
                                             const std::stop_token& stop);

 private:
  net::Response ask(const std::string& method, const std::string& path, const std::string& body,
                    net::Headers headers, const std::stop_token& stop);
  net::Response ask(const std::string& method, const std::string& path,
                    const std::stop_token& stop) {
    return ask(method, path, "", {}, stop);
  }
  [[noreturn]] void refused(const net::Response& answer, const std::string& doing,
                            const std::string& needs) const;
  boost::json::value get(const std::string& path, const std::string& doing,
                         const std::string& needs, const std::stop_token& stop);
  boost::json::array list(const std::string& path, const std::string& doing,
                          const std::string& needs, const std::stop_token& stop);
  std::int64_t start(const std::string& path, const std::string& body, const std::string& doing,
                     const std::string& needs, const std::stop_token& stop);

  const Options options_;
  net::Client http_;
  Access access_;
};

}  // namespace lighterman::registry
