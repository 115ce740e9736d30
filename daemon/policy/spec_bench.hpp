#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "policy/host.hpp"

namespace lighterman::policy {

/// A plugin that a spec asks, as if it had a seat.
struct Subject {
  Seat seat;
  Instant now{};
  int fakes = LUA_NOREF, wishes = LUA_NOREF;  ///< tables of the spec, in its registry
};

/// What the functions that a spec sees work on. It is their first upvalue, and outlives the state.
struct Bench {
  std::filesystem::path folder;  ///< of the spec and its plugins
  std::vector<std::unique_ptr<Subject>> subjects;
  int looks = 0;  ///< at values, by the test that runs
  /// Failures of hooks that the test has not looked at yet.
  std::map<int, std::string> problems;
  int last_problem = 0;

  static Bench& of(lua_State* lua) {
    return *static_cast<Bench*>(lua_touserdata(lua, lua_upvalueindex(1)));
  }
};

/// Sets a function in the table on the top.
void add_spec_function(lua_State* lua, Bench& bench, const char* name, lua_CFunction function);
/// Add to the table on the top: expect; plugin, push, image, finished, none and secret.
void add_expect(lua_State* lua, Bench& bench);
void add_plugin(lua_State* lua, Bench& bench);
/// A table of the spec as JSON; an empty one is an object, none at all too.
boost::json::object object_at(lua_State* lua, int index, const std::string& what);

}  // namespace lighterman::policy
