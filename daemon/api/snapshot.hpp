#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "core/guarded.hpp"
#include "core/secret.hpp"
#include "core/token.hpp"
#include "net/network.hpp"

namespace lighterman::api {

/// What the door needs of one configuration, made once: secrets read, tokens unpacked.
struct Snapshot {
  struct Door {
    const config::Source* source = nullptr;
    Secret secret;
    std::string fault;  ///< why the secret could not be read; empty: it could
  };
  struct Key {
    std::string name;
    std::string sha256;  ///< 32 raw bytes
    Role role;
    Scope scope;
  };

  std::shared_ptr<const config::Config> config;  ///< shared with the daemon
  std::map<std::string, Door, std::less<>> doors;
  std::vector<Key> keys;
  std::vector<std::string> faults;  ///< tokens that could not be read
  std::vector<net::Network> proxies;

  explicit Snapshot(std::shared_ptr<const config::Config> from);
  /// By the token's SHA-256, 32 raw bytes; null: it is none of ours. Takes as long for any token.
  const Key* find_key(std::string_view sha256) const;
  bool trusts(const std::string& address) const;  ///< whether a proxy there is believed
};

/// The snapshot of the current configuration. Any thread.
class Snapshots {
 public:
  using Source = std::function<std::shared_ptr<const config::Config>()>;
  explicit Snapshots(Source source) : source_(std::move(source)) {}
  std::shared_ptr<const Snapshot> current();

 private:
  Source source_;
  Guarded<std::shared_ptr<const Snapshot>> last_;  // shared with the requests under it
};

}  // namespace lighterman::api
