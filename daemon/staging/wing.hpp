#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/manifest.hpp"
#include "staging/layout.hpp"
#include "staging/staging.hpp"

namespace lighterman::staging {

/// What one session may see of the layout and of its upstreams. It keeps pinned whatever it has
/// seen. Any thread.
class Wing {
 public:
  Wing(Layout& layout, store::Store& store, std::string repository, std::string tag,
       std::vector<Upstream> upstreams, BlobNews news);
  ~Wing();
  Wing(const Wing&) = delete;
  Wing& operator=(const Wing&) = delete;

  const std::string& repository() const noexcept { return repository_; }
  const std::string& tag() const noexcept { return tag_; }
  const std::string& user() const noexcept { return user_; }
  const Secret& password() const noexcept { return password_; }
  Layout& layout() noexcept { return layout_; }
  store::Store& store() noexcept { return store_; }

  /// The blob's size if the layout holds it or an upstream confirms it.
  std::optional<std::uint64_t> find(const Digest& blob, const std::stop_token& stop);
  /// find(), and the news of it.
  std::optional<std::uint64_t> announce(const Digest& blob, const std::stop_token& stop);
  bool holds(const Digest& blob);  ///< in the layout; pinned from now on
  /// Takes over a pin and tells the news.
  void received(const Digest& blob, std::uint64_t size);
  Pull open(const Digest& blob, std::uint64_t offset, const std::stop_token& stop);
  std::string read(const Digest& blob, std::uint64_t limit, const std::stop_token& stop);

  /// Keeps a manifest whose blobs are all there; Error(not_found) names the one that is not.
  Digest put_manifest(const std::string& reference, const Manifest& manifest,
                      const std::stop_token& stop);
  std::optional<Digest> find_manifest(const std::string& reference);
  std::string manifest_bytes(const Digest& digest);

 private:
  void tell(const Digest& blob, std::uint64_t size, bool held);

  Layout& layout_;
  store::Store& store_;
  const std::string repository_, tag_, user_;
  const Secret password_;
  const std::vector<Upstream> upstreams_;
  const BlobNews news_;
  std::mutex mutex_;
  std::map<Digest, std::uint64_t> pinned_;
  std::map<Digest, const Upstream*> confirmed_;
  std::set<Digest> told_;
  std::map<std::string, Digest> manifests_;  ///< by tag
};

constexpr std::uint64_t manifest_limit = 4 << 20;  ///< bytes; distribution-spec: at least 4 MiB
constexpr std::uint64_t config_limit = 8 << 20;    ///< bytes

/// What a manifest says, with the config's word on the layers.
StagedImage describe(Wing& wing, const Digest& manifest, const std::stop_token& stop);

}  // namespace lighterman::staging
