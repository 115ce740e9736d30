#pragma once

#include <functional>
#include <string>

#include "core/secret.hpp"

namespace CLI {
class App;
}

namespace lighterman::cli {

/// `lighterman sign`, `verify` and `key ...`: what works with keys and registries and needs no
/// daemon. Sets `chosen` to what the chosen verb does; it returns 0, or 4 where an image is not
/// vouched for.
void add_trust_verbs(CLI::App& app, std::function<int()>& chosen);
/// The `key` verbs among them.
void add_key_verbs(CLI::App& app, std::function<int()>& chosen);

/// The password of key files: at `place` ("file:PATH", "env:NAME"), else in COSIGN_PASSWORD, else
/// empty.
Secret key_password(const std::string& place);

}  // namespace lighterman::cli
