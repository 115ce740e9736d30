#include "pipeline/past_builds.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::pipeline {
namespace {

constexpr const char* scope = "builds";
constexpr std::size_t kept_builds = 20, most_builds = 100;

/// Labels that tell of the commit and not of the content. A version is what moving tags go by.
bool is_of_commit(const std::string& label) {
  return label == "org.opencontainers.image.revision" ||
         label == "org.opencontainers.image.created" ||
         label == "org.opencontainers.image.ref.name";
}

std::vector<std::string> names_of(const std::map<std::string, std::string>& places) {
  std::vector<std::string> names;
  names.reserve(places.size());
  for (const auto& [name, place] : places) names.push_back(name);
  return names;
}

/// Members are named as whoever asks why is told.
boost::json::object recipe_of(const BuildPlan& plan, const source::Context& context,
                              const boost::json::object& named) {
  std::map<std::string, std::string> labels = plan.labels;
  std::erase_if(labels, [](const auto& label) { return is_of_commit(label.first); });
  boost::json::object recipe{{"Dockerfile", os::sha256(context.dockerfile_text()).text()},
                             {"ignore file", os::sha256(context.ignore_text()).text()},
                             {"context", plan.context},
                             {"target", plan.target},
                             {"platform", plan.platform},
                             {"network", plan.network},
                             {"builder", render(plan.builder)},
                             {"engine", plan.engine},
                             {"args", json_object(plan.args)},
                             {"labels", json_object(labels)},
                             {"secrets", json_array(names_of(plan.secrets))},
                             {"ssh", json_array(names_of(plan.ssh))}};
  // Members that only some have: an older daemon's builds stay what they are.
  if (plan.reproducible) recipe["reproducible"] = true;
  for (const auto& context : named) recipe[concat("context ", context.key())] = context.value();
  return recipe;
}

boost::json::object to_json(const os::FileChoice& choice) {
  return {{"include", json_array(choice.include)},
          {"follow", json_array(choice.follow)},
          {"exclude", json_array(choice.exclude)}};
}

bool same(const os::FileChoice& one, const os::FileChoice& other) {
  return one.include == other.include && one.follow == other.follow && one.exclude == other.exclude;
}

}  // namespace

std::vector<Base> bases_of(const PastBuild& build) {
  std::vector<Base> bases = bases_from(Fields(build.built, "past build.built").get("bases"));
  // The stage of such a one was not built.
  std::erase_if(bases, [](const Base& base) {
    return !base.digest && base.image_id.empty() && base.unknown.empty();
  });
  return bases;
}

bool are_remote(const PastBuild& build) {
  return std::ranges::all_of(bases_of(build),
                             [](const Base& base) { return base.image_id.empty(); });
}

boost::json::array asked_files(const std::vector<os::FileChoice>& choices) {
  boost::json::array list;
  for (const os::FileChoice& choice : choices) list.push_back(to_json(choice));
  return list;
}

std::vector<os::FileChoice> asked_files_from(const boost::json::array& given) {
  std::vector<os::FileChoice> choices;
  for (const boost::json::value& each : given) {
    const Fields fields(each, "asked files");
    choices.push_back({fields.texts("include"), fields.texts("follow"), fields.texts("exclude")});
  }
  return choices;
}

void AskedFiles::add(const os::FileChoice& choice) {
  const std::lock_guard lock(mutex_);
  const bool known =
      std::ranges::any_of(choices_, [&](const os::FileChoice& each) { return same(each, choice); });
  if (!known) choices_.push_back(choice);
}

std::vector<os::FileChoice> AskedFiles::all() const {
  const std::lock_guard lock(mutex_);
  return choices_;
}

boost::json::object to_json(const PastBuild& build) {
  return {{"recipe", build.recipe},
          {"asked", asked_files(build.asked)},
          {"files", build.files},
          {"built", build.built},
          {"manifest", build.manifest},
          {"run", build.run},
          {"commit", build.commit},
          {"ref", build.ref},
          {"refs", boost::json::array(build.refs.begin(), build.refs.end())},
          {"started", render_time(build.started)},
          {"finished", render_time(build.finished)}};
}

PastBuild past_build_from(const boost::json::value& given) {
  const Fields fields(given, "past build");
  PastBuild build;
  build.recipe = fields.get("recipe").as_object();
  build.asked = asked_files_from(fields.get("asked").as_array());
  build.files = fields.text("files");
  build.built = fields.get("built");
  build.manifest = fields.text("manifest");
  build.run = fields.integer_or("run", 0);
  build.commit = fields.text("commit");
  build.ref = fields.text_or("ref", "");
  for (const std::string& ref : fields.texts("refs")) build.refs.insert(ref);
  build.started = fields.time_or("started", {});
  build.finished = fields.time_or("finished", {});
  return build;
}

std::vector<std::string> past_build_names(const store::Store& store) {
  const std::map<std::string, std::string> kept = store.facts(scope);
  std::vector<std::string> names;
  names.reserve(kept.size());
  for (const auto& [name, builds] : kept) names.push_back(name);
  return names;
}

std::vector<PastBuild> past_builds(const store::Store& store, const std::string& name) {
  std::vector<PastBuild> builds;
  const auto kept = store.find_fact(scope, name);
  if (!kept) return builds;
  const boost::json::value list = boost::json::parse(*kept);
  for (const boost::json::value& each : list.as_array()) builds.push_back(past_build_from(each));
  return builds;
}

