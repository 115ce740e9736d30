#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lighterman::support {

struct Advisory {
  std::string platform;  ///< "debian 12"
  std::string source;    ///< source package
  std::string id;
  std::string severity;  ///< "HIGH"
  std::string title;
  std::string fixed = {};  ///< empty: will not be fixed
};

/// A vulnerability database as Trivy downloads it (schema 2, a bbolt file): FOLDER/db/trivy.db and
/// FOLDER/db/metadata.json.
void write_trivy_database(const std::filesystem::path& folder,
                          const std::vector<Advisory>& advisories,
                          const std::string& updated = "2026-01-01T00:00:00Z", int schema = 2);
/// Published advisories on packages of Debian 12 at its first point release.
std::vector<Advisory> debian_advisories();

}  // namespace lighterman::support
