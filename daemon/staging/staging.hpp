#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/build_plan.hpp"
#include "core/image.hpp"
#include "core/secret.hpp"
#include "engine/engine.hpp"
#include "registry/client.hpp"

namespace lighterman::store {
class Store;
}

namespace lighterman::staging {

struct Options {
  std::filesystem::path folder;  ///< the OCI image layout
  std::string listen =
      "127.0.0.1:7071";  ///< keep it: engines remember layers per host:port/repository
  std::uint64_t size_limit = 20ull << 30;  ///< bytes of blobs kept; least recently used go first
  std::string compression = "gzip";        ///< of layers that we compress: "gzip" or "zstd"
  unsigned threads = 0;                    ///< for compression; 0: one a core
  std::chrono::milliseconds engine_silence{std::chrono::minutes(10)};
};

/// Where unchanged layers are: a target registry's client and the repository in it.
struct Upstream {
  registry::Client* client = nullptr;  ///< outlives the session
  Reference repository;
};

/// What is said of times in an image, in seconds since 1970
/// (reproducible-builds.org/specs/source-date-epoch).
struct Dates {
  std::int64_t latest_file = 0;  ///< no file is later
  std::int64_t created = 0;      ///< the image was, and each step of its history
};

/// A blob has come in completely (or was confirmed upstream while the engine asked); called on a
/// server thread.
using BlobNews = std::function<void(const Descriptor& blob, bool held)>;

/// One run's door to staging: its credentials, its repository, what it needs kept from eviction.
/// Ends when it is destroyed: the credentials stop working and its blobs may be evicted.
class Session {
 public:
  ~Session();
  Session(Session&&) noexcept;
  std::string name() const;  ///< "127.0.0.1:7071/<repository>", the same for every run of an image
  std::string tag() const;   ///< this run's
  engine::Login login() const;

  /// The image the engine pushed under our tag, complete; throws Error(not_found) before.
  StagedImage get_pushed() const;
  /// Reads `images/get` output, compresses unknown layers and keeps them.
  StagedImage import(const std::function<void(const Push&)>& exporter, const std::stop_token& stop);
  /// An image by its manifest, whose blobs are held or upstream; Error(not_found) names one that is
  /// not.
  StagedImage adopt(const std::string& manifest, const std::stop_token& stop);
  /// The image without what a build's clock left in it, in its configuration and in its layers from
  /// number `own` on.
  StagedImage redate(const StagedImage& image, const Dates& dates, std::size_t own,
                     const std::stop_token& stop);
  std::string manifest_bytes(const Digest& manifest) const;
  /// A blob of this session's image: from the layout, or read through from the upstream that has
  /// it.
  registry::BlobSource blob(const Descriptor& descriptor, const std::stop_token& stop) const;
  /// False when a blob of this image is neither held nor confirmed upstream any more.
  bool is_complete(const StagedImage& image, const std::stop_token& stop) const;

 private:
  friend class Staging;
  struct Inside;
  explicit Session(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

/// The loopback registry that engines push to (OCI Distribution specification 1.1), over an OCI
/// image layout on disk (image-spec, image-layout.md). A blob "exists" when the layout holds it or
/// one of the session's upstreams confirms it. Any thread.
class Staging {
 public:
  Staging(Options options, store::Store& store);
  ~Staging();  ///< stops the server
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// Binds and serves on threads of its own; Error(conflict) when the address is taken.
  void start();
  std::string address() const;  ///< host:port, with the real port
  Session open(const std::string& source, const std::string& image, std::int64_t run,
               std::vector<Upstream> upstreams, BlobNews news);
  std::uint64_t held_bytes() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::staging
