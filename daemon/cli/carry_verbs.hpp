#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace lighterman::cli {

/// What carries and clears images: `copy` and `sync` without a daemon; `replicate`, `replications`,
/// `promote` and `retain` by one. Sets `chosen` to what the chosen verb does; it returns 0, or 1
/// where something could not be carried.
void add_carry_verbs(CLI::App& app, std::function<int()>& chosen);

}  // namespace lighterman::cli
