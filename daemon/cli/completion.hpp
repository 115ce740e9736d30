#pragma once

#include <string>

namespace CLI {
class App;
}

namespace lighterman::cli {

/// The completion script of a shell: "bash", "zsh" or "fish". Knows the verbs and their options.
std::string completion(const CLI::App& app, const std::string& shell);

}  // namespace lighterman::cli
