#include <boost/json.hpp>
#include <set>

#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "core/text.hpp"
#include "registry/profile.hpp"
#include "store/store.hpp"

namespace lighterman::api {
namespace {

/// Hosts that the configuration publishes or carries to, or says something of. Whoever is for some
/// sources only sees those that these publish to.
std::set<std::string> hosts_of(const config::Config& config, const Scope& scope) {
  std::set<std::string> hosts;
  for (const auto& [name, source] : config.sources) {
    if (!scope.covers(name)) continue;
    for (const auto& [image_name, image] : source.images)
      for (const Reference& target : image.targets) hosts.insert(target.host());
  }
  if (!scope.is_all()) return hosts;
  for (const auto& [host, options] : config.registries) hosts.insert(host);
  for (const config::ReplicateRule& rule : config.replicate)
    if (!rule.to.empty()) hosts.insert(rule.to.substr(0, rule.to.find('/')));
  return hosts;
}

}  // namespace

void list_registries(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"host"});
  const Scope& scope = exchange.caller.scope;
  std::set<std::string> hosts = hosts_of(*exchange.snapshot->config, scope);
  if (const auto host = find_parameter(exchange, "host")) {
    const bool met = scope.is_all() && !room.store.facts(concat("registry:", *host)).empty();
    if (!met && !hosts.contains(*host)) {
      const std::vector<std::string> known(hosts.begin(), hosts.end());
      refuse(404, concat("nobody has met a registry \"", *host, '"', did_you_mean(*host, known)));
    }
    hosts = {*host};
  }
  boost::json::array list;
  for (const std::string& host : hosts)
    list.push_back(to_json(registry::profile_of(room.store, host)));
  answer(exchange, boost::json::object{{"registries", std::move(list)}});
}

}  // namespace lighterman::api
