#pragma once

#include <stop_token>

#include "engine/engine.hpp"
#include "engine/wire.hpp"

namespace lighterman::engine {

/// Engine::about.
About ask_about(Wire& wire, const Wire::Greeting& greeting, const std::stop_token& stop);

}  // namespace lighterman::engine
