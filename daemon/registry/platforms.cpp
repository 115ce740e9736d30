#include "registry/platforms.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/manifest.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::registry {
namespace json = boost::json;
namespace {

/// "linux/arm/v7" of an entry of an index; empty where it has no platform.
std::string platform_of(const json::value& entry) {
  const auto* platform = Fields(entry, "entry of the index").find("platform");
  if (platform == nullptr || !platform->is_object()) return {};
  const Fields fields(*platform, "platform");
  const std::string variant = fields.text_or("variant", "");
  return concat(fields.text_or("os", ""), '/', fields.text_or("architecture", ""),
                variant.empty() ? "" : "/", variant);
}

/// "linux/arm64" is also what calls itself "linux/arm64/v8".
bool fits_platform(const std::string& wanted, const std::string& given) {
  return given == wanted || given.starts_with(wanted + '/');
}

/// The image that a build attestation inside an index belongs to.
std::string attested_by(const json::value& entry) {
  const auto annotations = Fields(entry, "entry of the index").text_map("annotations");
  const auto found = annotations.find("vnd.docker.reference.digest");
  return found == annotations.end() ? std::string() : found->second;
}

}  // namespace

bool is_index(const std::string& media_type) {
  return media_type == media::oci_index || media_type == media::docker_index;
}

StoredManifest with_platforms(const StoredManifest& index, const std::vector<std::string>& wanted) {
  const json::value whole = parse_json(index.bytes, "the index");
  const Fields index_fields(whole, "the index");  // which it is not where it is no object
  json::object document = whole.as_object();
  std::set<std::string> kept, offered;
  json::array entries;
  for (const json::value& entry : index_fields.list("manifests")) {
    const std::string platform = platform_of(entry);
    const bool fits = std::ranges::any_of(
        wanted, [&](const std::string& each) { return fits_platform(each, platform); });
    if (fits) kept.insert(Fields(entry, "entry").text("digest"));
    if (attested_by(entry).empty()) offered.insert(platform);
    if (fits || kept.contains(attested_by(entry))) entries.push_back(entry);
  }
  if (kept.empty()) {
    throw Error(ErrorKind::not_found,
                concat("the image is not there for ", join(wanted, ", "), "; it is for ",
                       join(std::vector<std::string>(offered.begin(), offered.end()), ", ")));
  }
  document["manifests"] = std::move(entries);
  std::string bytes = json::serialize(document);
  const Digest digest = os::sha256(bytes);
  return {index.media_type, std::move(bytes), digest};
}

}  // namespace lighterman::registry
