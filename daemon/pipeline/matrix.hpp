#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace lighterman::pipeline {

/// The image for each combination of its matrix, "tool-3.11-alpine"; without a matrix itself. Each
/// variant's matrix has one value per argument; `{matrix.ARG}` in its tags is filled in.
/// Error(invalid) when two variants would publish under the same tags.
std::vector<config::Image> matrix_variants(const config::Image& image);

/// The name of the image whose matrix a variant comes from; its own where there is none.
std::string family_of(const config::Image& variant);

}  // namespace lighterman::pipeline
