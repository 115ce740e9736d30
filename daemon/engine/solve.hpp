#pragma once

#include <stop_token>
#include <string>

#include "engine/engine.hpp"
#include "engine/progress.hpp"

namespace lighterman::engine {

/// A build by BuildKit's own API (moby/buildkit, api/services/control/control.proto), for what the
/// Engine's /build has no words for: named contexts, and a cache in a registry. The engine's own
/// exporter puts the image where /build would.
class Solve {
 public:
  /// `session` is the id of an open one. With `cache`, the plan's cache_to is written.
  Solve(const BuildRequest& request, const std::string& session, bool cache);
  ~Solve();
  Solve(const Solve&) = delete;
  Solve& operator=(const Solve&) = delete;

  /// `open` is a POST to /grpc, without headers. `progress` is told all, its failure and its image
  /// as well. Error(unavailable) when the connection breaks, Error(cancelled) after a stop.
  void run(net::Request open, TracedProgress& progress, const std::stop_token& stop);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::engine
