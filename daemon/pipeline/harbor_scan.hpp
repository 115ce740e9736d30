#pragma once

#include <chrono>
#include <stop_token>

#include "core/findings.hpp"
#include "core/reference.hpp"
#include "registry/options.hpp"

namespace lighterman::pipeline {

/// Lets Harbor's scanner look at an image or index that lies there, by digest, and waits for what
/// it finds. Error(unavailable): it took longer than `limit`; Error(internal): it could not scan;
/// else as registry::Harbor. Any thread.
Findings scan_in_harbor(const registry::Options& options, const Reference& image,
                        std::chrono::milliseconds limit, const std::stop_token& stop);

}  // namespace lighterman::pipeline
