#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "core/manifest.hpp"
#include "core/reference.hpp"
#include "registry/client.hpp"

namespace lighterman::registry {

/// A manifest that names another one as its subject (distribution-spec, "Listing Referrers").
struct Referrer {
  Descriptor manifest;
  std::string artifact_type;
  std::map<std::string, std::string> annotations;
};

/// What refers to `subject`: by the referrers API, or by the fallback tag where the registry has
/// none. Only of `artifact_type`, unless that is empty.
std::vector<Referrer> find_referrers(Client& client, const Reference& repository,
                                     const Digest& subject, const std::string& artifact_type,
                                     const std::stop_token& stop);

/// By the referrers API alone; empty: the registry has none.
std::optional<std::vector<Referrer>> ask_for_referrers(Client& client, const Reference& repository,
                                                       const Digest& subject,
                                                       const std::string& artifact_type,
                                                       const std::stop_token& stop);
/// The tag that lists what refers to `subject` where there is no such API.
Reference fallback_of(const Reference& repository, const Digest& subject);
/// What a fallback tag lists; nothing, where it is no index.
std::vector<Referrer> listed_by(const StoredManifest& fallback);

struct TagContent {
  std::string media_type, bytes;
};
/// What a tag shall name, given what it names now (empty: nothing); empty: it is right as it is.
/// Called again whenever that changed, so it answers empty for what it made itself.
using TagEdit = std::function<std::optional<TagContent>(const std::optional<StoredManifest>&)>;

/// Changes manifests that several writers add to (fallback indexes, cosign's tags). Registries
/// offer no "only if unchanged", so each change is looked at after it was written, and once more a
/// little later, and made again where another writer lost it. Writers in this process wait for each
/// other. One thread at a time.
class TagEditor {
 public:
  explicit TagEditor(Client& client) : client_(client) {}

  /// Makes the change and sees it; returns what the tag names then. `edit` is kept for confirm().
  /// Error(unavailable) when others win again and again.
  std::optional<Digest> edit(const Reference& tag, TagEdit edit, const std::stop_token& stop);
  /// The second look at all that was changed, once another writer who read before us must have
  /// written: it is as far from the registry as we are, so it needs about the time that we did.
  void confirm(const std::stop_token& stop);

 private:
  struct Edited {
    Reference tag;
    TagEdit edit;
  };
  struct Applied {
    std::optional<Digest> names;
    bool written = false;
  };
  Applied apply(const Edited& edited, const std::stop_token& stop);

  Client& client_;
  std::chrono::milliseconds settle_{10};  ///< grows with the time that a change takes here
  std::vector<Edited> edited_;
  std::chrono::steady_clock::time_point last_write_;
};

/// Puts manifests that refer to `subject`, whose blobs are there, and makes them findable: where
/// the registry has no referrers API, the fallback tag lists them with their artifact type and
/// annotations. Returns their digests.
std::vector<Digest> put_referrers(Client& client, const Reference& repository,
                                  const Digest& subject, const std::vector<TagContent>& manifests,
                                  TagEditor& editor, const std::stop_token& stop);

}  // namespace lighterman::registry
