#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "core/image.hpp"
#include "core/reference.hpp"
#include "core/secret.hpp"
#include "net/http.hpp"
#include "registry/options.hpp"

namespace lighterman::store {
class Store;
}

namespace lighterman::registry {

enum class Trait;

/// Bytes of a blob that can be read again from any offset, so that an upload can be resumed.
struct BlobSource {
  Descriptor descriptor;
  std::function<Pull(std::uint64_t offset)> open;
};

/// Told while bytes travel: blob, bytes acknowledged so far, bytes in all.
using SendNews = std::function<void(const Digest& blob, std::uint64_t sent, std::uint64_t total)>;

/// A manifest as the registry keeps it.
struct StoredManifest {
  std::string media_type, bytes;
  Digest digest;
};

/// One registry, by the OCI Distribution specification 1.1 (opencontainers/distribution-spec).
/// Tokens are cached and renewed, also in the middle of an upload. Answers of 429 and 5xx are
/// retried within Options::retry. Errors name registry, repository, what was tried and what to do;
/// denied: which permission is missing. Any thread.
class Client {
 public:
  Client(Options options, store::Store& store);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  const Options& options() const noexcept;

  /// GET /v2/ with credentials.
  void ping(const std::stop_token& stop);
  /// The credentials the engine may use for private bases here, if there are any.
  std::optional<std::pair<std::string, Secret>> login() const;
  /// A token of the service that the registry named, with that login, for whoever must not have it,
  /// and for how long it is good.
  struct FreshToken {
    Secret value;
    std::chrono::seconds life{0};
  };
  FreshToken get_token(const std::string& realm, const std::string& service,
                       const std::vector<std::string>& scopes, const std::stop_token& stop);

  /// What a question is asked for. Before a push it is asked with the push's own token, and what is
  /// denied counts as not there: some deny to look into what the push would create (Quay), and the
  /// push tells.
  enum class For { pull, push };
  /// Size of the blob in this repository; empty: not there. A "there" is remembered for a minute.
  std::optional<std::uint64_t> find_blob(const Reference& repository, const Digest& blob,
                                         const std::stop_token& stop, For what = For::pull);
  /// That the blob is in this repository here, as somebody knows: bring() may mount it from there.
  void note_place(const Reference& repository, const Digest& blob);
  /// What the registry showed that it can or cannot, for its profile.
  void note(Trait trait, bool can);
  /// A blob's bytes from the registry (redirects followed without credentials), compared with the
  /// digest at their end; not where another registry compares them anyway.
  enum class Verify { yes, no };
  Pull open_blob(const Reference& repository, const Digest& blob, std::uint64_t offset,
                 const std::stop_token& stop, Verify verify = Verify::yes);
  /// By tag or digest; empty: not there. `bytes` is verified against the digest.
  std::optional<StoredManifest> find_manifest(const Reference& reference,
                                              const std::stop_token& stop, For what = For::pull);
  /// Digest a tag points to, by HEAD; empty: no such tag.
  std::optional<Digest> find_tag(const Reference& reference, const std::stop_token& stop,
                                 For what = For::pull);
  std::vector<std::string> tags(const Reference& repository, const std::stop_token& stop);
  /// All repositories that the registry's catalog shows to us. Error(denied) or Error(not_found)
  /// where it has none (Docker Hub, ECR and GHCR have not).
  std::vector<std::string> repositories(const std::stop_token& stop);
  /// GET of a list the registry keeps under a repository, page by page (Link, RFC 8288), until
  /// `page` answers false. Pages of any status but 401, 403, 429 and 5xx are shown.
  void read_pages(const Reference& repository, const std::string& path,
                  const std::function<bool(const net::Response&)>& page,
                  const std::stop_token& stop);

  /// The three ways a blob arrives, cheapest first: present, mounted from a repository where it was
  /// seen, sent. An upload that broke goes on where the registry says it stopped, also after a
  /// restart.
  LayerOutcome bring(const BlobSource& blob, const Reference& repository, const SendNews& news,
                     const std::stop_token& stop);
  /// PUT by tag or by digest, as `reference` says; returns the digest the registry confirms.
  Digest put_manifest(const Reference& reference, const std::string& media_type,
                      const std::string& bytes, const std::stop_token& stop);
  void delete_manifest(const Reference& by_digest, const std::stop_token& stop);
  /// Takes a tag away and leaves the manifest, where it names `digest`.
  void delete_tag(const Reference& tagged, const Digest& digest, const std::stop_token& stop);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::registry
