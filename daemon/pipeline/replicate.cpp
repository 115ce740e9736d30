#include "pipeline/replicate.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "pipeline/attached.hpp"
#include "pipeline/selection.hpp"
#include "registry/copy.hpp"
#include "registry/platforms.hpp"

namespace lighterman::pipeline {
namespace {

using config::ReplicateRule;

std::string last_part(const std::string& repository) {
  return repository.substr(repository.rfind('/') + 1);
}

std::string renamed(const std::string& pattern, const Reference& repository) {
  std::string name = pattern;
  const auto fill = [&](std::string_view word, const std::string& with) {
    for (std::size_t at = name.find(word); at != std::string::npos;
         at = name.find(word, at + with.size()))
      name.replace(at, word.size(), with);
  };
  fill("{repository}", repository.repository());
  fill("{name}", last_part(repository.repository()));
  return name;
}

Reference below(const std::string& to, const std::string& name) {
  return during(concat("\"", to, "\""),
                [&] { return Reference::parse(concat(to, '/', name)).bare(); });
}

/// The patterns of a rule, ready to match.
struct RuleSelection {
  explicit RuleSelection(const ReplicateRule& rule)
      : from(rule.from), names(rule.names), tags(rule.tags), tags_except(rule.tags_except) {
    // Each pattern must be met, so each stands alone.
    for (const std::string& pattern : rule.labels)
      each_label.push_back(std::make_unique<Selection>(config::Patterns{pattern}));
  }
  bool takes(const Reference& repository) const {
    return from.takes(repository.name()) && names.takes(repository.repository());
  }
  bool takes_tag(const std::string& tag) const { return tags.takes(tag) && !tags_except.has(tag); }
  bool takes_labels(const std::map<std::string, std::string>& given) const {
    return std::ranges::all_of(each_label, [&](const auto& label) {
      return std::ranges::any_of(given, [&](const auto& pair) {
        return label->has(concat(pair.first, '=', pair.second)) || label->has(pair.first);
      });
    });
  }
  Selection from, names, tags, tags_except;
  std::vector<std::unique_ptr<Selection>> each_label;
};

std::vector<std::string> tags_set(const PublishedImage& image) {
  std::vector<std::string> tags;
  for (const TagOutcome& tag : image.tags)
    if (tag.fate != TagOutcome::Fate::held_back) tags.push_back(tag.tag);
  return tags;
}

/// What this daemon publishes: the first target of each image has all of it.
std::vector<Reference> published_repositories(const config::Config& config) {
  std::vector<Reference> found;
  for (const auto& [name, source] : config.sources)
    for (const auto& [image_name, image] : source.images)
      if (!image.targets.empty()) found.push_back(image.targets.front());
  return found;
}

bool is_literal(const std::string& pattern) {
  return pattern.find_first_of("*?[{^$\\") == std::string::npos;
}

/// Empty: it is no index.
std::vector<Descriptor> descriptors_in_index(const std::string& manifest) {
  const boost::json::value value = parse_json(manifest, "the manifest");
  std::vector<Descriptor> found;
  for (const auto& entry : Fields(value, "the manifest").list("manifests"))
    found.push_back(descriptor_from(entry));
  return found;
}

std::map<std::string, std::string> labels_of(registry::Client& client, const Reference& image,
                                             const std::stop_token& stop) {
  const auto manifest = client.find_manifest(image, stop);
  if (!manifest) return {};
  // An index has no labels of its own; its images were made together.
  if (const auto parts = descriptors_in_index(manifest->bytes); !parts.empty())
    return labels_of(client, image.at(parts.front().digest), stop);
  if (manifest->bytes.find("\"config\"") == std::string::npos) return {};
  const Descriptor config = Manifest::parse(manifest->bytes).config();
  return ImageConfig::parse(attached_blob(client, image, config, stop)).labels;
}

/// One repository of a rule, and the one it goes to.
class Comparison {
 public:
  Comparison(Yard& yard, const ReplicateRule& rule, const RuleSelection& selection,
             const Reference& repository, const std::stop_token& stop)
      : rule_(rule),
        selection_(selection),
        source_(repository),
        target_(target_of(rule, repository)),
        from_(yard.registry(source_.host())),
        to_(yard.registry(target_.host())),
        stop_(stop) {}

