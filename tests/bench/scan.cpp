// Scans images of a registry, as the daemon does: scan TRIVY CACHE REFERENCE...
// Writes a small vulnerability database into CACHE where there is none, and prints the seconds for
// each image.
#include <chrono>
#include <cstdio>

#include "os/file.hpp"
#include "registry/client.hpp"
#include "scan/trivy.hpp"
#include "store/store.hpp"
#include "support/trivy_db.hpp"

int main(int count, char** arguments) {
  using namespace lighterman;
  if (count < 4) {
    std::fputs("usage: scan TRIVY CACHE REFERENCE...\n", stderr);
    return 2;
  }
  scan::TrivyOptions options;
  options.program = arguments[1];
  options.cache_folder = arguments[2];
  options.skip_update = true;
  options.offline = true;
  options.database_age_limit = std::chrono::hours(24 * 3650);
  if (!std::filesystem::exists(options.cache_folder / "db"))
    support::write_trivy_database(options.cache_folder, support::debian_advisories());
  scan::Trivy trivy(options);
  const os::ScratchFolder scratch;
  store::Store store({scratch.path() / "places.db"});
  for (int each = 3; each < count; ++each) {
    const Reference image = Reference::parse(arguments[each]);
    registry::Options door;
    door.host = image.host();
    const auto digest = registry::Client(door, store).find_tag(image, {});
    if (!digest) {
      std::fprintf(stderr, "there is no %s\n", arguments[each]);
      return 3;
    }
    const auto begun = std::chrono::steady_clock::now();
    trivy.scan(scan::RegistryImage{image.at(*digest)}, {});
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    std::printf("%.3f\n", took.count());
  }
  return 0;
}
