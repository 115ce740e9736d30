#include "cli/jetty.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/error.hpp"

namespace lighterman::cli {
namespace {

/// A larger one is begun anew: nothing in it is more than a shortcut.
constexpr std::uintmax_t most_kept = 64 << 20;

/// Empty: there is no place for it.
std::filesystem::path cache_folder() {
  const auto named = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  const std::filesystem::path given = named("XDG_CACHE_HOME"), home = named("HOME");
  if (given.is_absolute()) return given / "lighterman";
  return home.is_absolute() ? home / ".cache/lighterman" : std::filesystem::path();
}

/// Only for its owner: where an upload goes on may be a secret of the registry's.
bool make_folder(const std::filesystem::path& folder) {
  if (folder.empty()) return false;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error)
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all,
                                 std::filesystem::perm_options::replace, error);
  return !error;
}

std::shared_ptr<const config::Config> config_of(const std::vector<Reference>& places,
                                                const Jetty::Words& words) {
  auto config = std::make_shared<config::Config>();
  for (const Reference& each : places) {
    registry::Options& options = config->registries[each.host()];
    options.host = each.host();
    options.plain_http = words.plain_http;
    options.create = words.create;
  }
  return config;
}

}  // namespace

Jetty::Jetty(const std::vector<Reference>& places, const Words& words) {
  const std::filesystem::path folder = cache_folder();
  if (make_folder(folder)) {
    const std::filesystem::path file = folder / "registries.db";
    // Another copy at work, or what a newer version wrote, is no reason not to copy.
    try {
      lock_.emplace(folder);
      std::error_code none;
      if (std::filesystem::file_size(file, none) > most_kept && !none)
        for (const char* suffix : {"", "-wal", "-shm"})
          std::filesystem::remove(file.string() + suffix);
      store_ = std::make_unique<store::Store>(store::Options{file});
    } catch (const std::exception&) {
      lock_.reset();
    }
  }
  if (!store_) {
    scratch_.emplace();
    store_ = std::make_unique<store::Store>(store::Options{scratch_->path() / "registries.db"});
  }
  yard_ = std::make_unique<pipeline::Yard>(config_of(places, words), *store_);
}

}  // namespace lighterman::cli
