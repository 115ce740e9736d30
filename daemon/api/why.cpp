// From an image, as somebody finds it in a registry or a cluster, to what made it.
#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "api/exchange.hpp"
#include "api/routes.hpp"
#include "api/server.hpp"
#include "config/status.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "store/makings.hpp"
#include "trust/keyring.hpp"

namespace lighterman::api {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

constexpr std::size_t least_digits = 12;  ///< of a digest; as many as people are shown
constexpr std::size_t most_runs = 20;  ///< that one answer tells; an image may be made each night
constexpr std::size_t most_others = 100;   ///< tags, signatures of one repository, replications
constexpr std::size_t most_looked = 1000;  ///< of each, to find those that the caller sees

/// A run that made the image, and the caller sees.
struct SeenMaking {
  Run run;
  std::string image;
};

/// Those that one answer tells.
template <class Each>
struct Told {
  std::vector<Each> list = {};
  bool more = false;
};

/// How many to look at, so that `most` of them are seen and it is known whether there are more.
std::size_t looks_for(const Exchange& exchange, std::size_t most) {
  return exchange.caller.scope.is_all() ? most + 1 : most_looked;
}

/// The first `most` that the caller sees.
template <class Each, class IsSeen>
Told<Each> seen_of(std::vector<Each> all, std::size_t most, const IsSeen& seen) {
  Told<Each> told;
  for (Each& each : all) {
    if (!seen(each)) continue;
    told.more = told.list.size() == most;
    if (told.more) break;
    told.list.push_back(std::move(each));
  }
  return told;
}

/// What is known of one digest.
struct KnownImage {
  Digest digest;
  std::string_view by;  ///< "digest", "config", "tag"
  std::vector<SeenMaking> makings = {};
  std::optional<store::ScannedPublication> publication = {};

