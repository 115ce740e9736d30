#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "registry/options.hpp"

namespace lighterman::store {
class Store;
}

namespace lighterman::registry {

/// What a registry can do or cannot.
enum class Trait {
  mounts,        ///< a blob of another repository can be used without sending it
  chunks,        ///< a blob may come in several requests
  referrers,     ///< it lists what refers to an image (distribution-spec 1.1)
  deletes,       ///< manifests
  deletes_tags,  ///< and leaves their manifests
  catalog,       ///< it lists its repositories
};
std::string_view render(Trait trait) noexcept;

/// What a registry showed of itself so far. An empty answer: nobody has seen yet.
struct Profile {
  std::string host;
  std::string product, version;
  std::optional<bool> mounts, chunks, referrers, deletes, deletes_tags, catalog;
  std::uint64_t least_chunk = 0;      ///< bytes, as it asks for; 0: any
  std::uint64_t largest_request = 0;  ///< bytes that passed after larger ones did not; 0: any did
};

/// Keeps in the store what was seen of a registry, for its profile. Any thread.
void note(store::Store& store, const std::string& host, Trait trait, bool can);
void note(store::Store& store, const std::string& host, std::string_view name,
          const std::string& value);
std::optional<bool> find_trait(const store::Store& store, const std::string& host, Trait trait);
/// Bytes that passed in one request after more did not; empty: any did, or it was seen so long ago
/// that it may have changed.
std::optional<std::uint64_t> find_largest_request(const store::Store& store,
                                                  const std::string& host);
void note_largest_request(store::Store& store, const std::string& host, std::uint64_t bytes);
Profile profile_of(const store::Store& store, const std::string& host);
boost::json::object to_json(const Profile& profile);
/// "Harbor v2.11.0; mounts blobs, takes chunks, no list of referrers; requests up to 50 MB".
std::string describe(const Profile& profile);

/// Names under which a registry's facts lie in the store.
inline constexpr std::string_view largest_request_fact = "chunk";
inline constexpr std::string_view least_chunk_fact = "least_chunk";
inline constexpr std::string_view product_fact = "product";
inline constexpr std::string_view version_fact = "version";

}  // namespace lighterman::registry
