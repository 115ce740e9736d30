#include "staging/redate.hpp"

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "core/time.hpp"
#include "os/compress.hpp"
#include "os/tar_times.hpp"

namespace lighterman::staging {
namespace {

namespace json = boost::json;
constexpr const char* redated_layers = "redated-layer";  ///< facts: diff ID and time -> diff ID

store::KnownLayer redate_layer(Wing& wing, const ImportOptions& options, const StagedLayer& layer,
                               std::int64_t latest, const std::stop_token& stop) {
  const std::string key = concat(*layer.diff_id, ' ', latest);
  if (const auto redated = wing.store().find_fact(redated_layers, key)) {
    if (auto known = find_layer(wing, options, DiffId::parse(*redated), stop)) return *known;
  }
  const Pull tar = os::decompressed(wing.open(layer.blob.digest, 0, stop));
  store::KnownLayer taken = take_layer(wing, options, os::limit_tar_times(tar, latest), stop);
  wing.store().put_fact(redated_layers, key, taken.diff_id.text());
  return taken;
}

void put_time(json::object& holder, std::int64_t seconds) {
  if (holder.contains("created"))
    holder["created"] = render_time(Instant{std::chrono::seconds(seconds)});
}

std::string redate_config(const std::string& bytes, const std::vector<DiffId>& layers,
                          std::int64_t created) {
  json::value value = parse_json(bytes, "the image's configuration");
  json::object& config = value.as_object();
  put_time(config, created);
  if (json::value* history = config.if_contains("history"); history && history->is_array()) {
    for (json::value& step : history->get_array()) {
      if (step.is_object()) put_time(step.get_object(), created);
    }
  }
  // The classic builder's last container and image before it, of which every build has others.
  config.erase("container");
  config.erase("container_config");
  if (json::value* run = config.if_contains("config"); run && run->is_object()) {
    run->get_object().erase("Image");
  }
  // Names the layers as they were: whoever took it for a cache would look for them in vain.
  config.erase("moby.buildkit.cache.v0");
  json::array diff_ids;
  for (const DiffId& layer : layers) diff_ids.emplace_back(layer.text());
  config["rootfs"].as_object()["diff_ids"] = std::move(diff_ids);
  return json::serialize(value);
}

/// As OCI calls it: the manifest is of that kind.
Descriptor in_oci_words(Descriptor layer) {
  if (layer.media_type == media::docker_layer_gzip) layer.media_type = media::oci_layer_gzip;
  return layer;
}

}  // namespace

Digest redate(Wing& wing, const ImportOptions& options, const StagedImage& image,
              const Dates& dates, std::size_t own, const std::stop_token& stop) {
  std::vector<Descriptor> blobs;
  std::vector<DiffId> diff_ids;
  blobs.reserve(image.layers.size());
  diff_ids.reserve(image.layers.size());
  for (const StagedLayer& layer : image.layers) {
    if (!layer.diff_id) {
      throw Error(ErrorKind::invalid, concat("layer ", layer.blob.digest, " has no diff ID"));
    }
    if (blobs.size() < own) {
      blobs.push_back(in_oci_words(layer.blob));
      diff_ids.push_back(*layer.diff_id);
      continue;
    }
    const store::KnownLayer known = redate_layer(wing, options, layer, dates.latest_file, stop);
    blobs.push_back(known.blob);
    diff_ids.push_back(known.diff_id);
  }
  const std::string config =
      redate_config(wing.read(image.config.digest, config_limit, stop), diff_ids, dates.created);
  const Digest digest = wing.layout().keep(config);
  wing.received(digest, config.size());
  return wing.put_manifest(
      wing.tag(), Manifest::compose({std::string(media::oci_config), digest, config.size()}, blobs),
      stop);
}

}  // namespace lighterman::staging