PastBuilds::PastBuilds(Yard& yard, store::Store& store, const BuildPlan& plan,
                       const source::Context& context, const NamedContexts& named)
    : yard_(yard),
      store_(store),
      plan_(plan),
      context_(context),
      name_(concat(plan.source, '/', plan.image)),
      recipe_(recipe_of(plan, context, named.ids())) {
  builds_ = past_builds(store_, name_);
}

PastBuilds::Found PastBuilds::find(const std::stop_token& stop) {
  const std::string remote =
      engine::Dockerfile(context_.dockerfile_text()).remote_source(plan_.args);
  // Only the engine can tell whether it is still the same.
  if (!remote.empty()) return {.why = concat("it takes ", shortened(remote, 200))};
  if (builds_.empty()) return {.why = "it was not built before"};
  for (const PastBuild& build : builds_) {
    if (build.recipe != recipe_ || build.files != hash_of(build.asked, stop)) continue;
    return unless_bases_moved(build, stop);
  }
  return none_like(builds_.front(), stop);
}

void PastBuilds::keep(PastBuild build, const std::stop_token& stop) {
  build.recipe = recipe_;
  build.files = hash_of(build.asked, stop);
  put_first(std::move(build));
}

void PastBuilds::keep_again(PastBuild build, const std::string& ref) {
  build.refs.insert(ref);
  put_first(std::move(build));
}

void PastBuilds::put_first(PastBuild build) {
  // Another run of this image may have written since.
  static std::mutex writing;
  const std::lock_guard lock(writing);
  builds_ = past_builds(store_, name_);
  std::erase_if(builds_, [&](const PastBuild& each) {
    return each.recipe == build.recipe && each.files == build.files;
  });
  builds_.insert(builds_.begin(), std::move(build));
  boost::json::array list;
  std::set<std::string> seen;
  for (const PastBuild& each : builds_) {
    bool newest = false;
    for (const std::string& ref : each.refs) newest = seen.insert(ref).second || newest;
    const bool kept = list.size() < kept_builds || (newest && list.size() < most_builds);
    if (kept) list.push_back(to_json(each));
  }
  store_.put_fact(scope, name_, boost::json::serialize(list));
}

std::string PastBuilds::hash_of(const std::vector<os::FileChoice>& asked,
                                const std::stop_token& stop) {
  std::string& known = hashes_[boost::json::serialize(asked_files(asked))];
  if (!known.empty()) return known;
  os::Sha256 hash;
  for (const os::FileChoice& choice : asked) {
    // Times come from the content.
    context_.files(choice, stop)->list([&](const os::TarEntry& entry) {
      hash.update(entry.path);
      hash.update(concat('\0', static_cast<int>(entry.type), ' ', entry.mode, ' ', entry.size, ' ',
                         entry.seconds, '.', entry.nanoseconds, ' ', entry.link, '\0'));
    });
    hash.update("\n");
  }
  return known = hash.finish().text();
}

/// In what this build differs from the last one.
PastBuilds::Found PastBuilds::none_like(const PastBuild& last, const std::stop_token& stop) {
  for (const auto& field : recipe_) {
    const boost::json::value* before = last.recipe.if_contains(field.key());
    if (before == nullptr || *before != field.value()) {
      return {.why = concat(field.key(), " changed")};
    }
  }
  for (const auto& field : last.recipe) {
    if (!recipe_.contains(field.key())) return {.why = concat(field.key(), " is gone")};
  }
  if (last.commit == plan_.commit) return {.why = "files changed"};
  Found found;
  try {
    found.changed = context_.changed_since(last.commit, last.asked, stop);
  } catch (const Error& error) {
    // A commit that a force-push lost cannot be compared with.
    if (error.kind() != ErrorKind::not_found) throw;
    return {.why = "files changed"};
  }
  // Within a submodule, say.
  if (found.changed.empty()) return {.why = "files changed"};
  constexpr std::size_t shown = 5, kept = 1000;
  const std::vector<std::string> some(
      found.changed.begin(),
      found.changed.begin() + static_cast<std::ptrdiff_t>(std::min(shown, found.changed.size())));
  found.why = concat(
      "changed since run ", last.run, ": ", join(some, ", "),
      found.changed.size() > shown ? concat(" and ", found.changed.size() - shown, " more") : "");
  if (found.changed.size() > kept) found.changed.resize(kept);
  return found;
}

PastBuilds::Found PastBuilds::unless_bases_moved(const PastBuild& build,
                                                 const std::stop_token& stop) {
  const Fields built(build.built, "past build.built");
  const AskFirst first = plan_.pull ? AskFirst::registry : AskFirst::engine;
  for (const Base& base : bases_of(build)) {
    try {
      if (moved_to(base, built.text("engine"), first, yard_, stop).empty()) continue;
      return {.why = concat("base ", base.image, " moved"), .newer_base = are_remote(build)};
    } catch (const Error& error) {
      // Whether it moved is not known, so the engine has to see for itself.
      if (error.kind() == ErrorKind::cancelled) throw;
      return {.why = concat("base ", base.image, ": ", error.what())};
    }
  }
  return {.build = build};
}

}  // namespace lighterman::pipeline
