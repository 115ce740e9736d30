#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/guarded.hpp"
#include "core/time.hpp"

namespace lighterman::store {
class Store;
}

namespace lighterman::api {

/// Browsers that logged in, in memory alone: a restart ends them all. What a browser holds is a
/// random id, of which only the hash is kept here. Any thread.
class Sessions {
 public:
  static constexpr std::size_t most = 1000;  ///< further ones end the longest unused
  static constexpr std::chrono::hours unused_limit{12};
  static constexpr std::chrono::hours age_limit{24 * 7};

  /// Begins one for the token with this SHA-256; its id.
  std::string begin(const std::string& token_sha256, Instant now);
  /// The SHA-256 of the token it began with; empty: there is none, or no more.
  std::optional<std::string> find(std::string_view id, Instant now);
  void end(std::string_view id);

 private:
  struct Session {
    std::string token_sha256;
    Instant begun{}, used{};
  };
  static bool over(const Session& session, Instant now) noexcept;

  Guarded<std::map<std::string, Session>> sessions_;  // by the id's hash
};

/// Failed logins by address, so that nobody tries many tokens. What failed is written into the
/// audit trail as one entry for all of a minute. Any thread.
class Attempts {
 public:
  static constexpr std::size_t most = 10;  ///< wrong tokens of one address within `window`
  static constexpr std::chrono::seconds window{60};
  static constexpr std::size_t most_addresses = 4096;

  /// How long this address has to wait; 0: not at all.
  std::chrono::seconds wait_of(const std::string& address, Instant now) const;
  /// The same wrong token again is somebody's old one, and no guess.
  void add(const std::string& address, std::string_view token, Instant now);
  /// Writes down what failed: of minutes that are over, or all so far.
  enum class Due { over, all };
  void write_down(store::Store& store, Instant now, Due due);

 private:
  /// What is not written down yet.
  struct Summary {
    static constexpr std::size_t most_named = 8;
    int count = 0;
    Instant since{};
    std::map<std::string, int> named{};  ///< the first addresses, with how often each failed
    bool others = false;                 ///< there were more
    void add(const std::string& address, int times);
  };
  struct Failures {
    std::set<std::string> hashes;  ///< of the tokens, `most` at most
    Instant since{};
  };
  Guarded<std::map<std::string, Failures>> failures_;
  Guarded<Summary> summary_;
};

/// What counts as one: an IPv4 address, or the half of an IPv6 address that names a network.
std::string network_of(const std::string& address);

}  // namespace lighterman::api
