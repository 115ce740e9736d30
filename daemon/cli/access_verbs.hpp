#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace lighterman::cli {

/// `token new`, `list` and `revoke`, and `audit show`, `verify` and `export`: by the daemon, or
/// with --config by its store on this machine. Sets `chosen` to what the chosen verb does.
void add_access_verbs(CLI::App& app, std::function<int()>& chosen);

}  // namespace lighterman::cli