  bool is_seen() const { return !makings.empty() || publication; }
};

/// Of the whole image: "web" of "web@linux/amd64".
std::string whole_of(const std::string& image) { return image.substr(0, image.find('@')); }
bool is_platform(const std::string& image) { return image.find('@') != std::string::npos; }

/// The hex digits of "sha256:1f0c..." or "1f0c..."; empty: it is something else.
std::string digits_of(std::string_view asked) {
  if (asked.starts_with("sha256:")) asked.remove_prefix(7);
  const std::string digits = lower(asked);
  return digits.find_first_not_of("0123456789abcdef") == std::string::npos ? digits : "";
}

KnownImage look_up(Room& room, const Exchange& exchange, const Digest& digest,
                   std::string_view by) {
  KnownImage found{digest, by};
  const Scope& scope = exchange.caller.scope;
  for (const store::Making& each : store::Makings(room.store).find(digest, most_looked)) {
    if (found.makings.size() > most_runs) break;
    Run run = room.store.get(each.run);
    if (scope.covers(run.event.source)) found.makings.push_back({std::move(run), each.image});
  }
  for (const bool gone : {false, true}) {
    store::PublicationFilter filter;
    filter.digest = digest;
    filter.gone = gone;
    for (store::ScannedPublication& each : room.store.publications(filter))
      if (!found.publication && scope.covers(each.publication.source))
        found.publication = std::move(each);
  }
  return found;
}

[[noreturn]] void refuse_unknown(const std::string& asked) {
  refuse(404, "unknown-image", "No such image",
         concat("no run made \"", shortened(valid_utf8(asked), 120),
                "\": ask by the digest that the registry tells, or by a tag that a run set or a "
                "replication carried (lighterman images lists some)"));
}

/// Those that the caller sees; of several digests that begin so, none is meant.
KnownImage find_by_digits(Room& room, const Exchange& exchange, const std::string& digits,
                          const std::string& asked) {
  if (digits.size() < least_digits || digits.size() > 64)
    refuse(400, concat("\"", shortened(asked, 80), "\": a digest has 64 hex digits, and at least ",
                       least_digits, " of them are needed"));
  const store::Makings makings(room.store);
  const std::optional<Digest> whole =
      digits.size() == 64 ? std::optional(Digest::parse(concat("sha256:", digits))) : std::nullopt;
  std::vector<KnownImage> seen;
  const auto take = [&](const std::vector<Digest>& digests, std::string_view by) {
    for (const Digest& each : digests)
      if (KnownImage found = look_up(room, exchange, each, by); found.is_seen())
        seen.push_back(std::move(found));
  };
  if (whole) {
    take({*whole}, "digest");
    if (seen.empty()) take(makings.manifests_of(*whole, looks_for(exchange, 0)), "config");
  } else {
    take(makings.manifests(digits, most_others), "digest");
    if (seen.empty()) take(makings.manifests_of_configs(digits, most_others), "config");
  }
  if (seen.empty()) refuse_unknown(asked);
  if (seen.size() > 1 && !whole)
    refuse(409, "ambiguous-digest", "Ambiguous digest",
           concat(seen.size(), " images begin with \"", digits, "\", such as ", seen.front().digest,
                  " and ", seen[1].digest, ": give more digits"));
  // One configuration under several manifests: they differ in how their layers are compressed.
  return *std::ranges::max_element(seen, {}, [](const KnownImage& each) {
    return each.makings.empty() ? RunId{0} : each.makings.front().run.id;
  });
}

/// What the tag stands for, where the caller may know that it does.
std::optional<Digest> find_by_tag(Room& room, const Exchange& exchange, const Reference& tag) {
  std::optional<store::Carried> found;
  if (const auto set = room.store.find_tag(tag)) found = store::Carried{set->digest, set->run};
  if (!found) found = store::Makings(room.store).find_carried(tag);
  if (!found || !is_seen(room, exchange, found->run)) return {};
  return found->digest;
}

KnownImage find(Room& room, const Exchange& exchange, const std::string& asked) {
  if (const std::string digits = digits_of(asked); !digits.empty())
    return find_by_digits(room, exchange, digits, asked);
  const Reference reference =
      during("parameter \"image\"", [&] { return Reference::parse(asked); });
  if (!reference.digest() && !reference.tag())
    refuse(400, concat("\"", shortened(asked, 120),
                       "\" names a repository: add :tag, or @ and the digest"));
  const std::optional<Digest> digest =
      reference.digest() ? reference.digest() : find_by_tag(room, exchange, reference);
  if (!digest) refuse_unknown(asked);
  KnownImage found = look_up(room, exchange, *digest, reference.digest() ? "digest" : "tag");
  if (!found.is_seen()) refuse_unknown(asked);
  return found;
}

/// What a stage of this image came to; null: it is not done.
const value* result_of(const std::vector<Stage>& stages, const std::string& image,
                       std::string_view name) {
  for (const Stage& stage : stages)
    if (stage.image == image && stage.name == name && stage.state == StageState::done)
      return &stage.result;
  return nullptr;
}

value at_or_null(const value* given, std::string_view name) {
  const object* fields = given == nullptr ? nullptr : given->if_object();
  const value* field = fields == nullptr ? nullptr : fields->if_contains(name);
  return field == nullptr ? value() : *field;
}

value bases_of(const std::vector<Stage>& stages, const std::string& image) {
  value bases = at_or_null(result_of(stages, image, "bases"), "bases");
  if (bases.is_null()) bases = at_or_null(result_of(stages, image, "engine"), "bases");
  return bases.is_null() ? array() : bases;
}

/// The image of one platform: how it was built and what was said of it.
object part_of(const std::vector<Stage>& stages, const std::string& image) {
  const value* built = result_of(stages, image, "engine");
  const value* scan = result_of(stages, image, "scan");
  const value* staged = result_of(stages, image, "staging");
  const value* gate = result_of(stages, image, "gate");
  object facts;
  for (const char* name :
       {"builder", "engine", "steps", "cached_steps", "size_bytes", "seconds", "because", "reused"})
    facts[name] = at_or_null(built, name);
  const value config = at_or_null(staged, "config");
  return {{"image", image},
          {"platform", is_platform(image) ? image.substr(image.find('@') + 1) : ""},
          {"digest", at_or_null(staged, "manifest")},
          {"config", at_or_null(&config, "digest")},
          {"built", built == nullptr ? value() : value(std::move(facts))},
          {"bases", bases_of(stages, image)},
          {"scan", scan == nullptr ? value() : *scan},
          {"denied", at_or_null(gate, "denied")},
          {"decision", at_or_null(gate, "decision")}};
}

/// The image itself, or each platform of an index.
array parts_of(const std::vector<Stage>& stages, const std::string& image) {
  std::vector<std::string> names;
  for (const Stage& stage : stages) {
    const bool own = stage.image == image || whole_of(stage.image) == image;
    if (own && stage.name == "staging" && std::ranges::find(names, stage.image) == names.end())
      names.push_back(stage.image);
  }
  array parts;
  for (const std::string& name : names) parts.push_back(part_of(stages, name));
  return parts;
}

/// By digest, with the tags that the run set.
array published_of(const std::vector<Stage>& stages, const std::string& image) {
  array published;
  for (const Stage& stage : stages) {
    if (stage.image != image || !stage.name.starts_with("publish:")) continue;
    if (stage.state != StageState::done) continue;
    published.push_back({{"reference", at_or_null(&stage.result, "reference")},
                         {"tags", at_or_null(&stage.result, "tags")},
                         {"when", json_time(stage.ended)}});
  }
  return published;
}

value index_over(const std::vector<Stage>& stages, const std::string& image) {
  if (!is_platform(image)) return nullptr;
  const array published = published_of(stages, whole_of(image));
  if (published.empty()) return nullptr;
  const value& reference = published.front().at("reference");
  if (!reference.is_string()) return nullptr;
  return value(Reference::parse(reference.as_string()).digest()->text());
}

value page_of(const Exchange& exchange, const Run& run, const std::string& commit) {
  const auto& sources = exchange.snapshot->config->sources;
  const auto source = sources.find(run.event.source);
  if (commit.empty() || source == sources.end()) return nullptr;
  const std::string page = config::commit_page(source->second, run.event.forge, commit);
  return page.empty() ? value() : value(page);
}

std::string text_or(const value& given, const std::string& fallback) {
  return given.is_string() ? std::string(given.as_string()) : fallback;
}

object making_of(Room& room, const Exchange& exchange, const SeenMaking& making) {
  const Run& run = making.run;
  const std::vector<Stage> stages = room.store.stages(run.id);
  const value* plan = result_of(stages, "", "plan");
  const value push = at_or_null(plan, "push");
  const value decisions = at_or_null(plan, "decisions");
  const std::string& message = run.event.message;
  const std::string& commit = run.commit.empty() ? run.event.commit : run.commit;
  array actions;
  for (const ActionRecord& action : room.store.actions(run.id)) {
    const bool ours = action.image == making.image || whole_of(action.image) == making.image;
    if (ours) actions.push_back(to_json(action));
  }
  return {{"run", json_of(exchange, run)},
          {"image", making.image},
          {"title", text_or(at_or_null(&push, "title"), message.substr(0, message.find('\n')))},
          {"author", text_or(at_or_null(&push, "author"), run.event.author)},
          {"commit_page", page_of(exchange, run, commit)},
          {"planned", at_or_null(&decisions, whole_of(making.image))},
          {"parts", parts_of(stages, making.image)},
          {"index", index_over(stages, making.image)},
          {"published", published_of(stages, making.image)},
          {"actions", std::move(actions)}};
}

/// The tags that are set to it now, as far as runs of the caller's sources set them.
Told<store::SetTag> tags_of(Room& room, const Exchange& exchange, const Digest& digest) {
  std::map<RunId, bool> seen;  // one run often sets several
  return seen_of(store::Makings(room.store).tags(digest, looks_for(exchange, most_others)),
                 most_others, [&](const store::SetTag& tag) {
                   const auto known = seen.find(tag.run);
                   if (known != seen.end()) return known->second;
                   return seen[tag.run] = is_seen(room, exchange, tag.run);
                 });
}

Told<Replication> replicas_of(Room& room, const Exchange& exchange, const Digest& digest) {
  store::ReplicationFilter filter;
  filter.digest = digest;
  filter.limit = looks_for(exchange, most_others);
  return seen_of(room.store.replications(filter), most_others,
                 [&](const Replication& each) { return is_seen(room, exchange, each); });
}

/// Where it is, and under which tags.
std::map<Reference, std::set<std::string>> places_of(const KnownImage& found, const array& makings,
                                                     const std::vector<store::SetTag>& tags) {
  std::map<Reference, std::set<std::string>> places;
  for (const value& making : makings)
    for (const value& each : making.at("published").as_array())
      if (const auto* reference = each.at("reference").if_string())
        places[Reference::parse(*reference).bare()];
  if (found.publication)
    for (const PublishedTarget& each : found.publication->publication.targets)
      places[each.repository];
  for (const store::SetTag& each : tags)
    places[each.reference.bare()].insert(*each.reference.tag());
  return places;
}

/// Names of keys by their hints; keys are of all sources.
std::map<std::string, std::string> key_names(const Exchange& exchange) {
  std::map<std::string, std::string> names;
  const auto& keys = exchange.snapshot->config->keys;
  if (!keys || !exchange.caller.scope.is_all()) return names;
  try {
    for (const trust::KeyEntry& entry : trust::Keyring(keys->folder).entries())
      names[entry.public_key.hint()] = entry.name;
  } catch (const Error&) {
    // Their hints say it too, and /api/v1/status what is wrong with the folder.
  }
  return names;
}

/// The newest in each repository; `more`: one of these has older ones.
Told<SignatureRecord> signatures_of(Room& room, const Digest& digest,
                                    const std::set<Reference>& repositories) {
  Told<SignatureRecord> told;
  for (const Reference& repository : repositories) {
    store::SignatureFilter filter;
    filter.image = repository.at(digest);
    filter.limit = most_others + 1;
    Told<SignatureRecord> here = seen_of(room.store.signatures(filter), most_others,
                                         [](const SignatureRecord&) { return true; });
    std::ranges::move(here.list, std::back_inserter(told.list));
    told.more = told.more || here.more;
  }
  return told;
}

array as_json(const Exchange& exchange, const std::vector<SignatureRecord>& records) {
  const std::map<std::string, std::string> names = key_names(exchange);
  array signatures;
  signatures.reserve(records.size());
  for (const SignatureRecord& each : records) {
    const auto name = names.find(each.key_hint);
    signatures.push_back({{"repository", each.image.name()},
                          {"key", name == names.end() ? value() : value(name->second)},
                          {"key_hint", each.key_hint},
                          {"predicate_type", each.predicate_type},
                          {"form", each.form},
                          {"artifact", each.artifact.text()},
                          {"when", render_time(each.when)}});
  }
  return signatures;
}

std::string_view kind_of(const array& makings) {
  if (makings.empty()) return "image";
  if (is_platform(std::string(makings.front().at("image").as_string()))) return "platform";
  const array& parts = makings.front().at("parts").as_array();
  const bool index = !parts.empty() && !parts.front().at("platform").as_string().empty();
  return index ? "index" : "image";
}

}  // namespace

