#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "policy/state.hpp"

namespace lighterman::policy {

/// Pushes the value; objects and arrays become read-only tables, null becomes nil. `name` is what
/// an attempt to write is answered with.
void push_facts(lua_State* lua, const boost::json::value& value, const std::string& name);
/// The same as tables that may be changed.
void push_json(lua_State* lua, const boost::json::value& value);
/// What lies at `index` as JSON: texts, numbers, booleans and tables that are either lists or
/// records; an empty table is an empty array. Error(invalid) that names the place under `what` for
/// anything else, for cycles, and beyond the state's limits.
boost::json::value json_at(lua_State* lua, int index, const std::string& what);
/// Pushes whatever is at `index` as a person reads it, cut short: for messages.
std::string shown_at(lua_State* lua, int index);

}  // namespace lighterman::policy
