#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/token.hpp"
#include "store/store.hpp"

namespace lighterman::store {

/// The tokens that were made by `token new`, by the SHA-256 of each. Any thread, and any process
/// that opened the same store: what another one revoked is revoked here.
class Tokens {
 public:
  explicit Tokens(Store& store) : store_(store) {}

  /// Returns its id. Throws Error(conflict) when one that was not revoked has the name.
  std::int64_t add(const TokenRecord& token, const std::string& sha256_hex);
  /// Also one that works no more.
  std::optional<TokenRecord> find(const std::string& sha256_hex) const;
  std::vector<TokenRecord> list() const;  ///< oldest first
  bool any() const;                       ///< also if none works any more
  /// The one of this name that was not revoked, now revoked. Throws Error(not_found).
  TokenRecord revoke(const std::string& name);
  /// Lost in a power cut, it is noted at the next use.
  void put_used(std::int64_t id, Instant when);

 private:
  Store& store_;
};

}  // namespace lighterman::store
