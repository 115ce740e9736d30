#pragma once

#include <string>
#include <vector>

#include "core/build_plan.hpp"
#include "core/manifest.hpp"

namespace lighterman::pipeline {

/// The name that the platform number `at` of an image has in runs: "web@linux/arm64".
std::string part_name(const BuildPlan& plan, std::size_t at);
bool is_part_of(const std::string& image, const BuildPlan& plan);

/// A manifest and the platform it is for.
struct IndexEntry {
  Descriptor manifest;
  std::string platform;  ///< "linux/arm64/v8"
};
/// The index over them in their order (OCI image-spec, image-index.md; or Docker's manifest list,
/// when all of them are Docker's): equal entries give equal bytes.
struct Index {
  std::string media_type, bytes;
};
Index compose_index(const std::vector<IndexEntry>& entries);

}  // namespace lighterman::pipeline
