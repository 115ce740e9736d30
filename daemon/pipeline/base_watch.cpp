#include "pipeline/base_watch.hpp"

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "pipeline/past_builds.hpp"

namespace lighterman::pipeline {
namespace {

/// The first base of a build that moved, and what to.
struct Move {
  std::string base, to;
};
std::optional<Move> first_move(const PastBuild& build, Yard& yard, const std::stop_token& stop) {
  const Fields built(build.built, "past build.built");
  for (const Base& base : bases_of(build)) {
    try {
      const std::string to = moved_to(base, built.text("engine"), AskFirst::registry, yard, stop);
      if (!to.empty() && to != "gone") return Move{base.image, to};
    } catch (const Error& error) {
      // Looked at again the next time.
      if (error.kind() == ErrorKind::cancelled) throw;
    }
  }
  return {};
}

/// Whether the configuration still has it; the repository's own file may describe others.
bool has_image(const config::Source& source, const std::string& image) {
  return source.repository_file || std::ranges::any_of(source.images, [&](const auto& each) {
           return each.first == image ||
                  (!each.second.matrix.empty() && image.starts_with(each.first + '-'));
         });
}

PushEvent event_of(const std::string& source, const std::string& image, const std::string& ref,
                   const Move& move, const PastBuild& build, Instant now) {
  PushEvent event;
  event.source = source;
  event.origin = Origin::schedule;
  event.ref = ref;
  event.images = {image};
  event.delivery = concat("base:", image, ':', ref, ':', move.base, ':', move.to);
  event.reason = concat("base ", move.base, " moved");
  event.pull = are_remote(build);
  event.received = now;
  return event;
}

}  // namespace

std::vector<RunId> watch_bases(Yard& yard, store::Store& store, Instant now,
                               const std::stop_token& stop) {
  std::vector<RunId> added;
  std::map<std::string, std::map<std::string, std::string>> heads;
  for (const std::string& name : past_build_names(store)) {
    const std::string source = name.substr(0, name.find('/'));
    const std::string part = name.substr(source.size() + 1);
    const std::string image = part.substr(0, part.find('@'));
    const auto known = yard.config().sources.find(source);
    if (known == yard.config().sources.end() || !has_image(known->second, image)) continue;
    std::set<std::string> seen;
    for (const PastBuild& build : past_builds(store, name)) {
      std::vector<std::string> branches;
      // A git tag names what was released: it is not built anew behind anybody's back.
      for (const std::string& ref : build.refs) {
        if (ref.starts_with("refs/heads/") && seen.insert(ref).second) branches.push_back(ref);
      }
      const auto move = branches.empty() ? std::nullopt : first_move(build, yard, stop);
      if (!move) continue;
      if (!heads.contains(source)) heads[source] = yard.mirror(source).remote_heads(stop);
      for (const std::string& ref : branches) {
        if (!heads[source].contains(ref)) continue;
        const store::Added result =
            store.add(event_of(source, image, ref, *move, build, now), store::Store::Supersede::no);
        if (!result.duplicate) added.push_back(result.run);
      }
    }
  }
  return added;
}

}  // namespace lighterman::pipeline
