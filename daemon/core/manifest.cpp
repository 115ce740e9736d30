#include "core/manifest.hpp"

#include <boost/json.hpp>

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
    throw Error(ErrorKind::invalid,
                concat("manifest.mediaType: \"", media_type, "\" is not an image manifest"));
  }
  if (fields.natural("schemaVersion") != 2) {
    throw Error(ErrorKind::invalid, "manifest.schemaVersion: only version 2 is known");
  }
  Manifest manifest(descriptor_from(fields.get("config")));
  for (const boost::json::value& layer : fields.list("layers")) {
    manifest.layers_.push_back(descriptor_from(layer));
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
    config.diff_ids.push_back(DiffId::parse(diff_id));
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

std::string ImageConfig::instruction_of(std::size_t index) const {
  std::size_t layer = 0;
  for (const Step& step : history) {
    if (step.empty_layer) continue;
    if (layer++ == index) return step.created_by;
  }
  return "";
}

}  // namespace lighterman
