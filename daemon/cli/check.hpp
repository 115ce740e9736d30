#pragma once

#include <filesystem>

#include "cli/verbs.hpp"

namespace lighterman::cli {

/// Prints what the configuration means, defaults included, and what is wrong with it; `online`
/// asks engines, registries and repositories too. Returns 0, or 6 where anything is wrong.
int check(const std::filesystem::path& file, bool online, Form form);

/// Writes a commented configuration to begin with, and beside it a webhook secret. Error(conflict)
/// when either is there already.
int init(const std::filesystem::path& file, Form form);

/// Exit code of a configuration that is wrong.
constexpr int bad_configuration = 6;

}  // namespace lighterman::cli
