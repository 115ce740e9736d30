#include "trust/artifact.hpp"

#include <boost/json/serialize.hpp>

#include "core/error.hpp"
#include "core/image.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::trust {
namespace json = boost::json;
namespace {

constexpr std::string_view empty_media = "application/vnd.oci.empty.v1+json";
constexpr std::string_view bundle_family = "application/vnd.dev.sigstore.bundle";
/// Nobody signs one image so often; whoever fills a tag so is no friend.
constexpr std::size_t most_layers = 1000;

std::string tag_of(const Digest& image, std::string_view ending) {
  return concat("sha256-", image.hex(), ending);
}

/// An image configuration like the one cosign writes: registries that look inside expect as many
/// entries as layers.
Blob attached_config(const json::array& layers) {
  json::array history, diff_ids;
  for (const json::value& layer : layers) {
    history.push_back(json::object{{"created", "0001-01-01T00:00:00Z"}});
    diff_ids.emplace_back(Fields(layer, "layer").text("digest"));
  }
  return {std::string(media::oci_config),
          json::serialize(
              json::object{{"architecture", ""},
                           {"created", "0001-01-01T00:00:00Z"},
                           {"history", std::move(history)},
                           {"os", ""},
                           {"rootfs", {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}},
                           {"config", json::object()}})};
}

json::object begun_manifest() {
  return {{"schemaVersion", 2},
          {"mediaType", media::oci_manifest},
          {"config", json::object()},
          {"layers", json::array()}};
}

}  // namespace

Descriptor Blob::descriptor() const { return {media_type, os::sha256(bytes), bytes.size()}; }

std::string signature_tag(const Digest& image) { return tag_of(image, ".sig"); }
std::string attestation_tag(const Digest& image) { return tag_of(image, ".att"); }

std::vector<AttachedLayer> attached_layers(const std::string& manifest) {
  // Refuses what is no image manifest.
  Manifest::parse(manifest);
  const json::value value = parse_json(manifest, "manifest");
  std::vector<AttachedLayer> layers;
  for (const json::value& each : Fields(value, "manifest").list("layers")) {
    if (layers.size() == most_layers)
      throw Error(ErrorKind::invalid, concat("the manifest has more than ", most_layers,
                                             " layers; that many signatures are not looked at"));
    layers.push_back(
        {descriptor_from(each), Fields(each, "manifest.layers").text_map("annotations")});
  }
  return layers;
}

Attachment attached_signature(std::string payload, std::string_view signature) {
  return {{std::string(simple_signing_media), std::move(payload)},
          {{std::string(signature_annotation), render_base64(signature)}}};
}

Attachment attached_envelope(const Envelope& envelope, std::string_view predicate_type) {
  // cosign looks for the first annotation although the signature is inside the envelope.
  return {
      {std::string(envelope_media), render(envelope)},
      {{std::string(signature_annotation), ""}, {"predicateType", std::string(predicate_type)}}};
}

Artifact with_attached(const std::string& manifest, std::vector<Attachment> added) {
  json::object object = begun_manifest();
  if (!manifest.empty()) {
    attached_layers(manifest);
    object = parse_json(manifest, "manifest").as_object();
  }
  Artifact artifact;
  json::array& layers = object["layers"].as_array();
  for (Attachment& each : added) {
    json::object layer = lighterman::to_json(each.layer.descriptor()).as_object();
    layer["annotations"] = json_object(each.annotations);
    layers.push_back(std::move(layer));
    artifact.blobs.push_back(std::move(each.layer));
  }
  artifact.blobs.push_back(attached_config(layers));
  object["config"] = lighterman::to_json(artifact.blobs.back().descriptor());
  artifact.media_type =
      Fields(object, "manifest").text_or("mediaType", std::string(media::oci_manifest));
  artifact.manifest = json::serialize(object);
  return artifact;
}

Artifact bundle_artifact(const Descriptor& subject, std::string bundle,
                         std::string_view predicate_type, Instant created) {
  const Blob layer{std::string(bundle_media), std::move(bundle)};
  const Blob config{std::string(empty_media), "{}"};
  const json::object manifest{{"schemaVersion", 2},
                              {"mediaType", media::oci_manifest},
                              {"artifactType", bundle_media},
                              {"config", lighterman::to_json(config.descriptor())},
                              {"layers", json::array{lighterman::to_json(layer.descriptor())}},
                              {"subject", lighterman::to_json(subject)},
                              {"annotations",
                               {{"dev.sigstore.bundle.content", "dsse-envelope"},
                                {bundle_predicate_annotation, predicate_type},
                                {"org.opencontainers.image.created", render_time(created)}}}};
  return {{config, layer}, std::string(media::oci_manifest), json::serialize(manifest)};
}

std::optional<Descriptor> bundle_in(const std::string& manifest) {
  const json::value value = parse_json(manifest, "referrer");
  const auto layers = Fields(value, "referrer").list("layers");
  if (layers.size() != 1) return {};
  Descriptor layer = descriptor_from(layers.front());
  if (!layer.media_type.starts_with(bundle_family)) return {};
  return layer;
}

}  // namespace lighterman::trust
