#include "registry/warm.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/manifest.hpp"
#include "core/text.hpp"
#include "net/retry.hpp"
#include "os/hash.hpp"
#include "registry/access.hpp"
#include "registry/copy.hpp"

namespace lighterman::registry {
namespace {

constexpr int tries = 3;
constexpr std::size_t most_manifests = 200;
constexpr std::uint64_t largest_manifest = 16 << 20;

/// Whether an answer came out of a cache; empty: it does not say. X-Cache is everybody's (Squid,
/// Varnish, CloudFront), CF-Cache-Status Cloudflare's, Age the standard's (RFC 9111, section 5.1).
std::optional<bool> was_hit(const net::Headers& headers) {
  for (const std::string_view name : {"X-Cache", "X-Cache-Status", "CF-Cache-Status"})
    if (const auto said = headers.find(name)) return lower(*said).find("hit") != std::string::npos;
  if (const auto age = headers.find("Age")) return trim(*age) != "0";
  return {};
}

class Reading {
 public:
  Reading(Options mirror, const std::string& prefix, const Reference& image,
          const std::optional<std::set<Digest>>& fresh, const std::stop_token& stop)
      : options_(std::move(mirror)),
        access_(options_, http_),
        name_(concat(trimmed(prefix), image.repository())),
        fresh_(fresh),
        stop_(stop) {
    options_.retry.attempts = tries;
  }

  void read_image(const Digest& digest) {
    if (++manifests_ > most_manifests)
      throw Error(ErrorKind::invalid,
                  concat(name_, ": an index of more than ", most_manifests, " images"));
    const std::string bytes = read_manifest(digest.text()).body;
    if (os::sha256(bytes) != digest) wrong_bytes(digest);
    const boost::json::value value = parse_json(bytes, "the manifest");
    const Fields fields(value, "the manifest");
    if (fields.find("manifests") != nullptr) {
      for (const auto& entry : fields.list("manifests")) read_image(descriptor_from(entry).digest);
      return;
    }
    const Manifest manifest = Manifest::parse(bytes);
    read_blob(manifest.config());
    for (const Descriptor& layer : manifest.layers())
      if (!is_foreign(layer)) read_blob(layer);
  }

  void read_tag(const std::string& tag, const Digest& digest) {
    if (os::sha256(read_manifest(tag).body) != digest) result.stale.push_back(tag);
  }

  Warmed result;

 private:
  static std::string trimmed(const std::string& prefix) {
    std::string name(prefix);
    while (name.starts_with('/')) name.erase(0, 1);
    return name.empty() || name.ends_with('/') ? name : name + '/';
  }
  [[noreturn]] void wrong_bytes(const Digest& digest) const {
    throw Error(ErrorKind::invalid, concat("registry ", options_.host, ": ", name_,
                                           " has other bytes there than ", digest, " says"));
  }
  std::string url(std::string_view kind, const std::string& which) {
    return concat(access_.base(stop_), "/v2/", name_, '/', kind, '/', which);
  }
  net::Response read_manifest(const std::string& which) {
    return net::retried(options_.retry, stop_, [&] {
      net::Request request;
      request.url = url("manifests", which);
      request.headers.add("Accept", concat(media::oci_manifest, ", ", media::oci_index, ", ",
                                           media::docker_manifest, ", ", media::docker_index));
      request.follow_redirects = true;
      request.body_limit = largest_manifest;
      net::Response answer = access_.perform(std::move(request), pull_scope(name_), stop_);
      if (answer.status != 200) not_there(answer, which);
      return answer;
    });
  }
  /// A mirror that does not have it yet may have it in a moment.
  void not_there(const net::Response& answer, const std::string& which) const {
    const std::string doing = concat("reading ", which, " of ", name_);
    if (answer.status == 404)
      throw Error(ErrorKind::unavailable, concat("registry ", options_.host, ": ", doing, ": 404"));
    refuse(options_, answer, doing, concat("pull from ", name_));
  }
  void read_blob(const Descriptor& blob) {
    if (fresh_ && !fresh_->contains(blob.digest)) return;
    if (!seen_.insert(blob.digest).second) return;
    net::retried(options_.retry, stop_, [&] {
      net::Request request;
      request.url = url("blobs", blob.digest.text());
      request.follow_redirects = true;
      access_.prepare(request, pull_scope(name_), stop_);
      os::Sha256 hash;
      std::uint64_t count = 0;
      const net::Response answer = http_.stream(
          request,
          [&](std::string_view bytes) {
            hash.update(bytes);
            count += bytes.size();
          },
          {}, stop_);
      if (answer.status != 200) not_there(answer, blob.digest.text());
      if (hash.finish() != blob.digest) wrong_bytes(blob.digest);
      const auto hit = was_hit(answer.headers);
      result.tells = result.tells || hit;
      result.hits += hit == true ? 1 : 0;
      result.bytes += count;
      ++result.blobs;
    });
  }

  Options options_;
  net::Client http_;
  Access access_;
  const std::string name_;
  const std::optional<std::set<Digest>>& fresh_;
  const std::stop_token& stop_;
  std::set<Digest> seen_;
  std::size_t manifests_ = 0;
};

}  // namespace

std::string Warmed::text(const std::string& mirror) const {
  std::string text = concat("mirror ", mirror, " has it: ", blobs, blobs == 1 ? " blob" : " blobs",
                            ", ", render_size(bytes));
  if (tells) text += concat(", ", hits, " out of its cache");
  if (!stale.empty()) text += concat("; it still has others under ", join(stale, ", "));
  return text;
}

Warmed warm(Options mirror, const std::string& prefix, const Reference& image,
            const std::vector<std::string>& tags, const std::optional<std::set<Digest>>& fresh,
            const std::stop_token& stop) {
  Reading reading(std::move(mirror), prefix, image, fresh, stop);
  reading.read_image(*image.digest());
  for (const std::string& tag : tags) reading.read_tag(tag, *image.digest());
  return std::move(reading.result);
}

}  // namespace lighterman::registry
