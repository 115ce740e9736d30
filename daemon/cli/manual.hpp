#pragma once

#include <string>

namespace CLI {
class App;
}

namespace lighterman::cli {

/// The program's manual page (man(7)), made of what `--help` says of each verb.
std::string manual(const CLI::App& app);

}  // namespace lighterman::cli
