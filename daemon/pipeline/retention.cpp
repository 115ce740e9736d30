#include "pipeline/retention.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "core/version.hpp"
#include "os/file.hpp"
#include "pipeline/attached.hpp"
#include "pipeline/replicate.hpp"
#include "pipeline/selection.hpp"
#include "registry/copy.hpp"
#include "registry/harbor.hpp"
#include "registry/product.hpp"

namespace lighterman::pipeline {
namespace {

using config::RetainRule;

constexpr std::uint64_t largest_list = 8 << 20;
constexpr std::size_t most_open = 10000;

/// What somebody runs: names of images and digests.
struct InUse {
  std::set<std::string> references, digests;
  bool has(const Reference& tag, const Digest& digest) const {
    return references.contains(tag.text()) || digests.contains(digest.text());
  }
};

std::string read_list(const std::string& place, const std::stop_token& stop) {
  if (!place.starts_with("http://") && !place.starts_with("https://"))
    return os::read_file(place, largest_list);
  net::Client client;
  net::Request request;
  request.url = place;
  request.follow_redirects = true;
  request.body_limit = largest_list;
  const net::Response answer = client.perform(request, stop);
  if (answer.status != 200)
    throw Error(ErrorKind::unavailable, concat(place, " answers ", answer.status));
  return answer.body;
}

/// A reference or a digest a line; what stands behind a '#' is for people.
InUse read_in_use(const std::string& place, const std::stop_token& stop) {
  InUse found;
  if (place.empty()) return found;
  std::size_t number = 0, named = 0;
  for (const std::string& line : split(read_list(place, stop), '\n')) {
    ++number;
    const std::string_view given = trim(std::string_view(line).substr(0, line.find('#')));
    if (given.empty()) continue;
    ++named;
    during(concat("`deployed` \"", place, "\", line ", number), [&] {
      if (given.starts_with("sha256:")) {
        found.digests.insert(Digest::parse(given).text());
        return;
      }
      const Reference reference = Reference::parse(given);
      if (reference.digest()) found.digests.insert(reference.digest()->text());
      if (reference.tag())
        found.references.insert(reference.bare().with_tag(*reference.tag()).text());
      if (!reference.digest() && !reference.tag())
        found.references.insert(reference.with_tag("latest").text());
    });
  }
  // What makes the list may have failed; believed, it would let everything go.
  if (named == 0)
    throw Error(ErrorKind::invalid, concat("`deployed` \"", place,
                                           "\" names nothing: leave it out where nothing is in "
                                           "use, or look why the list is empty"));
  return found;
}

/// Builds that want to be reproducible date their images back to some epoch.
bool is_date(Instant created) {
  constexpr std::chrono::sys_days earliest{std::chrono::year(2000) / 1 / 1};
  return created > earliest;
}

std::optional<Instant> created_of(registry::Client& client, const Reference& image,
                                  const std::stop_token& stop) {
  const auto manifest = client.find_manifest(image, stop);
  if (!manifest) return {};
  const boost::json::value value = parse_json(manifest->bytes, "the manifest");
  const Fields fields(value, "the manifest");
  // All of an index's images were made together.
  if (fields.find("config") == nullptr) {
    for (const auto& entry : fields.list("manifests"))
      return created_of(client, image.at(descriptor_from(entry).digest), stop);
    return {};
  }
  const boost::json::value config = parse_json(
      attached_blob(client, image, Manifest::parse(manifest->bytes).config(), stop), "the config");
  const auto created = Fields(config, "the config").find_text("created");
  if (!created || !is_date(parse_time(*created))) return {};
  return parse_time(*created);
}

/// One repository under one rule.
class Judgement {
 public:
  Judgement(Yard& yard, store::Store& store, const RetainRule& rule, const InUse& in_use,
            const Reference& repository, const std::stop_token& stop)
      : yard_(yard),
        store_(store),
        rule_(rule),
        in_use_(in_use),
        repository_(repository),
        client_(yard.registry(repository.host())),
        stop_(stop),
        fate_{repository, {}, {}, {}} {}

  RepositoryFate perform();

