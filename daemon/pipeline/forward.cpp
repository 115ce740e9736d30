#include "pipeline/forward.hpp"

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/manifest.hpp"
#include "core/text.hpp"
#include "core/version.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::string_view tag_prefix = "refs/tags/";
constexpr std::size_t largest_config = 4 << 20;

/// Of a claim or a holder.
template <class Who>
std::optional<Version> version_of(const Who& who) {
  if (!who.version.empty()) return Version::parse(who.version);
  if (!who.ref.starts_with(tag_prefix)) return {};
  return Version::parse(std::string_view(who.ref).substr(tag_prefix.size()));
}

std::string label(const ImageConfig& config, const std::string& name) {
  const auto found = config.labels.find("org.opencontainers.image." + name);
  return found == config.labels.end() ? std::string() : found->second;
}

}  // namespace

std::optional<std::string> why_held_back(const TagClaim& claim, const store::TagRecord& holder,
                                         const Ancestry& is_ancestor) {
  const std::string theirs = shortened(holder.commit, 12);
  const auto our_version = version_of(claim), their_version = version_of(holder);
  if (our_version && their_version && *our_version != *their_version) {
    if (*our_version > *their_version) return {};
    return concat("it holds ", their_version->text(), ", which is newer than ",
                  our_version->text());
  }
  if (claim.commit == holder.commit) {
    if (holder.run <= claim.run) return {};
    return concat("run ", holder.run, " published the same commit later");
  }
  if (is_ancestor(holder.commit, claim.commit)) return {};
  if (is_ancestor(claim.commit, holder.commit)) {
    return concat("it holds the newer commit ", theirs);
  }
  if (holder.run <= claim.run) return {};
  return concat("it holds commit ", theirs, " of the later run ", holder.run);
}

namespace {

/// The first image of an index; empty: it is none.
std::optional<Digest> first_of_index(const std::string& bytes) {
  const boost::json::value value = parse_json(bytes, "the manifest");
  const Fields index(value, "index");
  if (!index.find("manifests")) return {};
  for (const boost::json::value& each : index.list("manifests")) {
    return Digest::parse(Fields(each, "index.manifests").text("digest"));
  }
  return {};
}

}  // namespace

std::optional<store::TagRecord> holder_by_labels(registry::Client& client, const Reference& tag,
                                                 const std::stop_token& stop) {
  const auto stored = client.find_manifest(tag, stop);
  if (!stored) return {};
  try {
    // The parts of an index are of one commit.
    const auto first = first_of_index(stored->bytes);
    const auto inner = first ? client.find_manifest(tag.at(*first), stop) : std::nullopt;
    if (first && !inner) return {};
    const Manifest manifest = Manifest::parse(first ? inner->bytes : stored->bytes);
    if (manifest.config().size > largest_config) return {};
    const Pull pull = client.open_blob(tag, manifest.config().digest, 0, stop);
    std::string bytes(manifest.config().size, '\0');
    std::size_t held = 0;
    while (held < bytes.size()) {
      const std::size_t got = pull(bytes.data() + held, bytes.size() - held);
      if (got == 0) return {};
      held += got;
    }
    const ImageConfig config = ImageConfig::parse(bytes);
    store::TagRecord record{label(config, "revision"), "", stored->digest, 0};
    if (record.commit.empty()) return {};
    if (const std::string version = label(config, "version"); Version::parse(version)) {
      record.version = version;
    }
    return record;
  } catch (const Error& error) {
    // An image that some other tool put there tells nothing of commits; that is no failure of ours.
    if (error.kind() == ErrorKind::invalid || error.kind() == ErrorKind::not_found) return {};
    throw;
  }
}

}  // namespace lighterman::pipeline
