#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "pipeline/signing.hpp"
#include "policy/decision.hpp"
#include "trust/keyring.hpp"
#include "trust/provenance.hpp"

namespace lighterman::pipeline {

/// Where what is attached comes from.
struct EndorsementScene {
  const config::Config* config = nullptr;
  trust::Provenance provenance;
  std::function<std::string(scan::SbomFormat)> sbom;  ///< throws where no scanner is set up
  Instant now{};
};

/// What one key says of an image.
struct Endorsement {
  trust::Key key;
  std::vector<Assertion> assertions;
};

/// What the actions sign{} and attach{} of a verdict ask for, keys opened: nothing of it can fail
/// later but the registry. Error(invalid, not_found or denied) that names the plugin: no keys, none
/// of that name, over its age, no scanner. `warn` is told of keys whose limit is near.
std::vector<Endorsement> endorsements(const policy::Decision& decision,
                                      const EndorsementScene& scene,
                                      const std::function<void(const std::string&)>& warn);

}  // namespace lighterman::pipeline
