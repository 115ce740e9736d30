#pragma once

#include <string>
#include <vector>

#include "registry/client.hpp"

namespace lighterman::registry {

bool is_index(const std::string& media_type);  ///< of OCI's or Docker's

/// The same index with the images for these platforms only ("linux/arm64" is also what calls itself
/// "linux/arm64/v8"), and with what attests them. The same choice has the same digest each time.
/// Error(not_found) when it has none of them.
StoredManifest with_platforms(const StoredManifest& index, const std::vector<std::string>& wanted);

}  // namespace lighterman::registry
