#pragma once

#include <filesystem>

namespace lighterman::cli {

struct ServeOptions {
  std::filesystem::path config;
};

/// Runs the daemon until SIGTERM or SIGINT; SIGHUP reads the configuration anew. Returns the exit
/// code; throws Error for what keeps it from starting.
int serve(const ServeOptions& options);

}  // namespace lighterman::cli
