#pragma once

#include <stop_token>

#include "engine/engine.hpp"
#include "engine/wire.hpp"

namespace lighterman::engine {

/// Engine::build.
BuiltImage build(Wire& wire, const BuildRequest& request, const std::stop_token& stop);

}  // namespace lighterman::engine
