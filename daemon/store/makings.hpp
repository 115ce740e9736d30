#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace lighterman::store {

/// That a run made an image: built it, or found that an earlier run had built the same.
struct Making {
  RunId run = 0;
  std::string image;  ///< of the configuration; of one platform of it "web@linux/amd64"
  bool operator==(const Making&) const = default;
};

/// A tag of ours, and the run that set it.
struct SetTag {
  Reference reference;
  RunId run = 0;
};

/// What was carried to a place, and the run whose image it was; 0: no run's.
struct Carried {
  Digest digest;
  RunId run = 0;
};

/// From a digest to what made it. Any thread.
class Makings {
 public:
  explicit Makings(Store& store) : store_(store) {}

  /// Digests of manifests and indexes that begin with these hex digits, at most `limit`, in order.
  std::vector<Digest> manifests(const std::string& hex, std::size_t limit) const;
  /// Digests of manifests whose image's configuration begins so: what engines call the image's id.
  std::vector<Digest> manifests_of_configs(const std::string& hex, std::size_t limit) const;
  /// Manifests of this very configuration, each once, newest first; of `limit` makings.
  std::vector<Digest> manifests_of(const Digest& config, std::size_t limit) const;
  /// Newest first.
  std::vector<Making> find(const Digest& manifest, std::size_t limit) const;
  /// In the order of their names.
  std::vector<SetTag> tags(const Digest& manifest, std::size_t limit) const;
  /// What was carried there last under this tag.
  std::optional<Carried> find_carried(const Reference& tag) const;
  /// What the store is asked, in SQL, for whoever wants to know which indexes serve it.
  static std::vector<std::string> questions();

 private:
  Store& store_;
};

}  // namespace lighterman::store
