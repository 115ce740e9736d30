#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "config/config.hpp"
#include "core/error.hpp"
#include "store/store.hpp"

namespace lighterman::cli {

/// The configuration is wrong, which has an exit code of its own.
class BadConfiguration : public Error {
 public:
  explicit BadConfiguration(const Error& error) : Error(error) {}
};

/// The store of a configuration on this machine, for whoever may write its data folder; a daemon
/// may run on it at the same time.
struct LocalStore {
  config::Config config;
  store::Store store;

  /// Throws Error(not_found) where no daemon has begun one yet, BadConfiguration.
  static LocalStore open(const std::filesystem::path& config_file);
};

/// config::load(); throws BadConfiguration.
config::Config load_config(const std::filesystem::path& file);

/// Who is at the command line, for the audit trail: `ann on the command line`.
std::string local_user();

/// A verb that talks about a configuration: whatever is wrong, it is the file, and the exit code
/// says so.
std::function<int()> with_file(std::function<int()> act);

}  // namespace lighterman::cli
