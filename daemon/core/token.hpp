#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/role.hpp"
#include "core/time.hpp"

namespace lighterman {

/// Which sources somebody sees and touches.
class Scope {
 public:
  Scope() = default;  ///< all
  /// These alone; none: all.
  explicit Scope(std::vector<std::string> sources);

  bool is_all() const noexcept { return sources_.empty(); }
  bool covers(std::string_view source) const noexcept;
  const std::vector<std::string>& sources() const noexcept { return sources_; }
  bool operator==(const Scope&) const = default;

 private:
  std::vector<std::string> sources_;  ///< each once, in the order given
};

/// A bearer token that was made by `token new`. What it is itself is known to its holder alone.
struct TokenRecord {
  std::int64_t id = 0;  ///< given by the store
  std::string name;
  Role role = Role::viewer;
  Scope scope;
  std::string creator;  ///< who made it
  Instant created{};
  std::optional<Instant> expires;  ///< empty: never
  std::optional<Instant> used;     ///< for the last time, to the minute
  std::optional<Instant> revoked;

  bool works(Instant now) const noexcept { return !revoked && (!expires || now < *expires); }
};

boost::json::object to_json(const TokenRecord& token, Instant now);

/// As it is written down for people: "token ci: trigger for shop, until 2026-12-01T00:00:00.000Z".
std::string terms_of(const TokenRecord& token);

/// Names stand in paths and messages: letters, digits, '.', '_' and '-', 100 of them at most.
/// Throws Error(invalid).
void check_token_name(std::string_view name);
/// When a token expires that is asked for `now`: "30d", a time (RFC 3339), or "" and "never".
/// Throws Error(invalid).
std::optional<Instant> expiry_of(std::string_view given, Instant now);

}  // namespace lighterman