  void add_to(ReplicatePlan& plan);

 private:
  struct Tag {
    std::string name;
    std::optional<Digest> here, there;
  };
  std::vector<Tag> wanted(ReplicatePlan& plan);
  void ask(std::vector<Tag>& tags);
  bool is_chosen_part(const Tag& tag);
  std::optional<std::set<std::string>> find_listed();

  const ReplicateRule& rule_;
  const RuleSelection& selection_;
  const Reference source_, target_;
  registry::Client& from_;
  registry::Client& to_;
  const std::stop_token& stop_;
};

std::vector<Comparison::Tag> Comparison::wanted(ReplicatePlan& plan) {
  std::vector<Tag> tags;
  for (std::string& tag : from_.tags(source_, stop_)) {
    if (is_artifact_tag(tag)) continue;
    if (selection_.takes_tag(tag)) {
      tags.push_back({std::move(tag), {}, {}});
    } else {
      ++plan.left_out;
    }
  }
  return tags;
}

/// What the other side has, where one question tells more than many; empty: it does not say.
std::optional<std::set<std::string>> Comparison::find_listed() {
  try {
    const auto listed = to_.tags(target_, stop_);
    return std::set(listed.begin(), listed.end());
  } catch (const Error& error) {
    // Some deny to list what is not there yet, others have no lists.
    if (error.kind() == ErrorKind::cancelled || error.kind() == ErrorKind::unavailable) throw;
    return {};
  }
}

void Comparison::ask(std::vector<Tag>& tags) {
  constexpr std::size_t many = 20;
  const auto listed = tags.size() > many ? find_listed() : std::nullopt;
  // Neither side waits for the other.
  registry::at_once(
      2 * tags.size(), from_.options().uploads + to_.options().uploads,
      [&](std::size_t i) {
        Tag& tag = tags[i / 2];
        if (i % 2 == 0) {
          tag.here = from_.find_tag(source_.with_tag(tag.name), stop_);
        } else if (!listed || listed->contains(tag.name)) {
          tag.there = to_.find_tag(target_.with_tag(tag.name), stop_, registry::Client::For::push);
        }
      },
      stop_);
}

/// With fewer platforms the index over there has a digest of its own.
bool Comparison::is_chosen_part(const Tag& tag) {
  if (rule_.terms.platforms.empty() || !tag.there) return false;
  const auto whole = from_.find_manifest(source_.at(*tag.here), stop_);
  if (!whole || !registry::is_index(whole->media_type)) return false;
  try {
    return registry::with_platforms(*whole, rule_.terms.platforms).digest == tag.there;
  } catch (const Error& error) {
    // It has none of them, as its replication is going to say.
    if (error.kind() != ErrorKind::not_found) throw;
    return false;
  }
}

void Comparison::add_to(ReplicatePlan& plan) {
  const std::size_t left_out_before = plan.left_out;
  std::vector<Tag> tags = wanted(plan);
  ask(tags);
  std::map<Digest, std::vector<std::string>> missing;
  std::set<std::string> alive;
  for (const Tag& tag : tags) {
    alive.insert(tag.name);
    if (!tag.here) continue;
    if (tag.here == tag.there || is_chosen_part(tag)) {
      ++plan.same;
    } else {
      missing[*tag.here].push_back(tag.name);
    }
  }
  for (auto& [digest, names] : missing) {
    if (!rule_.labels.empty() &&
        !selection_.takes_labels(labels_of(from_, source_.at(digest), stop_))) {
      plan.left_out += names.size();
      continue;
    }
    Replication made = replication(rule_.name, source_.at(digest), target_, std::move(names));
    made.terms = rule_.terms;
    plan.missing.push_back(std::move(made));
  }
  if (!rule_.delete_vanished) return;
  // A name with a mistake in it looks just so, and everything over there would vanish.
  if (tags.empty() && plan.left_out == left_out_before)
    throw Error(ErrorKind::not_found, concat("there is no tag in ", source_.name(),
                                             ", so nothing is deleted in ", target_.name()));
  for (const std::string& tag : to_.tags(target_, stop_)) {
    if (is_artifact_tag(tag) || !selection_.takes_tag(tag) || alive.contains(tag)) continue;
    const Reference vanished = target_.with_tag(tag);
    if (const auto digest = to_.find_tag(vanished, stop_))
      plan.vanished.emplace_back(vanished, *digest);
  }
}

/// Plugins may leave out the registry when they mean the image's own.
Reference place_of(const std::string& to, const std::string& name, const Reference& image) {
  const std::string first = to.substr(0, to.find('/'));
  const bool has_host = first.find_first_of(".:") != std::string::npos || first == "localhost";
  const std::string place = has_host ? to : concat(image.host(), '/', to);
  return name.empty() ? Reference::parse(place).bare() : below(place, name);
}

}  // namespace

Replication replication(const std::string& rule, Reference source, Reference target,
                        std::vector<std::string> tags) {
  Replication made{0, 0, rule, std::move(source), std::move(target), std::move(tags)};
  made.due = system_now();
  return made;
}

Reference target_of(const ReplicateRule& rule, const Reference& repository) {
  // One policy is performed once at a time, whatever wants it.
  if (!rule.terms.policy.empty())
    return Reference::parse(concat(repository.host(), '/', rule.terms.policy));
  // It goes nowhere, but is asked of mirrors.
  if (rule.to.empty()) return repository;
  return below(rule.to, renamed(rule.rename, repository));
}

std::vector<Replication> replications_after(const config::Config& config, RunId run,
                                            const std::vector<PublishedImage>& published,
                                            const std::map<std::string, std::string>& labels) {
  std::vector<Replication> made;
  for (const ReplicateRule& rule : config.replicate) {
    if (rule.when != config::ReplicateWhen::immediate) continue;
    const RuleSelection selection(rule);
    for (const PublishedImage& image : published) {
      const Reference repository = image.reference.bare();
      if (!selection.takes(repository) || !selection.takes_labels(labels)) continue;
      std::vector<std::string> tags = tags_set(image);
      std::erase_if(tags, [&](const std::string& tag) { return !selection.takes_tag(tag); });
      const Reference target = target_of(rule, repository);
      const bool there =
          !rule.to.empty() && std::ranges::any_of(published, [&](const PublishedImage& each) {
            return each.reference.bare() == target;
          });
      if (tags.empty() || there) continue;
      Replication each = replication(rule.name, image.reference, target, std::move(tags));
      each.run = run;
      each.terms = rule.terms;
      made.push_back(std::move(each));
      // The image's other targets hold the same; one of them is enough, unless the rule says which.
      if (rule.from.empty()) break;
    }
  }
  return made;
}

std::vector<Replication> replications_for(const policy::Action& action, RunId run,
                                          const PublishedImage& image) {
  const Fields fields(action.body, action.kind);
  std::vector<std::string> tags = fields.texts("tags");
  if (tags.empty()) tags = tags_set(image);
  std::vector<Replication> made;
  const auto add = [&](Reference target) {
    Replication each =
        replication(concat("plugin ", action.plugin), image.reference, std::move(target), tags);
    each.run = run;
    each.terms.only_signed = fields.flag_or("only_signed", false);
    made.push_back(std::move(each));
  };
  if (action.kind == "promote") {
    add(place_of(fields.text("to"), "", image.reference));
  } else {
    const std::string name = renamed(fields.text_or("rename", "{name}"), image.reference);
    for (const std::string& to : fields.texts("to")) add(place_of(to, name, image.reference));
  }
  return made;
}

std::vector<Reference> repositories_of(Yard& yard, const ReplicateRule& rule,
                                       const std::stop_token& stop) {
  const RuleSelection selection(rule);
  std::vector<Reference> found;
  if (rule.from.empty()) found = published_repositories(yard.config());
  std::set<std::string> hosts;
  for (const std::string& pattern : rule.from) {
    if (is_literal(pattern)) {
      found.push_back(Reference::parse(pattern).bare());
      continue;
    }
    const std::string host = pattern.substr(0, pattern.find('/'));
    if (!is_literal(host))
      throw Error(
          ErrorKind::invalid,
          concat("\"", pattern, "\" must begin with a registry, such as registry.example/"));
    hosts.insert(host);
  }
  for (const std::string& host : hosts) {
    for (const std::string& name : yard.registry(host).repositories(stop)) {
      const Reference repository = Reference::parse(concat(host, '/', name)).bare();
      if (selection.from.has(repository.name())) found.push_back(repository);
    }
  }
  std::erase_if(found, [&](const Reference& each) { return !selection.takes(each); });
  std::ranges::sort(found);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

config::RetainRule retain_rule_for(const policy::Action& action, const PublishedImage& image) {
  const Fields fields(action.body, action.kind);
  config::RetainRule rule;
  rule.name = concat("plugin ", action.plugin);
  rule.repositories = {
      place_of(fields.text_or("repository", image.reference.name()), "", image.reference).name()};
  rule.keep = static_cast<unsigned>(fields.natural("keep"));
  rule.by_version = fields.text_or("by", "semver") == "semver";
  for (const std::string& each : fields.texts("protect")) rule.protect.push_back(each);
  if (const auto* age = fields.find("older_than"))
    rule.newer_than =
        age->is_string()
            ? parse_duration(std::string_view(age->get_string()))
            : std::chrono::milliseconds(static_cast<std::int64_t>(age->to_number<double>() * 1000));
  return rule;
}

namespace {

/// Two that go to one place would delete each other's tags there.
void refuse_collisions(const ReplicateRule& rule, const std::vector<Reference>& repositories) {
  if (rule.to.empty() || !rule.delete_vanished) return;
  std::map<Reference, Reference> sources;
  for (const Reference& each : repositories) {
    const auto [found, fresh] = sources.emplace(target_of(rule, each), each);
    if (!fresh)
      throw Error(ErrorKind::invalid,
                  concat(found->second.name(), " and ", each.name(), " would both go to ",
                         found->first.name(), ": set `rename: \"{repository}\"`"));
  }
}

}  // namespace

ReplicatePlan plan_replication(Yard& yard, const ReplicateRule& rule, const std::stop_token& stop) {
  return during(concat("rule \"", rule.name, "\""), [&] {
    const RuleSelection selection(rule);
    const std::vector<Reference> repositories = repositories_of(yard, rule, stop);
    refuse_collisions(rule, repositories);
    ReplicatePlan plan;
    std::optional<Error> first_failure;
    for (const Reference& repository : repositories) {
      try {
        Comparison(yard, rule, selection, repository, stop).add_to(plan);
      } catch (const Error& error) {
        // The other repositories have nothing to do with it.
        if (error.kind() == ErrorKind::cancelled) throw;
        plan.failures.push_back(concat(repository.name(), ": ", error.what()));
        if (!first_failure) first_failure = error;
      }
    }
    if (first_failure && plan.failures.size() == repositories.size()) throw Error(*first_failure);
    return plan;
  });
}

boost::json::object to_json(const ReplicatePlan& plan) {
  boost::json::array missing, vanished;
  for (const Replication& each : plan.missing)
    missing.push_back({{"source", each.source.text()},
                       {"target", each.target.text()},
                       {"tags", json_array(each.tags)}});
  for (const auto& [tag, digest] : plan.vanished)
    vanished.push_back({{"tag", tag.text()}, {"digest", digest.text()}});
  return {{"missing", std::move(missing)},
          {"vanished", std::move(vanished)},
          {"failures", json_array(plan.failures)},
          {"same", plan.same},
          {"left_out", plan.left_out}};
}

}  // namespace lighterman::pipeline
