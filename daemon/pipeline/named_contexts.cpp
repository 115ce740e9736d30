#include "pipeline/named_contexts.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"
#include "engine/engine.hpp"

namespace lighterman::pipeline {
namespace {

bool is_commit(const std::string& ref) {
  constexpr std::size_t length = 40;
  return ref.size() == length && ref.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// "main" and "v1" as full refs; of equal names the branch is meant.
std::string full_ref(source::Mirror& mirror, const std::string& ref, const std::stop_token& stop) {
  if (ref.empty() || ref.starts_with("refs/")) return ref;
  const auto heads = mirror.remote_heads(stop);
  std::vector<std::string> names;
  names.reserve(heads.size());
  for (const std::string prefix : {"refs/heads/", "refs/tags/"}) {
    if (heads.contains(prefix + ref)) return prefix + ref;
    for (const auto& [name, commit] : heads) {
      if (name.starts_with(prefix)) names.push_back(name.substr(prefix.size()));
    }
  }
  throw Error(ErrorKind::not_found,
              concat("source \"", mirror.options().name, "\" has no branch or tag \"", ref, '"',
                     did_you_mean(ref, names)));
}

}  // namespace

void pin_contexts(BuildPlan& plan, Yard& yard, const std::stop_token& stop) {
  for (auto& [name, context] : plan.contexts) {
    if (context.source.empty() || is_commit(context.ref)) continue;
    source::Mirror& mirror = yard.mirror(context.source);
    context.ref = during(concat("context \"", name, "\""), [&, &from = context] {
      return mirror.fetch(full_ref(mirror, from.ref, stop), "", {}, stop).id;
    });
  }
}

NamedContexts::NamedContexts(const BuildPlan& plan, Yard& yard, const std::stop_token& stop) {
  for (const auto& [name, context] : plan.contexts) {
    if (!context.image.empty()) {
      ids_[name] = context.image;
      continue;
    }
    const bool own = context.source.empty();
    source::Mirror& mirror = yard.mirror(own ? plan.source : context.source);
    if (!own) mirror.fetch("", context.ref, {}, stop);
    const source::Folder& folder = folders_
                                       .try_emplace(engine::named_folder(name), mirror,
                                                    own ? plan.commit : context.ref, context.folder)
                                       .first->second;
    ids_[name] = folder.id();
  }
}

std::unique_ptr<os::FileTree> NamedContexts::files(const std::string& folder,
                                                   const os::FileChoice& choice,
                                                   const std::stop_token& stop) const {
  const auto found = folders_.find(folder);
  return found == folders_.end() ? nullptr : found->second.files(choice, stop);
}

const NamedContext* find_context(const BuildPlan& plan, const std::string& image) {
  try {
    const auto found = plan.contexts.find(context_name(image));
    return found == plan.contexts.end() ? nullptr : &found->second;
  } catch (const Error&) {
    // A variable that nobody set.
    return nullptr;
  }
}

}  // namespace lighterman::pipeline
