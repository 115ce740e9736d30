#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "core/reference.hpp"
#include "registry/beside.hpp"
#include "registry/client.hpp"

namespace lighterman::registry {

class Throttle;

/// Layers that the licence of their owner keeps out of other people's registries (image-spec,
/// "Non-Distributable Layers").
bool is_foreign(const Descriptor& layer);

struct CopyOptions {
  /// Of an index only these, such as "linux/amd64" or "linux/arm/v7"; empty: all. The index that
  /// lists fewer has another digest, so what refers to the whole one stays behind.
  std::vector<std::string> platforms;
  bool referrers = true;     ///< signatures, SBOMs and all else that refers to a copied manifest
  Beside* beside = nullptr;  ///< of the source, for whoever copies several images out of it
  Throttle* throttle = nullptr;  ///< beside the registry's own limit; null: none
  /// It is known that no tag that is asked for names this image over there.
  bool tags_differ = false;
};

/// How far a copy has come. Bytes are those of blobs, each counted once.
struct CopyTally {
  std::uint64_t total = 0;    ///< of all that belongs to the image
  std::uint64_t present = 0;  ///< the other side had it
  std::uint64_t mounted = 0;  ///< out of another repository over there
  std::uint64_t sent = 0;     ///< acknowledged
  unsigned blobs = 0, manifests = 0, referrers = 0;
};
/// Called from several threads, never from two at a time.
using CopyNews = std::function<void(const CopyTally& tally)>;

struct CopyOutcome {
  Digest digest;  ///< what the tags name over there
  CopyTally tally;
  std::vector<std::string> moved;  ///< tags that named something else or nothing before
  std::vector<std::string> notes;  ///< what was left out, and why
  std::set<Digest> arrived = {};   ///< blobs that were not there before
};

/// Carries an image from one registry to another, streaming: blobs that are missing there, then
/// the manifests by digest, then what refers to them, and the tags last. Whatever arrived before a
/// failure is found there by the next call. What cosign keeps under tags of its own counts as
/// referring too. Throws Error(not_found) when there is no such image or platform.
CopyOutcome copy(Client& from, const Reference& source, Client& to, const Reference& repository,
                 const std::vector<std::string>& tags, const CopyOptions& options,
                 const CopyNews& news, const std::stop_token& stop);

/// Calls `act` for each number below `count`, on so many threads at most. After a failure no
/// further one is begun, and the failure is thrown.
void at_once(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& act,
             const std::stop_token& stop);

}  // namespace lighterman::registry
