#include "api/snapshot.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"

namespace lighterman::api {
namespace {

std::string raw_sha256(std::string_view bytes) {
  os::Sha256 hash;
  hash.update(bytes);
  return hash.finish_raw();
}

}  // namespace

Snapshot::Snapshot(std::shared_ptr<const config::Config> from) : config(std::move(from)) {
  for (const auto& [name, source] : config->sources) {
    Door door;
    door.source = &source;
    try {
      if (!source.secret_place.empty()) door.secret = os::read_secret(source.secret_place);
    } catch (const Error& error) {
      // One source's missing file must not close the doors of the others.
      door.fault = error.what();
    }
    doors.emplace(name, std::move(door));
  }
  for (const config::Token& token : config->tokens) {
    try {
      const std::optional<std::string> known = parse_hex(token.sha256);
      if (known && known->size() == 32) {
        keys.push_back({token.name, *known, token.role, Scope(token.sources)});
      } else {
        keys.push_back({token.name, raw_sha256(os::read_secret(token.place).reveal()), token.role,
                        Scope(token.sources)});
      }
    } catch (const Error& error) {
      // The other tokens go on; this one opens nothing.
      faults.push_back(concat("token \"", token.name, "\": ", error.what()));
    }
  }
  for (const std::string& each : config->trusted_proxies)
    proxies.push_back(net::Network::parse(each));
}

const Snapshot::Key* Snapshot::find_key(std::string_view sha256) const {
  const Key* found = nullptr;
  for (const Key& key : keys)
    if (os::equal_in_constant_time(key.sha256, sha256)) found = &key;
  return found;
}

bool Snapshot::trusts(const std::string& address) const {
  return std::ranges::any_of(
      proxies, [&](const net::Network& network) { return network.contains(address); });
}

std::shared_ptr<const Snapshot> Snapshots::current() {
  std::shared_ptr<const config::Config> now = source_();
  return last_.with([&](std::shared_ptr<const Snapshot>& last) {
    if (!last || last->config != now) last = std::make_shared<const Snapshot>(std::move(now));
    return last;
  });
}

}  // namespace lighterman::api
