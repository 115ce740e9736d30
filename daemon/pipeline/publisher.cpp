#include "pipeline/publisher.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"
#include "metrics/meters.hpp"

namespace lighterman::pipeline {
namespace {

constexpr unsigned most_threads = 16;

/// Looking at a tag and writing it must not be torn apart by another run.
std::mutex& tag_turn() {
  static std::mutex turn;
  return turn;
}

TagOutcome set_tag(const Reference& tag, const TagPlan& plan, const Digest& digest,
                   const std::string& media_type, const std::string& manifest, TagClaim claim,
                   const Ancestry& is_ancestor, registry::Client& client, store::Store& store,
                   const std::stop_token& stop) {
  const std::lock_guard turn(tag_turn());
  claim.version = plan.version;
  const std::optional<Digest> current = client.find_tag(tag, stop);
  std::optional<store::TagRecord> holder = store.find_tag(tag);
  // What we remember counts only as long as nobody else has moved the tag.
  if (plan.moving && current && (!holder || holder->digest != *current)) {
    holder = holder_by_labels(client, tag, stop);
  }
  if (plan.moving && current && holder) {
    if (const auto why = why_held_back(claim, *holder, is_ancestor)) {
      return {plan.tag, TagOutcome::Fate::held_back, *why};
    }
  }
  const store::TagRecord ours{claim.commit, claim.ref, digest, claim.run, claim.version};
  if (current == digest) {
    store.put_tag(tag, ours);
    return {plan.tag, TagOutcome::Fate::unchanged, "it points there already"};
  }
  client.put_manifest(tag, media_type, manifest, stop);
  store.put_tag(tag, ours);
  if (!current) return {plan.tag, TagOutcome::Fate::created, ""};
  return {plan.tag, TagOutcome::Fate::moved, concat("from ", current->brief())};
}

}  // namespace

Publisher::Publisher(std::vector<Destination> destinations, Open open, const StageLog& log)
    : destinations_(std::move(destinations)), open_(std::move(open)), log_(log) {
  unsigned threads = 0;
  for (const Destination& destination : destinations_)
    threads += destination.client->options().uploads;
  for (unsigned i = 0; i < std::min(threads, most_threads); ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

Publisher::~Publisher() {
  stop_.request_stop();
  for (std::jthread& thread : threads_) thread.request_stop();
}

void Publisher::offer(const Descriptor& blob, bool held) {
  // A blob that staging does not hold is confirmed by a destination: with one destination there is
  // nothing to do, with several the others get it from that one.
  if (!held && destinations_.size() == 1) return;
  for (const Destination& destination : destinations_) carry(blob, destination);
}

std::shared_future<LayerOutcome> Publisher::carry(const Descriptor& blob,
                                                  const Destination& destination) {
  std::packaged_task<LayerOutcome()> task([this, blob, &destination] {
    const auto news = [&](const Digest& digest, std::uint64_t sent, std::uint64_t total) {
      log_.progress(digest.brief(), concat("sending to ", destination.repository.host()), sent,
                    total);
    };
    LayerOutcome outcome =
        destination.client->bring(open_(blob), destination.repository, news, stop_.get_token());
    metrics::blob_arrived(destination.repository.host(), render(outcome.fate),
                          outcome.fate == LayerFate::sent ? 0 : blob.size);
    return outcome;
  });
  const std::lock_guard lock(mutex_);
  const Key key{destination.repository.name(), blob.digest};
  const auto known = carried_.find(key);
  if (known != carried_.end()) return known->second;
  std::shared_future<LayerOutcome> outcome = task.get_future().share();
  carried_.emplace(key, outcome);
  waiting_.push_back(std::move(task));
  more_.notify_one();
  return outcome;
}

void Publisher::work(const std::stop_token& stop) {
  while (true) {
    std::packaged_task<LayerOutcome()> task;
    {
      std::unique_lock lock(mutex_);
      if (!more_.wait(lock, stop, [&] { return !waiting_.empty(); })) return;
      task = std::move(waiting_.front());
      waiting_.pop_front();
    }
    task();
  }
}

LayerOutcome Publisher::await(const Descriptor& blob, const Destination& destination,
                              const std::stop_token& stop) {
  try {
    return carry(blob, destination).get();
  } catch (const Error&) {
    // Forgotten, so that the next attempt of this stage tries again.
    const std::lock_guard lock(mutex_);
    carried_.erase({destination.repository.name(), blob.digest});
    if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "stopped while layers travelled");
    throw;
  }
}

PublishedImage Publisher::bring(const StagedImage& image, const std::string& manifest,
                                const Destination& destination, const std::stop_token& stop) {
  const std::stop_callback pass_on(stop, [this] { stop_.request_stop(); });
  PublishedImage published{destination.repository.at(image.manifest), {}, {}};
  for (const StagedLayer& layer : image.layers) carry(layer.blob, destination);
  carry(image.config, destination);
  for (const StagedLayer& layer : image.layers) {
    during(concat("layer ", layer.blob.digest.brief()), [&] {
      LayerOutcome outcome = await(layer.blob, destination, stop);
      outcome.instruction = layer.instruction;
      if (outcome.fate == LayerFate::sent && !layer.instruction.empty()) {
        outcome.reason = concat("new: ", shortened(layer.instruction, 120));
      }
      published.layers.push_back(std::move(outcome));
    });
  }
  during("image configuration", [&] { await(image.config, destination, stop); });
  // The manifest goes last: it must never name a missing blob.
  destination.client->put_manifest(published.reference, image.media_type, manifest, stop);
  return published;
}

void set_tags(PublishedImage& image, const std::vector<TagPlan>& tags,
              const std::string& media_type, const std::string& manifest, const TagClaim& claim,
              const Ancestry& is_ancestor, registry::Client& client, store::Store& store,
              const std::stop_token& stop) {
  for (const TagPlan& plan : tags) {
    const Reference tag = image.reference.bare().with_tag(plan.tag);
    image.tags.push_back(during(concat("tag \"", plan.tag, '"'), [&] {
      return set_tag(tag, plan, *image.reference.digest(), media_type, manifest, claim, is_ancestor,
                     client, store, stop);
    }));
  }
}

}  // namespace lighterman::pipeline
