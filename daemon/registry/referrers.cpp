#include "registry/referrers.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <condition_variable>
#include <mutex>
#include <random>

#include "core/error.hpp"
#include "core/image.hpp"
#include "core/json.hpp"
#include "net/retry.hpp"
#include "os/hash.hpp"
#include "registry/access.hpp"
#include "registry/profile.hpp"

namespace lighterman::registry {
namespace json = boost::json;
namespace {

constexpr std::size_t most_referrers = 1000;
constexpr int most_attempts = 8;
constexpr std::chrono::milliseconds longest_settle{1000};

Referrer referrer_from(const json::value& entry) {
  const Fields fields(entry, "referrer");
  return {descriptor_from(entry), fields.text_or("artifactType", ""),
          fields.text_map("annotations")};
}

/// The entries of an index, as they stand there: others may have written more into them than we
/// understand.
json::array entries_of(const std::string& index) {
  const json::value value = parse_json(index, "list of referrers");
  const auto entries = Fields(value, "list of referrers").list("manifests");
  json::array copy;
  for (const json::value& entry : entries) copy.push_back(entry);
  return copy;
}

bool lists(const json::array& entries, const Digest& digest) {
  return std::ranges::any_of(entries, [&](const json::value& entry) {
    return Fields(entry, "referrer").text_or("digest", "") == digest.text();
  });
}

/// What an index says of a manifest (image-spec 1.1, "Image Index"; distribution-spec, "Referrers
/// Tag Schema").
json::object entry_of(const TagContent& manifest) {
  const json::value value = parse_json(manifest.bytes, "manifest");
  const Fields fields(value, "manifest");
  std::string type = fields.text_or("artifactType", "");
  if (type.empty()) type = Fields(fields.get("config"), "manifest.config").text("mediaType");
  json::object entry =
      lighterman::to_json(
          Descriptor{manifest.media_type, os::sha256(manifest.bytes), manifest.bytes.size()})
          .as_object();
  entry["artifactType"] = type;
  const auto annotations = fields.text_map("annotations");
  if (!annotations.empty()) entry["annotations"] = json_object(annotations);
  return entry;
}

std::optional<TagContent> with_entries(const std::optional<StoredManifest>& current,
                                       const std::vector<TagContent>& manifests,
                                       const Reference& tag) {
  json::object index{
      {"schemaVersion", 2}, {"mediaType", media::oci_index}, {"manifests", json::array()}};
  if (current) {
    if (current->media_type != media::oci_index)
      throw Error(ErrorKind::conflict,
                  concat(tag.text(), " is not the list of referrers that it should be (",
                         current->media_type, "): delete the tag, or move it away"));
    index = parse_json(current->bytes, "list of referrers").as_object();
    index["manifests"] = entries_of(current->bytes);
  }
  json::array& entries = index["manifests"].as_array();
  const std::size_t before = entries.size();
  for (const TagContent& manifest : manifests)
    if (!lists(entries, os::sha256(manifest.bytes))) entries.push_back(entry_of(manifest));
  if (entries.size() == before) return {};
  if (entries.size() > most_referrers)
    throw Error(ErrorKind::conflict, concat(tag.text(), " lists more than ", most_referrers,
                                            " referrers: delete the ones nobody needs"));
  return TagContent{std::string(media::oci_index), json::serialize(index)};
}

/// One writer at a time per tag in this process.
class TagTurn {
 public:
  TagTurn(const Reference& tag, const std::stop_token& stop) : name_(tag.text()) {
    std::unique_lock lock(mutex);
    if (!left.wait(lock, stop, [&] { return !taken.contains(name_); }))
      throw Error(ErrorKind::cancelled, concat("stopped while another wrote ", name_));
    taken.insert(name_);
  }
  ~TagTurn() {
    {
      const std::lock_guard lock(mutex);
      taken.erase(name_);
    }
    left.notify_all();
  }
  TagTurn(const TagTurn&) = delete;
  TagTurn& operator=(const TagTurn&) = delete;

