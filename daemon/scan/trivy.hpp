#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "core/findings.hpp"
#include "core/reference.hpp"
#include "core/secret.hpp"
#include "os/program.hpp"

namespace lighterman::scan {

enum class Stale { warn, refuse };
enum class SbomFormat { cyclonedx, spdx };
SbomFormat parse_sbom_format(std::string_view given);  ///< throws Error(invalid)

struct TrivyOptions {
  std::string program = "trivy";            ///< in PATH, or a path
  std::filesystem::path cache_folder = {};  ///< database and layer cache; must be set: who shares
                                            ///< Trivy's own waits for whoever holds its lock
  std::vector<Severity> severities = {};    ///< reported; empty: all, so that nothing is hidden
  bool ignore_unfixed = false;  ///< leaves out what nobody can fix; off: reports show everything
  bool skip_update = false;     ///< never downloads a database: for sites that bring their own
  bool offline = false;         ///< asks no server about packages (Trivy's --offline-scan)
  std::chrono::milliseconds timeout = std::chrono::minutes(10);  ///< a large image, cold cache
  std::string server = {};   ///< URL of a `trivy server` that keeps the database; empty: none
  Secret server_token = {};  ///< for it
  std::chrono::milliseconds database_age_limit = std::chrono::hours(24 * 7);  ///< it comes out
                                                                              ///< every 6 hours
  Stale stale = Stale::warn;  ///< an old database still finds most; `refuse` fails closed
  std::string database_repository = {};   ///< HOST/REPOSITORY of a mirror; empty: Trivy's own
  std::uint64_t report_limit = 64 << 20;  ///< bytes of a report or an SBOM; more is an error
  Clock clock = system_now;
};

/// What is looked at: an image in a registry, by digest, or one in an OCI layout.
struct RegistryImage {
  Reference reference;  ///< with a digest
  std::string username = {};
  Secret password = {};                      ///< given by environment
  std::filesystem::path docker_config = {};  ///< folder of a config.json; empty: none
  std::optional<Digest> config = {};         ///< of the image, where it is known
};
struct LayoutImage {
  std::filesystem::path folder;
  Digest manifest;
};
using Image = std::variant<RegistryImage, LayoutImage>;

/// Of a database's metadata.json.
struct DatabaseFacts {
  std::int64_t version = 0;
  Instant updated{}, next_update{};
};

/// Trivy as a program. Nothing is trusted but a whole report with exit code 0. Any thread; without
/// a server scans go one after the other, because Trivy's cache is locked by one process.
/// Error(not_found): no such program, or no database. Error(unavailable): it was killed, took too
/// long, failed, or its database is too old. Error(invalid): its report is not whole, or is about
/// another image than was asked for.
class Trivy {
 public:
  explicit Trivy(TrivyOptions options);

  Findings scan(const Image& image, const std::stop_token& stop);
  /// The image's SBOM in JSON. Needs no database.
  std::string make_sbom(const Image& image, SbomFormat format, const std::stop_token& stop);
  /// Scans what an SBOM lists; the image is not touched.
  Findings scan_sbom(const std::string& sbom, const Digest& subject, const std::stop_token& stop);

  /// Downloads a newer database when one is due; scans never do, so that `key` stays true. A
  /// failure with a database at hand is a warning in the findings.
  void refresh_database(const std::stop_token& stop);
  /// Empty: a server keeps it, or there is none.
  std::optional<DatabaseFacts> find_database() const;
  /// Equal keys mean equal findings; empty where that is not known (a server's database).
  std::optional<std::string> key(const Digest& subject) const;

 private:
  class Turn;
  os::Program program(std::vector<std::string> arguments,
                      const std::filesystem::path& folder) const;
  void run(const os::Program& program, const std::stop_token& stop);
  void add_filters(std::vector<std::string>& arguments) const;
  /// The database as it must be before a scan; adds what is wrong with it to `findings`.
  void check_database(Findings& findings) const;
  Findings report(Findings checked, const os::Program& program, const std::string& name,
                  const std::optional<Digest>& config, const std::filesystem::path& file,
                  const std::stop_token& stop);
  std::string version(const std::stop_token& stop);
  std::filesystem::path database_folder() const { return options_.cache_folder / "db"; }

  TrivyOptions options_;
  std::mutex mutex_;
  std::condition_variable_any freed_;
  bool busy_ = false;
  std::string refresh_failure_;  ///< why the last download failed; under mutex_
  Instant not_before_{};         ///< no download earlier; under mutex_
  std::string version_;          ///< the program's; under mutex_
};

}  // namespace lighterman::scan
