#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "os/file.hpp"
#include "support/registry.hpp"

namespace lighterman::support {

/// Gives a user tokens that a registry believes: JWTs signed by RS256, whose certificate ("x5c") is
/// the registry's rootcertbundle (distribution's docs/spec/auth/jwt.md). On a loopback port, over
/// plain http.
class TokenServer {
 public:
  TokenServer(std::string user, std::string password);
  ~TokenServer();
  TokenServer(const TokenServer&) = delete;
  TokenServer& operator=(const TokenServer&) = delete;

  RealRegistry::Options::Tokens for_registry() const;
  /// Repositories in which nobody may push from now on.
  void protect(const std::string& repository);
  /// The scopes that were asked for so far.
  std::vector<std::string> scopes() const;
  /// Who asked, by User-Agent.
  std::set<std::string> callers() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::support
