#include <algorithm>

#include "config/rows.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"

namespace lighterman::config {
namespace {

void read_targets(Image& to, const Value& value) {
  for (const Value& item : value.items()) {
    const auto given = item.text("a reference such as registry.example/team/app");
    if (!given) continue;
    try {
      Reference target = Reference::parse(*given);
      if (target.digest()) {
        item.refuse("cannot have a digest: it is where to publish, not what");
      } else if (target.tag()) {
        item.refuse("cannot have a tag; tags are said by `tags:`");
      } else {
        to.targets.push_back(std::move(target));
      }
    } catch (const Error& error) {
      item.refuse(error.what());
    }
  }
}

Json show_targets(const Image& image) {
  std::vector<std::string> names;
  for (const Reference& target : image.targets) names.push_back(target.name());
  return show(names);
}

template <class T>
Row<Image> choice(std::string name, T Image::*member, std::string meaning,
                  T (*parse)(std::string_view), std::initializer_list<std::string_view> names) {
  boost::json::array known;
  for (const std::string_view each : names) known.emplace_back(each);
  return {std::move(name),
          std::move(meaning),
          [member, parse](Image& to, const Value& value) {
            const auto given = value.text();
            if (!given) return;
            try {
              to.*member = parse(*given);
            } catch (const Error& error) {
              value.refuse(error.what());
            }
          },
          [member](const Image& from) { return Json(render(from.*member)); },
          {{"enum", std::move(known)}}};
}

void read_platforms(Image& to, const Value& value) {
  std::vector<std::string> given;
  read(given, value);
  for (const std::string& platform : given) {
    // os/architecture[/variant] (OCI image-spec, image-index.md, "platform").
    const std::vector<std::string> parts = split(platform, '/');
    const bool well = (parts.size() == 2 || parts.size() == 3) &&
                      std::ranges::none_of(parts, [](const auto& part) { return part.empty(); });
    if (!well) {
      value.refuse(concat("\"", platform, "\" is no platform such as linux/arm64"));
    } else if (std::ranges::find(to.platforms, platform) != to.platforms.end()) {
      value.refuse(concat("has \"", platform, "\" twice"));
    } else {
      to.platforms.push_back(platform);
    }
  }
}

/// A key to sign in with, or the socket of an agent that has one.
void read_ssh(Image& to, const Value& value) {
  for (const auto& [id, inner] : value.pairs()) {
    const auto given = inner.text("file:PATH or agent:SOCKET");
    if (!given) continue;
    const bool well = (given->starts_with("file:") && given->size() > 5) ||
                      (given->starts_with("agent:/") && given->size() > 7);
    if (!well) inner.refuse("must be file:PATH of a private key, or agent:SOCKET (a full path)");
    to.ssh[id] = *given;
  }
}

void read_contexts(Image& to, const Value& value) {
  for (const auto& [name, inner] : value.pairs()) {
    const auto given = inner.text("a folder, docker-image://REFERENCE or source:NAME#REF:FOLDER");
    if (!given) continue;
    try {
      const bool fresh =
          to.contexts.insert_or_assign(context_name(name), parse_named_context(*given)).second;
      if (!fresh) inner.refuse("is named twice");
    } catch (const Error& error) {
      inner.refuse(error.what());
    }
  }
}

Json show_contexts(const Image& image) {
  boost::json::object shown;
  for (const auto& [name, context] : image.contexts) shown[name] = render(context);
  return shown.empty() ? Json() : Json(std::move(shown));
}

void read_cache_to(Image& to, const Value& value) {
  const auto given = value.text("registry/repository:tag");
  if (!given) return;
  try {
    to.cache_to = Reference::parse(*given).text();
  } catch (const Error& error) {
    value.refuse(error.what());
  }
}

void read_matrix(Image& to, const Value& value) {
  for (const auto& [arg, inner] : value.pairs()) {
    read(to.matrix[arg], inner);
    if (to.matrix[arg].empty()) inner.refuse("has no value");
  }
}

Json show_matrix(const Image& image) {
  boost::json::object shown;
  for (const auto& [arg, values] : image.matrix) shown[arg] = show(values);
  return shown.empty() ? Json() : Json(std::move(shown));
}

template <class Member>
Row<Image> limit(std::string name, Member BuildLimits::*member, std::string meaning) {
  return {std::move(name), std::move(meaning),
          [member](Image& to, const Value& value) { read(to.limits.*member, value); },
          [member](const Image& from) { return show(from.limits.*member); }, schema_of(Member{})};
}

std::vector<Row<Image>> repository_rows() {
  const Json references = schema_of(std::vector<std::string>());
  return {
      {"reference", "Where to publish: registry/repository, without a tag", read_targets,
       [](const Image&) { return Json(); }, schema_of(std::string())},
      {"targets", "Several of them", read_targets, show_targets, references},
      row("context", &Image::context, "Folder of the repository that is the build context"),
      row("dockerfile", &Image::dockerfile,
          "The Dockerfile, from the repository's top; default: in the context"),
      row("target", &Image::target, "Stage to build; default: the last"),
      {"platform", "Such as linux/arm64; default: the engine's", read_platforms,
       [](const Image&) { return Json(); }, schema_of(std::string())},
      {"platforms", "Several of them: each is built, and one index names them all", read_platforms,
       [](const Image& from) { return show(from.platforms); }, references},
      {"matrix",
       "Values of build arguments: one image for each combination",
       read_matrix,
       show_matrix,
       {{"type", "object"}, {"additionalProperties", references}}},
      row("args", &Image::args, "Build arguments"),
      {"contexts",
       "What FROM and --from call by a name: a folder of the repository, docker-image://REFERENCE, "
       "or source:NAME#REF:FOLDER of another source",
       read_contexts,
       show_contexts,
       {{"type", "object"}, {"additionalProperties", schema_of(std::string())}}},
      row("labels", &Image::labels, "Labels beside the ones of OCI that are always set"),
      row("tags", &Image::tags,
          "Tags to publish: {branch}, {version}, {short} and others; default: by branch or "
          "version"),
      row("branches", &Image::branches,
          "Globs of branches this image is for; default: the source's"),
      row("git_tags", &Image::git_tags,
          "Globs of git tags this image is for; default: the source's"),
      row("paths", &Image::paths, "Build only when one of these paths changed (globs)"),
      row("paths_ignore", &Image::paths_ignore, "Changes of these paths do not count (globs)"),
      choice("reuse", &Image::reuse,
             "auto: an image that was built of the same files in the same way is tagged again",
             parse_reuse, {"auto", "never"}),
      row("reproducible", &Image::reproducible,
          "Building a commit gives the same digest at any time: file times are limited to 1980, or "
          "to "
          "the argument SOURCE_DATE_EPOCH, and the image is as old as its commit"),
      row("no_cache", &Image::no_cache, "Build every step anew"),
      row("pull", &Image::pull, "Look for newer base images at each build"),
  };
}

std::vector<Row<Image>> all_rows() {
  std::vector<Row<Image>> rows = repository_rows();
  const std::vector<Row<Image>> more{
      row("network", &Image::network, "Network of RUN steps: default, none or host"),
      row("engine", &Image::engine, "Name or label of the engine to build on; default: any"),
      choice("builder", &Image::builder, "The engine's builder", parse_builder,
             {"auto", "buildkit", "classic"}),
      choice("staging", &Image::staging, "How the image leaves the engine", parse_staging_way,
             {"auto", "push", "export"}),
      {"secrets",
       "Secrets for RUN --mount=type=secret, by id: file:PATH or env:NAME",
       [](Image& to, const Value& value) {
         for (const auto& [id, inner] : value.pairs()) read_place(to.secrets[id], inner);
       },
       [](const Image& from) { return show(from.secrets); },
       {{"type", "object"}, {"additionalProperties", place_schema()}}},
      {"ssh",
       "SSH keys for RUN --mount=type=ssh, by id: file:PATH of a key or agent:SOCKET",
       read_ssh,
       [](const Image& from) { return show(from.ssh); },
       {{"type", "object"},
        {"additionalProperties", {{"type", "string"}, {"pattern", "^(file:|agent:/).+"}}}}},
      row("cache_from", &Image::cache_from, "Images whose layers may serve as cache"),
      {"cache_to",
       "An image that keeps the cache of all steps, for other engines; needs one with the "
       "containerd image store",
       read_cache_to, [](const Image& from) { return show(from.cache_to); },
       schema_of(std::string())},
      limit("memory", &BuildLimits::memory_bytes, "Memory of a build container"),
      limit("cpus", &BuildLimits::cpus, "Processors of a build container"),
      limit("timeout", &BuildLimits::timeout, "A build that takes longer is stopped"),
  };
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace

const std::vector<Row<Image>>& repository_image_rows() {
  static const std::vector<Row<Image>> rows = repository_rows();
  return rows;
}

const std::vector<Row<Image>>& image_rows() {
  static const std::vector<Row<Image>> rows = all_rows();
  return rows;
}

void read_image(Image& to, const std::string& name, const Value& value,
                const std::vector<Row<Image>>& rows) {
  to = Image();
  to.name = name;
  if (value.node.IsScalar()) {
    read_targets(to, value);
  } else {
    read_object(to, rows, value);
    if (value.node.IsMap() && !value.node["reference"] && !value.node["targets"])
      value.refuse("says not where to publish; set `reference: registry/repository`");
  }
}

void read_images(std::map<std::string, Image>& to, const Value& value,
                 const std::vector<Row<Image>>& rows) {
  for (const auto& [name, inner] : value.pairs()) read_image(to[name], name, inner, rows);
}

}  // namespace lighterman::config
