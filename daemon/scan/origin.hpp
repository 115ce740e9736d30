#pragma once

#include <string>
#include <vector>

#include "core/findings.hpp"
#include "core/image.hpp"

namespace lighterman::scan {

/// What is known of one layer of the image, lowest first.
struct LayerOrigin {
  std::optional<DiffId> diff_id = {};
  std::optional<Digest> blob = {};
  std::string instruction = {};  ///< of the image's history
  int line = 0;                  ///< in the Dockerfile; 0: not known
  std::string base = {};         ///< the base image it is shared with; empty: the Dockerfile's own
};

/// Of a staged image whose lowest `base_layers` layers are those of `base`.
std::vector<LayerOrigin> layers_of(const StagedImage& image, const std::string& base,
                                   std::size_t base_layers);

/// Ties each finding to the layer, and so to the step or base image, that brought it.
void tie(Findings& findings, const std::vector<LayerOrigin>& layers);

}  // namespace lighterman::scan
