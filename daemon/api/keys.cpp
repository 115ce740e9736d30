#include <boost/json.hpp>

#include "api/exchange.hpp"
#include "api/routes.hpp"
#include "api/server.hpp"
#include "core/text.hpp"
#include "store/store.hpp"
#include "trust/keyring.hpp"

namespace lighterman::api {
namespace {

using trust::KeyEntry;

/// So many troubles are told of a key; `lighterman key report` is no log.
constexpr std::size_t most_troubles = 10;

std::vector<KeyEntry> keys_of(const config::Config& config) {
  if (!config.keys) return {};
  return trust::Keyring(config.keys->folder).entries();
}

/// Calls `see` with each key and the newest one of its name.
template <class See>
void each_key(const std::vector<KeyEntry>& entries, See&& see) {
  const KeyEntry* newest = nullptr;
  for (const KeyEntry& entry : entries) {
    if (newest == nullptr || newest->name != entry.name) newest = &entry;
    see(entry, *newest);
  }
}

/// What the newest key did not sign too, and by the policy should; empty: nothing should.
std::optional<store::SignatureFilter> waiting_filter(const KeyEntry& entry, const KeyEntry& newest,
                                                     config::Resign policy) {
  if (policy == config::Resign::none) return {};
  return store::SignatureFilter{.key_hint = entry.public_key.hint(),
                                .lacking = newest.public_key.hint(),
                                .tagged = policy == config::Resign::tagged};
}

boost::json::object report_of(const KeyEntry& entry, const KeyEntry& newest, config::Resign policy,
                              const store::Store& store, Instant now) {
  boost::json::object key = trust::to_json(entry, now);
  const std::string& hint = entry.public_key.hint();
  const store::SignatureCount all = store.count_signatures({.key_hint = hint});
  key["signatures"] = all.signatures;
  key["images"] = all.images;
  key["depending"] =
      store.count_signatures({.key_hint = hint, .lacking = newest.public_key.hint()}).images;
  boost::json::array troubles;
  auto filter = waiting_filter(entry, newest, policy);
  key["waiting"] = filter ? store.count_signatures(*filter).images : 0;
  if (filter) {
    filter->troubled = true;
    filter->limit = most_troubles;
    for (const SignatureRecord& each : store.signatures(*filter))
      troubles.push_back({{"image", each.image.text()}, {"why", each.why}});
  }
  key["troubles"] = std::move(troubles);
  return key;
}

/// What is to be done about a key; empty: nothing.
std::string warning_about(const KeyEntry& entry, const KeyEntry& newest, config::Resign policy,
                          const store::Store& store, Instant now) {
  if (std::string warning = entry.warning(now); !warning.empty()) return warning;
  auto filter = waiting_filter(entry, newest, policy);
  if (!filter) return {};
  filter->troubled = true;
  const std::int64_t images = store.count_signatures(*filter).images;
  if (images == 0) return {};
  return concat("key \"", entry.name, "\" was replaced, and ", images,
                " images could not be signed again (lighterman key report ", entry.name, ")");
}

}  // namespace

void list_keys(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"name"});
  expect_all_sources(exchange);
  const auto wanted = find_parameter(exchange, "name");
  const config::Config& config = *exchange.snapshot->config;
  std::vector<KeyEntry> entries;
  try {
    entries = keys_of(config);
  } catch (const Error& error) {
    // Who asks did nothing wrong, whatever is wrong with the folder.
    refuse(500, error.what());
  }
  boost::json::array keys;
  each_key(entries, [&](const KeyEntry& entry, const KeyEntry& newest) {
    if (!wanted || *wanted == entry.name)
      keys.push_back(
          report_of(entry, newest, config.keys->resign, room.store, room.options.clock()));
  });
  if (wanted && keys.empty())
    refuse(404, "unknown-key", "No such key",
           concat("there is no key \"", shortened(valid_utf8(*wanted), 80), "\""));
  answer(exchange,
         boost::json::object{
             {"resign", config.keys ? boost::json::value(render(config.keys->resign)) : nullptr},
             {"keys", std::move(keys)}});
}

void tell_status(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  const config::Config& config = *exchange.snapshot->config;
  const Readiness readiness = room.readiness();
  const Instant now = room.options.clock();
  boost::json::array keys, warnings;
  // Keys are of all sources, and so is what is wrong with them.
  const bool all = exchange.caller.scope.is_all();
  try {
    each_key(all ? keys_of(config) : std::vector<KeyEntry>(), [&](const KeyEntry& entry,
                                                                  const KeyEntry& newest) {
      keys.push_back(trust::to_json(entry, now));
      if (std::string warning = warning_about(entry, newest, config.keys->resign, room.store, now);
          !warning.empty())
        warnings.emplace_back(std::move(warning));
    });
  } catch (const Error& error) {
    // The rest of the status is wanted all the more.
    warnings.emplace_back(error.what());
  }
  answer(exchange, boost::json::object{{"version", LIGHTERMAN_VERSION},
                                       {"ready", readiness.ready},
                                       {"why", readiness.why},
                                       {"warnings", std::move(warnings)},
                                       {"keys", std::move(keys)}});
}

}  // namespace lighterman::api
