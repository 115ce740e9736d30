#include "pipeline/scene.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "pipeline/matrix.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::string_view repository_file = ".lighterman.yml";

/// The operator's images; the repository's own file, where it is allowed, describes more of them or
/// describes them anew.
std::map<std::string, config::Image> images_of(Yard& yard, const config::Source& source,
                                               const source::Commit& commit) {
  std::map<std::string, config::Image> images = source.images;
  if (!source.repository_file) return images;
  const auto text = yard.mirror(source.name).find_file(commit.id, std::string(repository_file));
  if (!text) return images;
  for (auto& [name, image] : config::parse_repository_file(*text, source)) {
    images.insert_or_assign(name, std::move(image));
  }
  return images;
}

/// One image for each combination of its matrix.
std::map<std::string, config::Image> expanded(const std::map<std::string, config::Image>& images) {
  std::map<std::string, config::Image> all;
  for (const auto& [name, image] : images) {
    for (config::Image& variant : matrix_variants(image)) {
      const std::string variant_name = variant.name;
      if (!all.emplace(variant_name, std::move(variant)).second) {
        throw Error(ErrorKind::invalid, concat("two images are called \"", variant_name,
                                               "\"; one of them by the matrix of another"));
      }
    }
  }
  return all;
}

std::string default_branch(Yard& yard, store::Store& store, const std::string& source,
                           const std::stop_token& stop) {
  const std::string scope = concat("source:", source);
  try {
    if (const auto ref = yard.mirror(source).default_branch(stop)) {
      const std::string branch = ref->substr(ref->rfind("heads/") + 6);
      store.put_fact(scope, "default_branch", branch);
      return branch;
    }
  } catch (const Error& error) {
    // It hardly ever changes: what the remote said last will do while it cannot be asked.
    if (error.kind() != ErrorKind::unavailable) throw;
  }
  return store.find_fact(scope, "default_branch").value_or("");
}

std::optional<std::vector<std::string>> changed_paths(Yard& yard, const PushEvent& event,
                                                      const source::Commit& commit) {
  if (event.changed_paths) return event.changed_paths;
  if (event.before.empty() || event.before.find_first_not_of('0') == std::string::npos) return {};
  try {
    return yard.mirror(event.source).changed_paths(event.before, commit.id);
  } catch (const Error& error) {
    // After a force-push the previous commit may be gone: then every image is built.
    if (error.kind() != ErrorKind::not_found) throw;
    return {};
  }
}

}  // namespace

PlanScene look_at(Yard& yard, store::Store& store, const Run& run, const source::Commit& commit,
                  const std::stop_token& stop) {
  PlanScene scene;
  scene.run = &run;
  scene.source = &yard.config().source(run.event.source);
  scene.images = expanded(images_of(yard, *scene.source, commit));
  scene.commit = commit;
  scene.default_branch = default_branch(yard, store, run.event.source, stop);
  scene.changed_paths = changed_paths(yard, run.event, commit);
  return scene;
}

}  // namespace lighterman::pipeline
