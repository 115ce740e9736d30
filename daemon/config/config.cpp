#include "config/config.hpp"

#include "config/rows.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "os/file.hpp"

namespace lighterman::config {
namespace {

constexpr std::uint64_t file_limit = 4 << 20;

YAML::Node parse_yaml(const std::string& text, const std::string& name) {
  try {
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    // The parser's message says what it expected; it never quotes a value.
    const std::string line = error.mark.is_null() ? "" : concat(":", error.mark.line + 1);
    throw Error(ErrorKind::invalid, concat(name, line, ": not valid YAML: ", error.msg));
  }
}

void throw_if_any(const std::vector<Finding>& findings) {
  if (findings.empty()) return;
  std::vector<std::string> lines;
  lines.reserve(findings.size());
  for (const Finding& finding : findings)
    lines.push_back(concat(finding.where, ": ", finding.text));
  throw Error(ErrorKind::invalid, join(lines, "\n"));
}

}  // namespace

std::string Config::base_url() const {
  std::string url = public_url.empty() ? concat(tls ? "https://" : "http://", listen) : public_url;
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::string Config::run_url(std::int64_t run) const { return concat(base_url(), "/#/runs/", run); }

const Source& Config::source(const std::string& name) const {
  if (const auto found = sources.find(name); found != sources.end()) return found->second;
  std::vector<std::string> known;
  known.reserve(sources.size());
  for (const auto& [each, source] : sources) known.push_back(each);
  throw Error(ErrorKind::not_found,
              concat("source \"", name, "\" is not configured", did_you_mean(name, known)));
}

Config parse(const std::string& text, const std::filesystem::path& name) {
  const YAML::Node document = parse_yaml(text, name.string());
  Config config;
  config.file = name;
  std::vector<Finding> findings;
  const Value top(document, name.string(), "", findings);
  if (document.IsNull()) {
    top.refuse("says nothing; `lighterman init` writes one to begin with");
  } else {
    read_object(config, config_rows(), top);
    check(config, top);
  }
  throw_if_any(findings);
  if (config.engines.empty()) config.engines.push_back(engine::options_from_environment());
  return config;
}

Config load(const std::filesystem::path& file) {
  return parse(os::read_file(file, file_limit), file);
}

std::map<std::string, Image> parse_repository_file(const std::string& text, const Source& source) {
  const std::string name = ".lighterman.yml";
  const YAML::Node document = parse_yaml(text, name);
  std::vector<Finding> findings;
  std::map<std::string, Image> images;
  for (const auto& [key, value] : Value(document, name, "", findings).pairs()) {
    if (key == "images") {
      read_images(images, value, repository_image_rows());
    } else if (!key.starts_with("x-")) {
      refuse_unknown(value, key, {"images"});
    }
  }
  for (auto& [image_name, image] : images) {
    for (const Reference& target : image.targets) {
      if (std::ranges::none_of(source.allowed_targets, [&](const std::string& glob) {
            return matches_glob(glob, target.name());
          })) {
        findings.push_back({Finding::Weight::error, concat(name, ": images.", image_name),
                            concat("may not publish to \"", target.name(),
                                   "\": it is not among the source's allowed_targets")});
      }
    }
    for (const auto& [context_name, context] : image.contexts) {
      if (context.source.empty()) continue;
      findings.push_back(
          {Finding::Weight::error,
           concat(name, ": images.", image_name, ".contexts.", context_name),
           "may not take files of another source: only the daemon's configuration may say so"});
    }
    // What it does not say, or may not say, stays as the operator says it.
    if (const auto operators = source.images.find(image_name); operators != source.images.end()) {
      image.network = operators->second.network;
      image.engine = operators->second.engine;
      image.builder = operators->second.builder;
      image.staging = operators->second.staging;
      image.secrets = operators->second.secrets;
      image.ssh = operators->second.ssh;
      image.cache_from = operators->second.cache_from;
      image.cache_to = operators->second.cache_to;
      for (const auto& [context_name, context] : operators->second.contexts)
        image.contexts.insert_or_assign(context_name, context);
      image.limits = operators->second.limits;
    }
  }
  throw_if_any(findings);
  return images;
}

}  // namespace lighterman::config
