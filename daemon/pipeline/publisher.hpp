#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/build_plan.hpp"
#include "core/image.hpp"
#include "pipeline/forward.hpp"
#include "pipeline/journal.hpp"
#include "registry/client.hpp"

namespace lighterman::pipeline {

/// A repository to publish to and the client of its registry, which outlives the publisher.
struct Destination {
  registry::Client* client = nullptr;
  Reference repository;
};

/// Carries one image's blobs to its destinations, several at a time. A blob may be offered as soon
/// as it is staged, while the engine still sends the others. offer(): any thread; the rest: one.
class Publisher {
 public:
  using Open = std::function<registry::BlobSource(const Descriptor&)>;

  Publisher(std::vector<Destination> destinations, Open open, const StageLog& log);
  ~Publisher();  ///< stops what still travels
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  const std::vector<Destination>& destinations() const noexcept { return destinations_; }
  /// Starts carrying the blob to every destination that does not have it for certain.
  void offer(const Descriptor& blob, bool held);
  /// Blobs, config and manifest by digest: complete, and not yet under any tag.
  PublishedImage bring(const StagedImage& image, const std::string& manifest,
                       const Destination& destination, const std::stop_token& stop);

 private:
  using Key = std::pair<std::string, Digest>;  ///< repository's name, blob
  std::shared_future<LayerOutcome> carry(const Descriptor& blob, const Destination& destination);
  LayerOutcome await(const Descriptor& blob, const Destination& destination,
                     const std::stop_token& stop);
  void work(const std::stop_token& stop);

  std::vector<Destination> destinations_;
  Open open_;
  StageLog log_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable_any more_;
  std::deque<std::packaged_task<LayerOutcome()>> waiting_;
  std::map<Key, std::shared_future<LayerOutcome>> carried_;
  std::vector<std::jthread> threads_;
};

/// Points the planned tags to the published image: fixed ones always, moving ones only forward.
/// A tag that points there already is not written. Daemon-wide one caller at a time per reference.
void set_tags(PublishedImage& image, const std::vector<TagPlan>& tags,
              const std::string& media_type, const std::string& manifest, const TagClaim& claim,
              const Ancestry& is_ancestor, registry::Client& client, store::Store& store,
              const std::stop_token& stop);

}  // namespace lighterman::pipeline
