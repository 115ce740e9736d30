#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace lighterman::cli {

/// `lighterman plugin ...`: what works with policy and needs no daemon. Sets `chosen` to what the
/// chosen verb does; it returns 0, 1 where a test or a hook failed, or 6 for a wrong configuration.
void add_plugin_verbs(CLI::App& app, std::function<int()>& chosen);

}  // namespace lighterman::cli
