#include "registry/beside.hpp"

#include <array>

#include "core/error.hpp"
#include "core/text.hpp"
#include "registry/referrers.hpp"

namespace lighterman::registry {
namespace {

/// Where cosign 2 keeps what it says of a digest.
constexpr std::array cosign_suffixes{".sig", ".att", ".sbom"};

}  // namespace

Beside::Found Beside::find(const Digest& subject, const std::stop_token& stop) {
  Found found;
  const bool ask = [&] {
    const std::lock_guard lock(mutex_);
    return !without_api_;
  }();
  if (ask) {
    const auto listed = ask_for_referrers(client_, repository_, subject, "", stop);
    if (listed) {
      for (const Referrer& each : *listed) found.manifests.push_back(each.manifest.digest);
    } else {
      const std::lock_guard lock(mutex_);
      without_api_ = true;
    }
  }
  const std::string name = concat("sha256-", subject.hex());
  for (const char* suffix : cosign_suffixes)
    if (has_tag(name + suffix, stop)) found.tags.push_back(name + suffix);
  // With the API too: whoever wrote a fallback tag may have seen a registry without it.
  if (has_tag(name, stop)) {
    if (const auto index = client_.find_manifest(fallback_of(repository_, subject), stop))
      for (const Referrer& each : listed_by(*index))
        found.manifests.push_back(each.manifest.digest);
  }
  return found;
}

void Beside::list(const std::stop_token& stop) {
  const std::lock_guard lock(listing_);
  if (tags_) return;
  std::set<std::string> found;
  try {
    for (std::string& each : client_.tags(repository_, stop))
      if (each.starts_with("sha256-")) found.insert(std::move(each));
  } catch (const Error& error) {
    // Who may pull need not be allowed to list (ECR, ACR): then has_tag() asks for each.
    if (error.kind() != ErrorKind::denied) throw;
    lists_ = false;
  }
  tags_ = std::move(found);
}

bool Beside::has_tag(const std::string& tag, const std::stop_token& stop) {
  list(stop);
  if (!lists_) return client_.find_tag(repository_.with_tag(tag), stop).has_value();
  const std::lock_guard lock(listing_);
  return tags_->contains(tag);
}

}  // namespace lighterman::registry
