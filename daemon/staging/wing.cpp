#include "staging/wing.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "store/store.hpp"

namespace lighterman::staging {

Wing::Wing(Layout& layout, store::Store& store, std::string repository, std::string tag,
           std::vector<Upstream> upstreams, BlobNews news)
    : layout_(layout),
      store_(store),
      repository_(std::move(repository)),
      tag_(std::move(tag)),
      user_(concat("run-", os::random_id())),
      password_(Secret(os::random_id())),
      upstreams_(std::move(upstreams)),
      news_(std::move(news)) {}

Wing::~Wing() {
  for (const auto& [blob, size] : pinned_) layout_.unpin(blob);
}

bool Wing::holds(const Digest& blob) {
  const std::lock_guard lock(mutex_);
  if (pinned_.contains(blob)) return true;
  const auto size = layout_.pin(blob);
  if (size) pinned_.emplace(blob, *size);
  return size.has_value();
}

std::optional<std::uint64_t> Wing::find(const Digest& blob, const std::stop_token& stop) {
  if (holds(blob)) {
    const std::lock_guard lock(mutex_);
    return pinned_.at(blob);
  }
  for (const Upstream& upstream : upstreams_) {
    std::optional<std::uint64_t> size;
    try {
      size = upstream.client->find_blob(upstream.repository, blob, stop);
    } catch (const Error& error) {
      // Not confirmed is not there: the engine sends it, and publishing tells what is wrong.
      if (error.kind() == ErrorKind::cancelled) throw;
    }
    if (!size) continue;
    const std::lock_guard lock(mutex_);
    confirmed_[blob] = &upstream;
    return size;
  }
  return {};
}

std::optional<std::uint64_t> Wing::announce(const Digest& blob, const std::stop_token& stop) {
  const auto size = find(blob, stop);
  if (size) tell(blob, *size, holds(blob));
  return size;
}

void Wing::received(const Digest& blob, std::uint64_t size) {
  {
    const std::lock_guard lock(mutex_);
    if (!pinned_.emplace(blob, size).second) layout_.unpin(blob);  // one pin of ours is enough
  }
  tell(blob, size, true);
}

void Wing::tell(const Digest& blob, std::uint64_t size, bool held) {
  {
    const std::lock_guard lock(mutex_);
    if (!told_.insert(blob).second) return;
  }
  if (news_) news_({"application/octet-stream", blob, size}, held);
}

Pull Wing::open(const Digest& blob, std::uint64_t offset, const std::stop_token& stop) {
  if (!find(blob, stop)) {
    throw Error(ErrorKind::not_found,
                concat("blob ", blob.text(), " is neither in staging nor in a target registry"));
  }
  if (holds(blob)) return layout_.open(blob, offset);
  const Upstream* upstream = [&] {
    const std::lock_guard lock(mutex_);
    return confirmed_.at(blob);
  }();
  return upstream->client->open_blob(upstream->repository, blob, offset, stop);
}

std::string Wing::read(const Digest& blob, std::uint64_t limit, const std::stop_token& stop) {
  const Pull in = open(blob, 0, stop);
  std::string bytes, part(64 << 10, '\0');
  while (const std::size_t got = in(part.data(), part.size())) {
    if (bytes.size() + got > limit)
      throw Error(ErrorKind::invalid,
                  concat("blob ", blob.text(), " is larger than ", render_size(limit)));
    bytes.append(part, 0, got);
  }
  return bytes;
}

Digest Wing::put_manifest(const std::string& reference, const Manifest& manifest,
                          const std::stop_token& stop) {
  std::vector<Descriptor> parts = manifest.layers();
  parts.push_back(manifest.config());
  for (const Descriptor& part : parts) {
    if (!find(part.digest, stop))
      throw Error(ErrorKind::not_found, concat("blob ", part.digest.text(), " is missing"));
  }
  const Digest digest = layout_.keep(manifest.bytes());
  const std::lock_guard lock(mutex_);
  if (!pinned_.emplace(digest, manifest.bytes().size()).second) layout_.unpin(digest);
  if (is_tag(reference)) manifests_.insert_or_assign(reference, digest);
  return digest;
}

std::optional<Digest> Wing::find_manifest(const std::string& reference) {
  if (is_tag(reference)) {
    const std::lock_guard lock(mutex_);
    const auto found = manifests_.find(reference);
    return found == manifests_.end() ? std::nullopt : std::optional(found->second);
  }
  const Digest digest = Digest::parse(reference);
  return holds(digest) ? std::optional(digest) : std::nullopt;
}

std::string Wing::manifest_bytes(const Digest& digest) {
  if (!holds(digest))
    throw Error(ErrorKind::not_found, concat("manifest ", digest.text(), " is not in staging"));
  return layout_.read(digest, manifest_limit);
}

StagedImage describe(Wing& wing, const Digest& digest, const std::stop_token& stop) {
  const Manifest manifest = Manifest::parse(wing.manifest_bytes(digest));
  const ImageConfig config =
      ImageConfig::parse(wing.read(manifest.config().digest, config_limit, stop));
  if (config.diff_ids.size() != manifest.layers().size()) {
    throw Error(ErrorKind::invalid,
                concat("the staged image has ", manifest.layers().size(),
                       " layers, and its config speaks of ", config.diff_ids.size()));
  }
  StagedImage image(digest, manifest.config());
  image.media_type = manifest.media_type();
  image.image_id = manifest.config().digest.text();
  image.repository = wing.repository();
  for (std::size_t i = 0; i < manifest.layers().size(); ++i) {
    const Descriptor& blob = manifest.layers()[i];
    image.layers.push_back(
        {blob, config.diff_ids[i], config.instruction_of(i), wing.holds(blob.digest)});
  }
  return image;
}

}  // namespace lighterman::staging
