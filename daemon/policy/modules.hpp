#pragma once

#include <lua5.4/lua.hpp>

namespace lighterman::policy {

/// Makes the globals that all code in a state shares (base.cpp).
void open_globals(lua_State* lua);

/// Pushes the table behind a read-only one, or the table itself.
void push_plain(lua_State* lua, int table);
/// Pushes the value as text, as tostring does, but without an address.
void push_shown(lua_State* lua, int index);

/// Replaces, in the string library on the top of the stack, what could run without bound: find,
/// match, gmatch, gsub count their steps, rep and format look at what they are given first.
void bound_strings(lua_State* lua);
/// The same for the table library: ranges are limited to 1,000,000 entries, sort is stable.
void bound_tables(lua_State* lua);

/// Adds to the table on the top what every plugin has: json, log, slug, semver, tags, glob, regex,
/// time, template, and the words decisions are made of (deny, skip, sign, post, ...).
void open_modules(lua_State* lua);

// One per module; each leaves its value on the top.
void push_semver_module(lua_State* lua);
void push_tags_module(lua_State* lua);
void push_regex_module(lua_State* lua);
void push_time_module(lua_State* lua);

}  // namespace lighterman::policy
