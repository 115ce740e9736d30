#pragma once

#include <string_view>

#include "engine/engine.hpp"
#include "os/ed25519.hpp"

namespace lighterman::engine {

/// What shows an engine that later builds are as entitled to a token of this registry as the one it
/// was fetched for, without telling it the login: a key for each login and salt, the same as long
/// as the process lives (moby/buildkit, session/auth/authprovider).
os::Ed25519Key token_authority(const std::string& host, const Login& login, std::string_view salt);

}  // namespace lighterman::engine
