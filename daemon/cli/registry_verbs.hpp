#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace lighterman::cli {

/// What tells of registries: `registry`, by a daemon, and `harbor`, which uses Harbor's own API
/// without one. Sets `chosen` to what the chosen verb does; it returns 0, or 1 where Harbor failed
/// at what it was told to do.
void add_registry_verbs(CLI::App& app, std::function<int()>& chosen);

}  // namespace lighterman::cli