 private:
  // Of the process, because its clients do not know each other.
  static inline std::mutex mutex;
  static inline std::condition_variable_any left;
  static inline std::set<std::string> taken;
  std::string name_;
};

/// Two writers who retry in step would go on losing each other's change.
std::chrono::milliseconds uneven_pause(std::chrono::milliseconds settle) {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::chrono::milliseconds(
      std::uniform_int_distribution<std::int64_t>(0, settle.count())(random));
}

}  // namespace

Reference fallback_of(const Reference& repository, const Digest& subject) {
  return repository.with_tag(concat("sha256-", subject.hex()));
}

std::optional<std::vector<Referrer>> ask_for_referrers(Client& client, const Reference& repository,
                                                       const Digest& subject,
                                                       const std::string& artifact_type,
                                                       const std::stop_token& stop) {
  std::optional<std::vector<Referrer>> found;
  bool repository_is_there = true;
  std::string path = concat("/referrers/", subject.text());
  if (!artifact_type.empty()) path += concat("?artifactType=", render_url_part(artifact_type));
  const auto add = [&](const net::Response& answer) {
    // Registries without it say so in several ways, and some answer with their home page.
    const std::string type = answer.headers.find("Content-Type").value_or("");
    if (answer.status == 200 && !type.starts_with(media::oci_index)) return false;
    repository_is_there = answer.body.find("NAME_UNKNOWN") == std::string::npos;
    if (answer.status == 400 || answer.status == 404 || answer.status == 405 ||
        answer.status == 406)
      return false;
    if (answer.status != 200)
      refuse(client.options(), answer, concat("listing what refers to ", subject.brief()),
             concat("pull from ", repository.repository()));
    if (!found) found.emplace();
    for (const json::value& entry : entries_of(answer.body)) found->push_back(referrer_from(entry));
    return found->size() < most_referrers;
  };
  client.read_pages(repository, path, add, stop);
  if (found || repository_is_there) client.note(Trait::referrers, found.has_value());
  return found;
}

std::vector<Referrer> listed_by(const StoredManifest& fallback) {
  std::vector<Referrer> found;
  if (fallback.media_type != media::oci_index) return found;
  for (const json::value& entry : entries_of(fallback.bytes)) found.push_back(referrer_from(entry));
  return found;
}

std::vector<Referrer> find_referrers(Client& client, const Reference& repository,
                                     const Digest& subject, const std::string& artifact_type,
                                     const std::stop_token& stop) {
  auto found = ask_for_referrers(client, repository, subject, artifact_type, stop);
  if (!found) {
    const auto index = client.find_manifest(fallback_of(repository, subject), stop);
    found = index ? listed_by(*index) : std::vector<Referrer>();
  }
  // A registry need not know the filter, and of a fallback tag nobody filters.
  if (!artifact_type.empty())
    std::erase_if(*found,
                  [&](const Referrer& each) { return each.artifact_type != artifact_type; });
  if (found->size() > most_referrers) found->erase(found->begin() + most_referrers, found->end());
  return *std::move(found);
}

std::optional<Digest> TagEditor::edit(const Reference& tag, TagEdit edit,
                                      const std::stop_token& stop) {
  Edited edited{tag, std::move(edit)};
  Applied applied = apply(edited, stop);
  if (applied.written) edited_.push_back(std::move(edited));
  return std::move(applied.names);
}

/// Until it is as wanted.
TagEditor::Applied TagEditor::apply(const Edited& edited, const std::stop_token& stop) {
  const TagTurn turn(edited.tag, stop);
  for (int attempt = 0;; ++attempt) {
    const auto begun = std::chrono::steady_clock::now();
    const std::optional<StoredManifest> current = client_.find_manifest(
        edited.tag, stop, attempt == 0 ? Client::For::push : Client::For::pull);
    const std::optional<TagContent> wanted = edited.edit(current);
    if (!wanted) return {current ? std::optional(current->digest) : std::nullopt, attempt > 0};
    if (attempt == most_attempts)
      throw Error(ErrorKind::unavailable,
                  concat("others write ", edited.tag.text(), " at the same time, again and again"));
    if (attempt > 0) net::pause(uneven_pause(settle_), stop);
    client_.put_manifest(edited.tag, wanted->media_type, wanted->bytes, stop);
    last_write_ = std::chrono::steady_clock::now();
    const auto took = std::chrono::ceil<std::chrono::milliseconds>(last_write_ - begun);
    settle_ = std::clamp(2 * took, settle_, longest_settle);
  }
}

void TagEditor::confirm(const std::stop_token& stop) {
  for (int attempt = 0; !edited_.empty(); ++attempt) {
    if (attempt == most_attempts)
      throw Error(ErrorKind::unavailable, concat("others write ", edited_.front().tag.text(),
                                                 " at the same time, again and again"));
    const auto settled = std::chrono::duration_cast<std::chrono::milliseconds>(
        last_write_ + settle_ - std::chrono::steady_clock::now());
    if (settled.count() > 0) net::pause(settled, stop);
    std::erase_if(edited_, [&](const Edited& edited) { return !apply(edited, stop).written; });
  }
}

std::vector<Digest> put_referrers(Client& client, const Reference& repository,
                                  const Digest& subject, const std::vector<TagContent>& manifests,
                                  TagEditor& editor, const std::stop_token& stop) {
  std::vector<Digest> digests;
  digests.reserve(manifests.size());
  for (const TagContent& manifest : manifests)
    digests.push_back(client.put_manifest(repository.at(os::sha256(manifest.bytes)),
                                          manifest.media_type, manifest.bytes, stop));
  if (manifests.empty() || ask_for_referrers(client, repository, subject, "", stop)) return digests;
  const Reference tag = fallback_of(repository, subject);
  editor.edit(
      tag, [manifests, tag](const auto& current) { return with_entries(current, manifests, tag); },
      stop);
  return digests;
}

}  // namespace lighterman::registry
