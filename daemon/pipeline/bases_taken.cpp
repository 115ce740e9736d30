#include <algorithm>
#include <map>

#include "core/error.hpp"
#include "core/text.hpp"
#include "pipeline/bases.hpp"
#include "pipeline/named_contexts.hpp"

namespace lighterman::pipeline {
namespace {

/// Whether both name the same image: by digest where FROM has one, else by tag.
bool same_image(const Reference& wanted, const Reference& seen) {
  if (wanted.name() != seen.name()) return false;
  if (wanted.digest()) return wanted.digest() == seen.digest();
  return wanted.tag().value_or("latest") == seen.tag().value_or("latest");
}

/// What BuildKit sets by itself (docs.docker.com/reference/dockerfile/
/// #automatic-platform-args-in-the-global-scope).
std::map<std::string, std::string> platform_args(const std::string& platform) {
  if (platform.empty()) return {};
  const std::vector<std::string> parts = split(platform, '/');
  return {{"TARGETPLATFORM", platform},
          {"TARGETOS", parts.at(0)},
          {"TARGETARCH", parts.size() > 1 ? parts[1] : ""},
          {"TARGETVARIANT", parts.size() > 2 ? parts[2] : ""}};
}

}  // namespace

std::vector<Base> bases_in(const engine::Dockerfile& dockerfile, const BuildPlan& plan) {
  std::vector<Base> bases;
  std::map<std::string, std::string> args = plan.args;
  args.merge(platform_args(plan.platform));
  for (const auto& each : dockerfile.bases(args)) {
    if (find_context(plan, each.image) != nullptr) continue;
    Base& base = bases.emplace_back();
    base.image = each.image;
    base.stage = each.stage;
    if (const auto reference = find_reference(base.image)) base.digest = reference->digest();
  }
  return bases;
}

std::vector<Base> named_bases(const engine::Dockerfile& dockerfile, const BuildPlan& plan,
                              engine::Engine& engine, Yard& yard, const std::stop_token& stop) {
  std::vector<Base> bases;
  const auto froms = dockerfile.bases(plan.args);
  for (const auto& [name, context] : plan.contexts) {
    if (context.image.empty()) continue;
    Base& base = bases.emplace_back();
    base.image = context.image;
    for (const auto& from : froms)
      if (find_context(plan, from.image) == &context) base.stage = from.stage;
    const Reference image = Reference::parse(context.image);
    base.digest = image.digest();
    if (base.digest || (!plan.pull && engine.find_image(context.image, stop))) continue;
    const Reference tagged = image.tag() ? image : image.with_tag("latest");
    base.digest = yard.registry(image.host()).find_tag(tagged, stop);
    if (base.digest) continue;
    throw Error(ErrorKind::not_found,
                concat("context \"", name, "\": there is no image ", context.image));
  }
  return bases;
}

void BaseWatch::see(const std::string& step) {
  // "[build 1/3] FROM docker.io/library/golang:1@sha256:...": COPY --from=IMAGE has no mark.
  std::string_view text = step;
  if (text.starts_with('[')) {
    const std::size_t mark = text.find("] ");
    text = mark == std::string_view::npos ? std::string_view() : text.substr(mark + 2);
  }
  if (!text.starts_with("FROM ")) return;
  const auto reference = find_reference(trim(text.substr(5)));
  if (reference && std::ranges::find(seen_, *reference) == seen_.end()) seen_.push_back(*reference);
}

std::vector<Base> BaseWatch::finish(engine::Engine& engine, Builder builder,
                                    const std::stop_token& stop) {
  std::vector<bool> taken(bases_.size(), builder == Builder::classic);
  if (builder != Builder::classic) {
    for (const Reference& seen : seen_) {
      bool named = false;
      for (std::size_t at = 0; at < bases_.size(); ++at) {
        const auto wanted = find_reference(bases_[at].image);
        if (!wanted || !same_image(*wanted, seen)) continue;
        if (!bases_[at].digest) bases_[at].digest = seen.digest();
        named = taken[at] = true;
      }
      if (named) continue;
      const std::string tag = seen.tag() ? concat(':', *seen.tag()) : "";
      bases_.push_back({.image = concat(seen.name(), tag), .stage = "", .digest = seen.digest()});
      taken.push_back(true);
    }
  }
  bases_.insert(bases_.end(), named_.begin(), named_.end());
  taken.resize(bases_.size(), true);
  for (std::size_t at = 0; at < bases_.size(); ++at) {
    Base& base = bases_[at];
    const auto wanted = find_reference(base.image);
    if (!taken[at] || base.digest || !wanted) continue;
    const auto image = engine.find_image(base.image, stop);
    if (image) {
      base.created = image->created;
      const auto found = std::ranges::find(image->digests, wanted->name(), &Reference::name);
      if (found != image->digests.end()) base.digest = found->digest();
      if (!base.digest) base.image_id = image->id;
    }
    if (!base.digest && !image)
      base.unknown =
          "the build does not tell which digest it copied from: name it by digest, or take it as a "
          "stage (FROM ... AS ...)";
    else if (!base.digest)
      base.unknown =
          "the engine's image of that name did not come from its registry: it was built or loaded "
          "there (pull: true asks the registry)";
  }
  return std::move(bases_);
}

}  // namespace lighterman::pipeline
