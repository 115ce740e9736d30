#pragma once

#include <vector>

#include "config/config.hpp"

namespace lighterman::pipeline {

/// config::examine() and what only the rooms above it can tell: plugins and schedules.
std::vector<config::Finding> examine_all(const config::Config& config);

}  // namespace lighterman::pipeline
