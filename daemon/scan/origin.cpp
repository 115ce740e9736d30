#include "scan/origin.hpp"

#include <algorithm>

namespace lighterman::scan {

std::vector<LayerOrigin> layers_of(const StagedImage& image, const std::string& base,
                                   std::size_t base_layers) {
  std::vector<LayerOrigin> layers;
  for (const StagedLayer& layer : image.layers)
    layers.push_back({layer.diff_id, layer.blob.digest, layer.instruction, 0,
                      layers.size() < base_layers ? base : std::string()});
  return layers;
}

void tie(Findings& findings, const std::vector<LayerOrigin>& layers) {
  for (Finding& finding : findings.list) {
    const auto found = std::find_if(layers.begin(), layers.end(), [&](const LayerOrigin& layer) {
      return (finding.diff_id && finding.diff_id == layer.diff_id) ||
             (finding.layer && finding.layer == layer.blob);
    });
    if (found == layers.end()) continue;
    finding.origin = FindingOrigin{found->base, found->instruction, found->line};
  }
}

}  // namespace lighterman::scan