 private:
  struct Candidate {
    std::string tag;
    Digest digest;
    std::string kept;  ///< why; empty: it goes
    std::optional<Version> version;
    bool looked_at = true;  ///< by the rule
  };
  void find_candidates();
  void keep_what_is_named();
  void keep_what_travels();
  void keep_parts_in_use();
  void keep_live_branches();
  void ask_harbor();
  void keep_pulled();
  void keep_young();
  void keep_newest();
  void keep_a_signed_one();
  void find_deleted();
  bool is_signed(const Digest& digest) const {
    return artifact_tags_.contains(concat("sha256-", digest.hex(), ".sig")) ||
           store_.count_signatures({.image = repository_.at(digest)}).signatures > 0;
  }
  std::optional<Instant> made(const Digest& digest);
  std::set<Digest> children(const Digest& digest);

  Yard& yard_;
  store::Store& store_;
  const RetainRule& rule_;
  const InUse& in_use_;
  const Reference repository_;
  registry::Client& client_;
  const std::stop_token& stop_;
  RepositoryFate fate_;
  std::vector<Candidate> candidates_;
  std::set<std::string> artifact_tags_;
  std::map<Digest, std::optional<Instant>> made_;
  /// What Harbor knows, where the rule asks for ages.
  std::optional<std::map<Digest, registry::HarborArtifact>> told_;
};

void Judgement::find_candidates() {
  const Selection wanted(rule_.tags);
  std::vector<std::string> tags;
  for (std::string& tag : client_.tags(repository_, stop_)) {
    if (is_artifact_tag(tag)) {
      artifact_tags_.insert(std::move(tag));
    } else {
      tags.push_back(std::move(tag));
    }
  }
  std::vector<std::optional<Digest>> digests(tags.size());
  registry::at_once(
      tags.size(), client_.options().uploads,
      [&](std::size_t i) { digests[i] = client_.find_tag(repository_.with_tag(tags[i]), stop_); },
      stop_);
  for (std::size_t i = 0; i < tags.size(); ++i) {
    if (!digests[i]) continue;
    Candidate candidate{tags[i], *digests[i], "", Version::parse(tags[i])};
    candidate.looked_at = wanted.takes(candidate.tag);
    if (!candidate.looked_at) candidate.kept = "the rule does not look at it";
    candidates_.push_back(std::move(candidate));
  }
}

void Judgement::keep_what_is_named() {
  const Selection protect(rule_.protect);
  for (Candidate& each : candidates_) {
    if (!each.kept.empty()) continue;
    if (protect.has(each.tag)) each.kept = "protected";
    if (in_use_.has(repository_.with_tag(each.tag), each.digest)) each.kept = "in use";
  }
}

/// What is on its way to another registry, which may be down for a while, is read from here.
void Judgement::keep_what_travels() {
  store::ReplicationFilter filter;
  filter.open = true;
  filter.limit = most_open;
  std::map<Digest, std::int64_t> open;
  for (const Replication& each : store_.replications(filter))
    if (each.source.name() == repository_.name()) open[*each.source.digest()] = each.id;
  for (Candidate& each : candidates_)
    if (const auto found = open.find(each.digest); each.kept.empty() && found != open.end())
      each.kept = concat("replication ", found->second, " carries it elsewhere");
}

/// What runs may name a platform's image by its digest.
void Judgement::keep_parts_in_use() {
  if (in_use_.digests.empty()) return;
  for (Candidate& each : candidates_) {
    if (!each.kept.empty()) continue;
    const bool runs = std::ranges::any_of(children(each.digest), [&](const Digest& child) {
      return in_use_.digests.contains(child.text());
    });
    if (runs) each.kept = "a part of it is in use";
  }
}

/// A tag that a branch set lives as long as the branch.
void Judgement::keep_live_branches() {
  if (!rule_.live_branches) return;
  std::map<std::string, std::set<std::string>> heads;
  for (const auto& [name, source] : yard_.config().sources) {
    const bool ours = std::ranges::any_of(source.images, [&](const auto& image) {
      return std::ranges::find(image.second.targets, repository_) != image.second.targets.end();
    });
    if (!ours) continue;
    // When the repository cannot be asked, the rule ends here and deletes nothing.
    for (const auto& [ref, commit] : yard_.mirror(name).remote_heads(stop_)) heads[ref];
  }
  for (Candidate& each : candidates_) {
    const auto record = store_.find_tag(repository_.with_tag(each.tag));
    if (!each.kept.empty() || !record || !record->ref.starts_with("refs/heads/")) continue;
    if (heads.contains(record->ref)) each.kept = concat("of branch ", record->ref.substr(11));
  }
}

/// When it was published, as far as Harbor or our store knows; else when it says it was made.
std::optional<Instant> Judgement::made(const Digest& digest) {
  if (const auto known = made_.find(digest); known != made_.end()) return known->second;
  store::PublicationFilter filter;
  filter.digest = digest;
  filter.limit = 1;
  if (told_) {
    const auto found = told_->find(digest);
    if (found != told_->end() && found->second.pushed) return made_[digest] = found->second.pushed;
  }
  const auto published = store_.publications(filter);
  // To read it would count as a pull there.
  if (published.empty() && rule_.pulled_within) return made_[digest] = std::nullopt;
  return made_[digest] = published.empty() ? created_of(client_, repository_.at(digest), stop_)
                                           : std::optional(published.front().publication.published);
}

std::set<Digest> Judgement::children(const Digest& digest) {
  if (!told_) return children_of(client_, repository_.at(digest), stop_);
  const auto found = told_->find(digest);
  // Its pages shift while others push and delete.
  if (found == told_->end()) return children_of(client_, repository_.at(digest), stop_);
  return {found->second.children.begin(), found->second.children.end()};
}

/// Harbor says when an image was pushed, which its own date need not tell.
void Judgement::ask_harbor() {
  const bool by_age = rule_.newer_than || (rule_.keep && !rule_.by_version);
  if (!by_age && !rule_.pulled_within) return;
  const registry::Options& options = client_.options();
  if (registry::find_product(options, store_, stop_) != registry::Product::harbor) return;
  try {
    told_ = registry::Harbor(options).artifacts(repository_, stop_);
  } catch (const Error& error) {
    // An account that may pull and delete need not be one that may list; dates do without.
    if (rule_.pulled_within || error.kind() != ErrorKind::denied) throw;
    fate_.notes.push_back(concat("Harbor does not say when images were pushed: ", error.what()));
  }
}

void Judgement::keep_pulled() {
  if (!rule_.pulled_within) return;
  const registry::Options& options = client_.options();
  if (!told_)
    throw Error(ErrorKind::invalid,
                concat("registry ", options.host,
                       " does not tell when images were pulled (Harbor does): the rule must do "
                       "without `pulled_within`"));
  const Instant oldest = system_now() - *rule_.pulled_within;
  for (Candidate& each : candidates_) {
    if (!each.kept.empty()) continue;
    const auto found = told_->find(each.digest);
    if (found == told_->end()) {
      each.kept = "nobody knows when it was pulled";
    } else if (found->second.pulled && *found->second.pulled >= oldest) {
      each.kept = concat("pulled within ", render_duration(*rule_.pulled_within));
    }
  }
}

void Judgement::keep_young() {
  if (!rule_.newer_than) return;
  const Instant oldest = system_now() - *rule_.newer_than;
  for (Candidate& each : candidates_) {
    if (!each.kept.empty()) continue;
    const auto when = made(each.digest);
    if (!when) each.kept = "nobody knows how old it is";
    if (when && *when >= oldest)
      each.kept = concat("newer than ", render_duration(*rule_.newer_than));
  }
}

void Judgement::keep_newest() {
  // A moving "1.4" goes where its image goes; what is no version has no place among versions.
  std::vector<Candidate*> ranked;
  for (Candidate& each : candidates_) {
    if (!each.looked_at) continue;
    if (rule_.by_version ? each.version.has_value() : made(each.digest).has_value()) {
      ranked.push_back(&each);
    } else if (each.kept.empty() &&
               !(rule_.by_version && (rule_.newer_than || rule_.pulled_within))) {
      each.kept = rule_.by_version ? "no version" : "nobody knows how old it is";
    }
  }
  std::ranges::stable_sort(ranked, [&](const Candidate* a, const Candidate* b) {
    return rule_.by_version ? *a->version > *b->version : *made_[a->digest] > *made_[b->digest];
  });
  std::set<Digest> images;
  for (Candidate* each : ranked) {
    if (images.size() >= rule_.keep.value_or(0) && !images.contains(each->digest)) continue;
    images.insert(each->digest);
    if (each->kept.empty()) each->kept = concat("among the newest ", *rule_.keep);
  }
}

void Judgement::keep_a_signed_one() {
  Candidate* newest = nullptr;
  for (Candidate& each : candidates_) {
    if (!is_signed(each.digest)) continue;
    if (!each.kept.empty()) return;
    const bool newer = newest == nullptr ||
                       (each.version && newest->version ? *each.version > *newest->version
                                                        : made(each.digest) > made(newest->digest));
    if (newer) newest = &each;
  }
  if (newest != nullptr) newest->kept = "the only signed one that would be left";
}

/// Manifests go when no kept tag names them, nor an index that is kept.
void Judgement::find_deleted() {
  std::set<Digest> needed;
  for (const Candidate& each : candidates_) {
    if (each.kept.empty()) continue;
    needed.insert(each.digest);
  }
  std::set<Digest> going;
  for (const Candidate& each : candidates_)
    if (each.kept.empty() && !needed.contains(each.digest)) going.insert(each.digest);
  if (going.empty()) return;
  std::set<Digest> inside;
  for (const Digest& digest : needed) inside.merge(children(digest));
  std::set<Digest> parts;
  for (const Digest& digest : going) {
    if (inside.contains(digest)) {
      fate_.notes.push_back(concat(digest.brief(), " stays: an index that is kept needs it"));
      continue;
    }
    fate_.deleted.push_back(digest);
    parts.merge(children(digest));
  }
  // Registries do not let go of what an index names while that is there.
  std::stable_partition(fate_.deleted.begin(), fate_.deleted.end(),
                        [&](const Digest& digest) { return !parts.contains(digest); });
  for (const Digest& part : parts)
    if (!inside.contains(part) && !needed.contains(part) && !going.contains(part))
      fate_.deleted.push_back(part);
}

RepositoryFate Judgement::perform() {
  find_candidates();
  ask_harbor();
  keep_what_is_named();
  keep_what_travels();
  keep_live_branches();
  keep_pulled();
  keep_young();
  if (rule_.keep) keep_newest();
  // Another tag of an image that is kept does not cost anything, and may be what somebody pulls.
  for (Candidate& each : candidates_) {
    if (!each.kept.empty() || each.version) continue;
    const auto same = std::ranges::find_if(candidates_, [&](const Candidate& other) {
      return !other.kept.empty() && other.digest == each.digest;
    });
    if (same != candidates_.end()) each.kept = concat("names the same as ", same->tag);
  }
  keep_parts_in_use();
  keep_a_signed_one();
  find_deleted();
  for (Candidate& each : candidates_)
    fate_.tags.push_back({each.tag, each.digest, !each.kept.empty(),
                          each.kept.empty() ? "no rule keeps it" : each.kept});
  std::ranges::stable_sort(fate_.tags,
                           [](const TagFate& a, const TagFate& b) { return a.keep > b.keep; });
  return std::move(fate_);
}

std::vector<Reference> repositories_for(Yard& yard, const RetainRule& rule,
                                        const std::stop_token& stop) {
  config::ReplicateRule like;
  like.name = rule.name;
  like.from = rule.repositories;
  return repositories_of(yard, like, stop);
}

}  // namespace

std::set<Digest> children_of(registry::Client& client, const Reference& image,
                             const std::stop_token& stop) {
  std::set<Digest> children;
  const auto manifest = client.find_manifest(image, stop);
  if (!manifest || manifest->bytes.find("\"manifests\"") == std::string::npos) return children;
  const boost::json::value value = parse_json(manifest->bytes, "the index");
  for (const auto& entry : Fields(value, "the index").list("manifests"))
    children.insert(descriptor_from(entry).digest);
  return children;
}

std::vector<RepositoryFate> plan_retention(Yard& yard, store::Store& store, const RetainRule& rule,
                                           const std::stop_token& stop) {
  return during(concat("rule \"", rule.name, "\""), [&] {
    const InUse in_use = read_in_use(rule.deployed, stop);
    std::vector<RepositoryFate> plan;
    std::optional<Error> first_failure;
    std::size_t failed = 0;
    for (const Reference& repository : repositories_for(yard, rule, stop)) {
      try {
        plan.push_back(Judgement(yard, store, rule, in_use, repository, stop).perform());
      } catch (const Error& error) {
        // Nothing goes there; the other repositories have nothing to do with it.
        if (error.kind() == ErrorKind::cancelled) throw;
        plan.push_back({repository, {}, {}, {concat("nothing goes: ", error.what())}});
        ++failed;
        if (!first_failure) first_failure = error;
      }
    }
    if (first_failure && failed == plan.size()) throw Error(*first_failure);
    return plan;
  });
}

}  // namespace lighterman::pipeline