void show_why(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"image"});
  const std::string asked(trim(find_parameter(exchange, "image").value_or("")));
  if (asked.empty())
    refuse(400,
           "parameter \"image\" is missing: a digest (12 hex digits of it do), or repository:tag");
  KnownImage found = find(room, exchange, asked);
  const bool more = found.makings.size() > most_runs;
  if (more) found.makings.pop_back();
  array makings;
  for (const SeenMaking& each : found.makings) makings.push_back(making_of(room, exchange, each));
  const Told<store::SetTag> tags = tags_of(room, exchange, found.digest);
  const auto places = places_of(found, makings, tags.list);
  array names, replicas;
  std::set<Reference> repositories;
  for (const auto& [repository, here] : places) {
    repositories.insert(repository);
    const std::vector<std::string> list(here.begin(), here.end());
    names.push_back({{"repository", repository.name()}, {"tags", json_array(list)}});
  }
  const Told<Replication> carried = replicas_of(room, exchange, found.digest);
  replicas.reserve(carried.list.size());
  for (const Replication& each : carried.list) {
    replicas.push_back(to_json(each));
    if (each.state == ReplicationState::done) repositories.insert(each.target);
  }
  const Told<SignatureRecord> signatures = signatures_of(room, found.digest, repositories);
  const auto& publication = found.publication;
  const bool scanned = publication && publication->last;
  answer(exchange, object{{"asked", asked},
                          {"found_by", found.by},
                          {"digest", found.digest.text()},
                          {"kind", kind_of(makings)},
                          {"names", std::move(names)},
                          {"more_tags", tags.more},
                          {"denied", publication ? publication->publication.denied : ""},
                          {"scan", scanned ? value(to_json(*publication->last)) : value()},
                          {"signatures", as_json(exchange, signatures.list)},
                          {"more_signatures", signatures.more},
                          {"replicas", std::move(replicas)},
                          {"more_replicas", carried.more},
                          {"runs", std::move(makings)},
                          {"more_runs", more}});
}

}  // namespace lighterman::api
