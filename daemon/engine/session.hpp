#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "engine/engine.hpp"

namespace lighterman::engine {

class FileSync;

/// BuildKit's way to ask its client questions during a build: a connection on which the engine is
/// the gRPC client and we serve files of the context, credentials for bases, values of secrets, SSH
/// agents and a health check. Lives for one build; the questions come on threads of its own.
class Session {
 public:
  /// `open` is a POST to /session, without headers. Throws what net::Upgraded::open throws.
  Session(net::Request open, const BuildRequest& build, const std::stop_token& stop);
  ~Session();  ///< waits for a question that is being answered
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& id() const noexcept;
  const FileSync& files() const noexcept;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::engine
