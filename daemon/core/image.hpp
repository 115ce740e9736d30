#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/manifest.hpp"
#include "core/reference.hpp"

namespace lighterman {

/// How a layer came to be in the target repository, cheapest first.
enum class LayerFate { present, mounted, sent };
std::string_view render(LayerFate fate) noexcept;
LayerFate parse_layer_fate(std::string_view given);

/// A layer of a staged image.
struct StagedLayer {
  Descriptor blob;
  std::optional<DiffId> diff_id;
  std::string instruction;  ///< the Dockerfile instruction that made it
  bool held = false;        ///< staging has the bytes; otherwise a target registry confirmed them
};

/// An image that is complete at the staging endpoint and not yet visible to anyone else.
struct StagedImage {
  Digest manifest;  ///< its bytes are in staging, by digest
  std::string media_type;
  std::string image_id;    ///< the config's digest
  std::string repository;  ///< name at the staging endpoint
  Descriptor config;
  std::vector<StagedLayer> layers;
  StagedImage() = delete;
  StagedImage(Digest digest, Descriptor config_blob)
      : manifest(std::move(digest)), config(std::move(config_blob)) {}
};

struct LayerOutcome {
  Descriptor blob;
  LayerFate fate = LayerFate::present;
  std::string reason;  ///< "the registry has it", "mounted from acme/base", "new: COPY . ."
  std::uint64_t sent_bytes = 0;
  std::string instruction;
};

struct TagOutcome {
  std::string tag;
  enum class Fate { moved, created, unchanged, held_back } fate = Fate::created;
  std::string reason;  ///< for held_back: which newer commit holds it
};
std::string_view render(TagOutcome::Fate fate) noexcept;
TagOutcome::Fate parse_tag_fate(std::string_view given);

/// What one target repository has now.
struct PublishedImage {
  Reference reference;  ///< by digest
  std::vector<LayerOutcome> layers;
  std::vector<TagOutcome> tags;
};

boost::json::value to_json(const Descriptor& descriptor);
Descriptor descriptor_from(const boost::json::value& given);
boost::json::value to_json(const StagedImage& image);
StagedImage staged_image_from(const boost::json::value& given);
boost::json::value to_json(const PublishedImage& image);
PublishedImage published_image_from(const boost::json::value& given);

}  // namespace lighterman
