#pragma once

#include "policy/state.hpp"

namespace lighterman::policy {

/// Sets, in the table on the top, the modules of the capabilities that are needed: run, http,
/// secret, registry, scan. What they are asked for is checked against the state's allowance.
void add_capabilities(lua_State* lua, const Grants& needs);
/// All of them, for looking at a file: secrets are handles that open nothing, the others refuse.
void add_sleeping_capabilities(lua_State* lua);

/// The name of the secret whose handle is at `index`, or nullptr.
const char* secret_at(lua_State* lua, int index);
void push_secret(lua_State* lua, const std::string& name);

}  // namespace lighterman::policy
