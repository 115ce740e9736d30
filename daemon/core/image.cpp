#include "core/image.hpp"

#include "core/choices.hpp"
#include "core/json.hpp"

namespace lighterman {
namespace {

constexpr Choice<LayerFate> layer_fates[] = {
    {LayerFate::present, "present"}, {LayerFate::mounted, "mounted"}, {LayerFate::sent, "sent"}};
constexpr Choice<TagOutcome::Fate> tag_fates[] = {{TagOutcome::Fate::moved, "moved"},
                                                  {TagOutcome::Fate::created, "created"},
                                                  {TagOutcome::Fate::unchanged, "unchanged"},
                                                  {TagOutcome::Fate::held_back, "held_back"}};

Digest digest_in(const Fields& fields, std::string_view name) {
  return during(fields.path(name), [&] { return Digest::parse(fields.text(name)); });
}

Descriptor descriptor_in(const Fields& fields, std::string_view name) {
  return during(fields.path(name), [&] { return descriptor_from(fields.get(name)); });
}

}  // namespace

std::string_view render(LayerFate fate) noexcept { return name_of(layer_fates, fate); }
LayerFate parse_layer_fate(std::string_view given) {
  return choice_of(layer_fates, given, "layer fate");
}
std::string_view render(TagOutcome::Fate fate) noexcept { return name_of(tag_fates, fate); }
TagOutcome::Fate parse_tag_fate(std::string_view given) {
  return choice_of(tag_fates, given, "tag fate");
}

boost::json::value to_json(const Descriptor& descriptor) {
  return boost::json::object{{"mediaType", descriptor.media_type},
                             {"digest", descriptor.digest.text()},
                             {"size", descriptor.size}};
}

Descriptor descriptor_from(const boost::json::value& given) {
  const Fields fields(given, "descriptor");
  return {fields.text("mediaType"), digest_in(fields, "digest"), fields.natural("size")};
}

boost::json::value to_json(const StagedImage& image) {
  boost::json::array layers;
  for (const StagedLayer& layer : image.layers) {
    boost::json::object object{
        {"blob", to_json(layer.blob)}, {"instruction", layer.instruction}, {"held", layer.held}};
    if (layer.diff_id) object["diff_id"] = layer.diff_id->text();
    layers.push_back(std::move(object));
  }
  return boost::json::object{{"manifest", image.manifest.text()}, {"media_type", image.media_type},
                             {"image_id", image.image_id},        {"repository", image.repository},
                             {"config", to_json(image.config)},   {"layers", std::move(layers)}};
}

StagedImage staged_image_from(const boost::json::value& given) {
  const Fields fields(given, "staged image");
  StagedImage image(digest_in(fields, "manifest"), descriptor_in(fields, "config"));
  image.media_type = fields.text("media_type");
  image.image_id = fields.text_or("image_id", "");
  image.repository = fields.text_or("repository", "");
  for (const boost::json::value& entry : fields.list("layers")) {
    const Fields layer(entry, "staged image.layers");
    StagedLayer staged{descriptor_in(layer, "blob"),
                       {},
                       layer.text_or("instruction", ""),
                       layer.flag_or("held", false)};
    if (layer.find("diff_id") != nullptr) staged.diff_id = DiffId(digest_in(layer, "diff_id"));
    image.layers.push_back(std::move(staged));
  }
  return image;
}

boost::json::value to_json(const PublishedImage& image) {
  boost::json::array layers, tags;
  for (const LayerOutcome& layer : image.layers) {
    layers.push_back(boost::json::object{{"blob", to_json(layer.blob)},
                                         {"fate", std::string(render(layer.fate))},
                                         {"reason", layer.reason},
                                         {"sent_bytes", layer.sent_bytes},
                                         {"instruction", layer.instruction}});
  }
  for (const TagOutcome& tag : image.tags) {
    tags.push_back(boost::json::object{
        {"tag", tag.tag}, {"fate", std::string(render(tag.fate))}, {"reason", tag.reason}});
  }
  return boost::json::object{{"reference", image.reference.text()},
                             {"layers", std::move(layers)},
                             {"tags", std::move(tags)}};
}

PublishedImage published_image_from(const boost::json::value& given) {
  const Fields fields(given, "published image");
  PublishedImage image{
      during(fields.path("reference"), [&] { return Reference::parse(fields.text("reference")); }),
      {},
      {}};
  for (const boost::json::value& entry : fields.list("layers")) {
    const Fields layer(entry, "published image.layers");
    image.layers.push_back(
        {descriptor_in(layer, "blob"),
         during(layer.path("fate"), [&] { return parse_layer_fate(layer.text("fate")); }),
         layer.text_or("reason", ""), layer.natural_or("sent_bytes", 0),
         layer.text_or("instruction", "")});
  }
  for (const boost::json::value& entry : fields.list("tags")) {
    const Fields tag(entry, "published image.tags");
    image.tags.push_back(
        {tag.text("tag"),
         during(tag.path("fate"), [&] { return parse_tag_fate(tag.text("fate")); }),
         tag.text_or("reason", "")});
  }
  return image;
}

}  // namespace lighterman
