#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "api/snapshot.hpp"
#include "core/guarded.hpp"
#include "core/token.hpp"
#include "store/tokens.hpp"

namespace lighterman::api {

/// Who asks, and what they may do.
struct Caller {
  std::string name;  ///< of the token, or of whom a proxy vouches for; empty: there are no tokens
  Role role = Role::viewer;
  Scope scope;
  std::string sha256;    ///< of the token, 32 raw bytes; empty: it was none
  bool vouched = false;  ///< a proxy says so
};

/// Whose a token is: one of the configuration, or one that was made by `token new`. Any thread.
class Callers {
 public:
  Callers(store::Store& store, Snapshots& snapshots, const Clock& clock)
      : tokens_(store), snapshots_(snapshots), clock_(clock) {}

  /// Whether there is any token, whoever may use it: then nobody comes in without one.
  bool any(const Snapshot& snapshot) const;
  /// By the token itself; empty: it is none of ours, or none any more.
  std::optional<Caller> find(const Snapshot& snapshot, std::string_view token);
  /// The same among those alone that `token new` made: each is 256 random bits.
  std::optional<Caller> find_made(std::string_view token);
  /// By its SHA-256, 32 raw bytes.
  std::optional<Caller> find_by_hash(const Snapshot& snapshot, const std::string& sha256);
  /// Whether that token still lets in whoever it let in.
  bool still(const std::string& sha256);

 private:
  std::optional<Caller> find_made_by_hash(const std::string& sha256);
  void note_use(const TokenRecord& token, Instant now);

  store::Tokens tokens_;
  Snapshots& snapshots_;
  const Clock& clock_;
  Guarded<std::map<std::int64_t, Instant>> noted_;  ///< when its use was last written down
};

/// For messages and the audit trail: `token "ann"`.
std::string render(const Caller& caller);

}  // namespace lighterman::api
