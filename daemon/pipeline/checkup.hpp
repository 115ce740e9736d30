#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "config/config.hpp"
#include "core/look.hpp"

namespace lighterman::pipeline {

using TellLook = std::function<void(const Look& look)>;

/// Asks everything that a push needs, whether it would work now, and how to mend what would not.
/// Changes nothing anywhere. Each look is told as soon as it was had. Error(cancelled) on stop.
void check_up(std::shared_ptr<const config::Config> config, const TellLook& tell,
              const std::stop_token& stop);

}  // namespace lighterman::pipeline
