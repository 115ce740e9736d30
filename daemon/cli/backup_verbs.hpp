#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace lighterman::cli {

/// `backup` and `restore` of the store of a configuration on this machine. Sets `chosen` to what
/// the chosen verb does.
void add_backup_verbs(CLI::App& app, std::function<int()>& chosen);

}  // namespace lighterman::cli
