#pragma once

#include <filesystem>

#include "cli/verbs.hpp"

namespace lighterman::cli {

/// Asks everything that a push needs, whether it would work now, and says how to mend what would
/// not. Changes nothing anywhere. Returns 0, or 1 where something is broken.
int doctor(const std::filesystem::path& file, Form form);

}  // namespace lighterman::cli
