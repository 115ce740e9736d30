#include "core/manifest.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "core/error.hpp"
#include "core/image.hpp"
#include "core/json.hpp"

namespace lighterman {

Manifest Manifest::parse(std::string bytes) {
  const boost::json::value value = parse_json(bytes, "manifest");
  const Fields fields(value, "manifest");
  const std::string media_type = fields.text_or("mediaType", std::string(media::oci_manifest));
  if (media_type == media::oci_index || media_type == media::docker_index ||
      fields.find("manifests") != nullptr) {
    throw Error(ErrorKind::invalid, "the manifest is an index of several images, not one image");
  }
  if (media_type != media::oci_manifest && media_type != media::docker_manifest) {
    throw Error(ErrorKind::invalid, concat("manifest.mediaType: \"", shortened(media_type, 120),
                                           "\" is not an image manifest"));
  }
  if (fields.natural("schemaVersion") != 2) {
    throw Error(ErrorKind::invalid, "manifest.schemaVersion: only version 2 is known");
  }
  Manifest manifest(
      during("manifest.config", [&] { return descriptor_from(fields.get("config")); }));
  fields.get("layers");
  for (const boost::json::value& layer : fields.list("layers")) {
    manifest.layers_.push_back(during("manifest.layers", [&] { return descriptor_from(layer); }));
  }
  manifest.media_type_ = media_type;
  manifest.bytes_ = std::move(bytes);
  return manifest;
}

Manifest Manifest::compose(const Descriptor& config, const std::vector<Descriptor>& layers) {
  boost::json::array array;
  for (const Descriptor& layer : layers) array.push_back(to_json(layer));
  // Boost.JSON keeps the order in which the fields are added, so equal images have equal bytes.
  const boost::json::object object{{"schemaVersion", 2},
                                   {"mediaType", std::string(media::oci_manifest)},
                                   {"config", to_json(config)},
                                   {"layers", std::move(array)}};
  return parse(boost::json::serialize(object));
}

ImageConfig ImageConfig::parse(std::string_view bytes) {
  const boost::json::value value = parse_json(bytes, "image configuration");
  const Fields fields(value, "image configuration");
  ImageConfig config;
  config.os = fields.text_or("os", "");
  config.architecture = fields.text_or("architecture", "");
  const Fields rootfs(fields.get("rootfs"), "image configuration.rootfs");
  for (const std::string& diff_id : rootfs.texts("diff_ids")) {
    config.diff_ids.push_back(
        during(rootfs.path("diff_ids"), [&] { return DiffId::parse(diff_id); }));
  }
  for (const boost::json::value& entry : fields.list("history")) {
    const Fields step(entry, "image configuration.history");
    config.history.push_back({step.text_or("created_by", ""), step.flag_or("empty_layer", false)});
  }
  if (const boost::json::value* inner = fields.find("config")) {
    config.labels = Fields(*inner, "image configuration.config").text_map("Labels");
  }
  return config;
}

namespace {

/// The classic builder and BuildKit wrap an instruction in different ways; people wrote neither.
std::string instruction_in(std::string_view created_by) {
  std::string_view text = trim(created_by);
  constexpr std::string_view buildkit = "# buildkit", shell = "/bin/sh -c ", nop = "#(nop)";
  if (text.ends_with(buildkit)) text = trim(text.substr(0, text.size() - buildkit.size()));
  const bool is_run = text.starts_with("RUN ");
  std::string_view command = is_run ? trim(text.substr(4)) : text;
  if (!command.starts_with(shell)) return std::string(text);
  command = trim(command.substr(shell.size()));
  if (command.starts_with(nop)) return std::string(trim(command.substr(nop.size())));
  return concat("RUN ", command);
}

}  // namespace

std::string ImageConfig::instruction_of(std::size_t index) const {
  const auto made_layer = [](const Step& step) { return !step.empty_layer; };
  const auto layers =
      static_cast<std::size_t>(std::count_if(history.begin(), history.end(), made_layer));
  // A history that does not match the layers would name the wrong one.
  if (layers != diff_ids.size() || index >= layers) return {};
  for (const Step& step : history)
    if (made_layer(step) && index-- == 0) return instruction_in(step.created_by);
  return {};
}

}  // namespace lighterman
