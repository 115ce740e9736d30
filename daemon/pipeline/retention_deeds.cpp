// What a plan of retention deletes.
#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "pipeline/retention.hpp"
#include "pipeline/selection.hpp"
#include "registry/copy.hpp"
#include "registry/harbor.hpp"
#include "registry/product.hpp"
#include "registry/referrers.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::array cosign_suffixes{".sig", ".att", ".sbom"};
/// An SBOM refers to an image, its signature to the SBOM.
constexpr int deepest_reference = 3;

/// Signatures, SBOMs and lists of referrers of a manifest, and what refers to those.
void add_referrers(std::vector<Digest>& found, registry::Client& client, const Reference& image,
                   int depth, const std::stop_token& stop) {
  const Digest digest = *image.digest();
  for (const registry::Referrer& each : registry::find_referrers(client, image, digest, "", stop)) {
    if (std::ranges::find(found, each.manifest.digest) != found.end()) continue;
    found.push_back(each.manifest.digest);
    if (depth < deepest_reference)
      add_referrers(found, client, image.at(each.manifest.digest), depth + 1, stop);
  }
  std::vector<std::string> beside{concat("sha256-", digest.hex())};
  for (const char* suffix : cosign_suffixes) beside.push_back(beside.front() + suffix);
  for (const std::string& tag : beside)
    if (const auto artifact = client.find_tag(image.with_tag(tag), stop))
      found.push_back(*artifact);
}

/// The image first: one that its registry does not let go of keeps its signatures.
void delete_with_referrers(registry::Client& client, const Reference& image,
                           const std::set<Digest>& needed, const std::stop_token& stop) {
  std::vector<Digest> beside;
  add_referrers(beside, client, image, 1, stop);
  client.delete_manifest(image, stop);
  for (const Digest& digest : beside)
    if (!needed.contains(digest)) client.delete_manifest(image.at(digest), stop);
}

/// What tags name now that do not go: some may have been set since the plan was made.
std::set<Digest> needed_now(registry::Client& client, const RepositoryFate& fate,
                            const std::stop_token& stop) {
  std::map<std::string, const TagFate*> planned;
  for (const TagFate& each : fate.tags) planned[each.tag] = &each;
  std::vector<std::string> tags = client.tags(fate.repository, stop);
  std::erase_if(tags, is_artifact_tag);
  std::vector<std::optional<Digest>> digests(tags.size());
  registry::at_once(
      tags.size(), client.options().uploads,
      [&](std::size_t i) { digests[i] = client.find_tag(fate.repository.with_tag(tags[i]), stop); },
      stop);
  std::set<Digest> needed;
  for (std::size_t i = 0; i < tags.size(); ++i) {
    if (!digests[i]) continue;
    const auto plan = planned.find(tags[i]);
    const bool as_planned = plan != planned.end() && plan->second->digest == digests[i];
    if (as_planned && !plan->second->keep) continue;
    needed.insert(*digests[i]);
    // Those of what was kept already when the plan was made are not in it.
    if (!as_planned) needed.merge(children_of(client, fate.repository.at(*digests[i]), stop));
  }
  return needed;
}

/// What was deleted takes its space until Harbor collects it.
void free_space(const registry::Options& options, store::Store& store,
                const std::function<void(const std::string&)>& tell, const std::stop_token& stop) {
  if (!options.collect_garbage ||
      registry::find_product(options, store, stop) != registry::Product::harbor)
    return;
  try {
    const std::int64_t id = registry::Harbor(options).collect_garbage(stop);
    tell(concat("registry ", options.host, " frees the space (garbage collection ", id, ")"));
  } catch (const Error& error) {
    // The tags are gone, which is what was asked for; Harbor collects at its own times as well.
    if (error.kind() == ErrorKind::cancelled) throw;
    tell(concat("the space is not free yet: ", error.what()));
  }
}

}  // namespace

void perform_retention(Yard& yard, store::Store& store, const std::vector<RepositoryFate>& plan,
                       const std::function<void(const std::string&)>& tell,
                       const TellGone& tell_gone, const std::stop_token& stop) {
  std::set<std::string> cleared;
  const auto gone = [&](const Reference& what, const std::string& why) {
    tell_gone(what, why);
    tell(concat(what, " deleted: ", why));
  };
  const auto clear = [&](const RepositoryFate& fate) {
    registry::Client& client = yard.registry(fate.repository.host());
    if (!fate.deleted.empty()) cleared.insert(fate.repository.host());
    std::set<Digest> needed;
    if (!fate.deleted.empty()) needed = needed_now(client, fate, stop);
    std::map<Digest, std::vector<const TagFate*>> going;  // tags that go with their manifest
    for (const TagFate& each : fate.tags) {
      const Reference tag = fate.repository.with_tag(each.tag);
      if (each.keep || client.find_tag(tag, stop) != each.digest) continue;
      if (std::ranges::find(fate.deleted, each.digest) != fate.deleted.end()) {
        going[each.digest].push_back(&each);
        continue;
      }
      client.delete_tag(tag, each.digest, stop);
      gone(tag, each.why);
    }
    for (const Digest& digest : fate.deleted) {
      if (needed.contains(digest)) continue;
      const Reference manifest = fate.repository.at(digest);
      try {
        delete_with_referrers(client, manifest, needed, stop);
      } catch (const Error& error) {
        // A registry may hold on to some, such as Harbor to tags that a rule makes immutable.
        if (error.kind() != ErrorKind::conflict) throw;
        tell(concat(manifest, " stays: ", error.what()));
        needed.merge(children_of(client, manifest, stop));
        continue;
      }
      store.forget_signatures_of(manifest);
      for (const TagFate* tag : going[digest]) gone(fate.repository.with_tag(tag->tag), tag->why);
      tell_gone(manifest, "no tag that is kept needs it");
    }
  };
  std::optional<Error> first_failure;
  for (const RepositoryFate& fate : plan) {
    try {
      clear(fate);
    } catch (const Error& error) {
      // The other repositories have nothing to do with it.
      if (error.kind() == ErrorKind::cancelled) throw;
      tell(concat(fate.repository, ": not all of it went: ", error.what()));
      if (!first_failure) first_failure = error;
    }
  }
  for (const std::string& host : cleared)
    free_space(yard.registry(host).options(), store, tell, stop);
  if (first_failure) throw Error(*first_failure);
}

void perform_retention(Yard& yard, store::Store& store, const std::vector<RepositoryFate>& plan,
                       const std::function<void(const std::string&)>& tell,
                       const std::stop_token& stop) {
  perform_retention(
      yard, store, plan, tell, [](const Reference&, const std::string&) {}, stop);
}

boost::json::array to_json(const std::vector<RepositoryFate>& plan) {
  boost::json::array repositories;
  for (const RepositoryFate& fate : plan) {
    boost::json::array tags, deleted;
    for (const TagFate& each : fate.tags)
      tags.push_back({{"tag", each.tag},
                      {"digest", each.digest.text()},
                      {"keep", each.keep},
                      {"why", each.why}});
    for (const Digest& each : fate.deleted) deleted.emplace_back(each.text());
    repositories.push_back({{"repository", fate.repository.text()},
                            {"tags", std::move(tags)},
                            {"deleted", std::move(deleted)},
                            {"notes", json_array(fate.notes)}});
  }
  return repositories;
}

}  // namespace lighterman::pipeline
