#pragma once

#include <string>
#include <string_view>

#include "engine/engine.hpp"

namespace lighterman::engine {

/// Shows an engine that later builds are as entitled to a token of this registry as the one it was
/// fetched for, without telling it the login: an Ed25519 key (RFC 8032) for each login and salt,
/// the same as long as the process lives (moby/buildkit, session/auth/authprovider).
class TokenAuthority {
 public:
  TokenAuthority(const std::string& host, const Login& login, std::string_view salt);

  std::string public_key() const;  ///< 32 bytes
  /// The signature's 64 bytes with the payload behind them.
  std::string sign(std::string_view payload) const;

 private:
  std::string private_key_;
};

}  // namespace lighterman::engine
