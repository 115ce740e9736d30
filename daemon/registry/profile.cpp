#include "registry/profile.hpp"

#include <charconv>
#include <vector>

#include "core/choices.hpp"
#include "core/text.hpp"
#include "core/time.hpp"
#include "store/store.hpp"

namespace lighterman::registry {
namespace {

constexpr Choice<Trait> trait_names[] = {{Trait::mounts, "mounts"},
                                         {Trait::chunks, "chunks"},
                                         {Trait::referrers, "referrers"},
                                         {Trait::deletes, "deletes"},
                                         {Trait::deletes_tags, "deletes_tags"},
                                         {Trait::catalog, "catalog"}};

std::string scope_of(const std::string& host) { return concat("registry:", host); }

std::uint64_t number(const std::string& text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// A fact and the day it was seen: "no 2026-05-01".
std::string seen_today(std::string_view what) {
  return concat(what, ' ', render_time(system_now()).substr(0, 10));
}

/// What a registry could not do long ago it may have learnt since.
constexpr std::chrono::days forgotten{7};
bool is_recent(std::string_view fact) {
  const std::size_t day = fact.find(' ') + 1;
  if (day == 0 || fact.size() - day != std::string_view("2026-05-01").size()) return false;
  return parse_time(concat(fact.substr(day), "T00:00:00Z")) + forgotten >= system_now();
}

std::optional<bool> trait_from(std::string_view fact) {
  if (fact.starts_with("yes")) return true;
  return is_recent(fact) ? std::optional(false) : std::nullopt;
}

std::optional<std::uint64_t> largest_from(const std::string& fact) {
  const std::uint64_t bytes = number(fact);
  return bytes > 0 && is_recent(fact) ? std::optional(bytes) : std::nullopt;
}

boost::json::value shown(const std::optional<bool>& can) {
  return can ? boost::json::value(*can) : boost::json::value();
}

}  // namespace

std::string_view render(Trait trait) noexcept { return name_of(trait_names, trait); }

void note(store::Store& store, const std::string& host, std::string_view name,
          const std::string& value) {
  const std::string scope = scope_of(host), called(name);
  if (store.find_fact(scope, called) != value) store.put_fact(scope, called, value);
}

void note(store::Store& store, const std::string& host, Trait trait, bool can) {
  // A "yes" needs no newer one.
  if (can && find_trait(store, host, trait) == true) return;
  note(store, host, render(trait), seen_today(can ? "yes" : "no"));
}

std::optional<bool> find_trait(const store::Store& store, const std::string& host, Trait trait) {
  const auto found = store.find_fact(scope_of(host), std::string(render(trait)));
  return found ? trait_from(*found) : std::nullopt;
}

std::optional<std::uint64_t> find_largest_request(const store::Store& store,
                                                  const std::string& host) {
  const auto found = store.find_fact(scope_of(host), std::string(largest_request_fact));
  return found ? largest_from(*found) : std::nullopt;
}

void note_largest_request(store::Store& store, const std::string& host, std::uint64_t bytes) {
  note(store, host, largest_request_fact, seen_today(std::to_string(bytes)));
}

Profile profile_of(const store::Store& store, const std::string& host) {
  const auto facts = store.facts(scope_of(host));
  const auto text = [&](std::string_view name) {
    const auto found = facts.find(std::string(name));
    return found == facts.end() ? std::string() : found->second;
  };
  const auto can = [&](Trait trait) { return trait_from(text(render(trait))); };
  Profile profile;
  profile.host = host;
  profile.product = text(product_fact);
  profile.version = text(version_fact);
  profile.mounts = can(Trait::mounts);
  profile.chunks = can(Trait::chunks);
  profile.referrers = can(Trait::referrers);
  profile.deletes = can(Trait::deletes);
  profile.deletes_tags = can(Trait::deletes_tags);
  profile.catalog = can(Trait::catalog);
  profile.least_chunk = number(text(least_chunk_fact));
  profile.largest_request = largest_from(text(largest_request_fact)).value_or(0);
  return profile;
}

boost::json::object to_json(const Profile& profile) {
  return {{"host", profile.host},
          {"product", profile.product},
          {"version", profile.version},
          {"mounts", shown(profile.mounts)},
          {"chunks", shown(profile.chunks)},
          {"referrers", shown(profile.referrers)},
          {"deletes", shown(profile.deletes)},
          {"deletes_tags", shown(profile.deletes_tags)},
          {"catalog", shown(profile.catalog)},
          {"least_chunk", profile.least_chunk},
          {"largest_request", profile.largest_request},
          {"summary", describe(profile)}};
}

std::string describe(const Profile& profile) {
  std::vector<std::string> parts;
  if (!profile.product.empty() && profile.product != "plain")
    parts.push_back(concat(profile.product, profile.version.empty() ? "" : " ", profile.version));
  const auto add = [&](const std::optional<bool>& can, std::string_view yes, std::string_view no) {
    if (can) parts.emplace_back(*can ? yes : no);
  };
  add(profile.mounts, "mounts blobs", "mounts no blobs");
  add(profile.chunks, "takes chunks", "takes blobs whole only");
  add(profile.referrers, "lists referrers", "lists no referrers");
  add(profile.deletes, "deletes manifests", "deletes no manifests");
  add(profile.deletes_tags, "deletes tags", "deletes no tags alone");
  add(profile.catalog, "has a catalog", "has no catalog");
  if (profile.least_chunk != 0)
    parts.push_back(concat("chunks of ", render_size(profile.least_chunk), " at least"));
  if (profile.largest_request != 0)
    parts.push_back(concat("requests of ", render_size(profile.largest_request), " at most"));
  return parts.empty() ? "nothing seen yet" : join(parts, ", ");
}

}  // namespace lighterman::registry
