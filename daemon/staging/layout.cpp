#include "staging/layout.hpp"

#include <algorithm>
#include <vector>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::staging {
namespace fs = std::filesystem;

Incoming::Incoming(const fs::path& path) : file_(os::File::create(path)) {}

Incoming::~Incoming() {
  std::error_code gone;  // kept ones have been renamed
  fs::remove(file_.path(), gone);
}

void Incoming::write(std::string_view bytes) {
  file_.write_at(size_, bytes);
  hash_.update(bytes);
  size_ += bytes.size();
}

Digest Incoming::finish() {
  file_.sync();
  return hash_.finish();
}

Layout::Layout(fs::path folder, std::uint64_t limit) : folder_(std::move(folder)), limit_(limit) {
  // What was on its way when we died has no owner any more.
  fs::remove_all(folder_ / "incoming");
  fs::create_directories(folder_ / "incoming");
  fs::create_directories(folder_ / "blobs" / "sha256");
  os::replace_file(folder_ / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  if (!fs::exists(folder_ / "index.json")) {
    os::replace_file(folder_ / "index.json", R"({"schemaVersion":2,"manifests":[]})");
  }
  load();
}

void Layout::load() {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_ / "blobs" / "sha256")) {
    if (!entry.is_regular_file()) continue;
    const auto digest = [&]() -> std::optional<Digest> {
      try {
        return Digest::parse(concat("sha256:", entry.path().filename().string()));
      } catch (const Error&) {
        return {};  // not ours: left alone
      }
    }();
    if (!digest) continue;
    const Blob blob{entry.file_size(), 0, entry.last_write_time()};
    held_ += blob.size;
    blobs_.emplace(*digest, blob);
  }
  make_room();
}

fs::path Layout::path_of(const Digest& blob) const {
  return folder_ / "blobs" / "sha256" / blob.hex();
}

std::unique_ptr<Incoming> Layout::receive() {
  return std::make_unique<Incoming>(folder_ / "incoming" / os::random_id());
}

Digest Layout::keep(Incoming& incoming, const std::optional<Digest>& expected) {
  const Digest digest = incoming.finish();
  if (expected && digest != *expected) {
    throw Error(ErrorKind::invalid, concat("the blob's bytes have the digest ", digest.text(),
                                           ", not ", expected->text()));
  }
  const std::lock_guard lock(mutex_);
  if (const auto known = blobs_.find(digest); known != blobs_.end()) {
    ++known->second.pins;
    touch(digest, known->second);
    return digest;
  }
  fs::rename(incoming.path(), path_of(digest));
  os::sync_folder(path_of(digest).parent_path());
  blobs_.emplace(digest, Blob{incoming.size(), 1, fs::file_time_type::clock::now()});
  held_ += incoming.size();
  make_room();
  return digest;
}

Digest Layout::keep(std::string_view bytes) {
  const auto incoming = receive();
  incoming->write(bytes);
  return keep(*incoming, std::nullopt);
}

std::optional<std::uint64_t> Layout::pin(const Digest& digest) {
  const std::lock_guard lock(mutex_);
  const auto found = blobs_.find(digest);
  if (found == blobs_.end()) return {};
  ++found->second.pins;
  touch(digest, found->second);
  return found->second.size;
}

void Layout::unpin(const Digest& digest) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = blobs_.find(digest);
  if (found != blobs_.end() && found->second.pins > 0) --found->second.pins;
  make_room();
}

bool Layout::holds(const Digest& blob) const {
  const std::lock_guard lock(mutex_);
  return blobs_.contains(blob);
}

Pull Layout::open(const Digest& blob, std::uint64_t offset) const {
  return os::reader(path_of(blob), offset);
}

std::string Layout::read(const Digest& blob, std::uint64_t limit) const {
  return os::read_file(path_of(blob), limit);
}

std::uint64_t Layout::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

void Layout::touch(const Digest& digest, Blob& blob) noexcept {
  blob.used = fs::file_time_type::clock::now();
  std::error_code unimportant;  // the order of eviction after a restart
  fs::last_write_time(path_of(digest), blob.used, unimportant);
}

void Layout::make_room() noexcept {
  while (held_ > limit_) {
    auto oldest = blobs_.end();
    for (auto blob = blobs_.begin(); blob != blobs_.end(); ++blob) {
      if (blob->second.pins > 0) continue;
      if (oldest == blobs_.end() || blob->second.used < oldest->second.used) oldest = blob;
    }
    if (oldest == blobs_.end()) return;  // all of it is needed now
    std::error_code error;
    fs::remove(path_of(oldest->first), error);
    held_ -= oldest->second.size;
    blobs_.erase(oldest);
  }
}

}  // namespace lighterman::staging
