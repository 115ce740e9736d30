// The globals that code in a state sees: Lua's own, with what could run without bound, look outside
// or answer differently the next time left out or replaced.
#include <algorithm>
#include <vector>

#include "core/error.hpp"
#include "policy/grants.hpp"
#include "policy/modules.hpp"
#include "policy/state.hpp"

namespace lighterman::policy {
namespace {

const char shared_globals = 0;  // its address is a key

std::vector<std::string> names_of(lua_State* lua, int table) {
  std::vector<std::string> names;
  table = lua_absindex(lua, table);
  for (lua_pushnil(lua); lua_next(lua, table) != 0; lua_pop(lua, 1)) {
    if (lua_type(lua, -2) == LUA_TSTRING) names.emplace_back(lua_tostring(lua, -2));
  }
  std::ranges::sort(names);
  return names;
}

/// A name that no environment and no module knows.
int read_unknown_global(lua_State* lua) {
  const std::string name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
  static const std::vector<std::string> absent{
      "io",     "os",      "debug",  "package",        "load",      "loadfile",
      "dofile", "require", "_G",     "collectgarbage", "coroutine", "rawset",
      "rawget", "rawlen",  "xpcall", "loadstring"};
  if (std::ranges::find(capabilities, name) != capabilities.end()) {
    throw Error(ErrorKind::invalid,
                concat("`", name,
                       "` is a capability that this plugin does not declare; add to the table "
                       "that its file returns: needs = { ",
                       name, " = \"...\" }"));
  }
  if (name == "print") throw Error(ErrorKind::invalid, "`print` is not there: use log.info");
  if (std::ranges::find(absent, name) != absent.end()) {
    throw Error(ErrorKind::invalid,
                concat("`", name,
                       "` is not there: a plugin sees facts and returns decisions; what it may do "
                       "beyond that is a capability that it `needs`"));
  }
  throw Error(ErrorKind::invalid, concat("no variable or function \"", shortened(name, 60),
                                         "\" is known here", did_you_mean(name, names_of(lua, 1))));
}

int write_global(lua_State* lua) {
  const char* name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
  return luaL_error(lua, "assignment to the global \"%s\" (did you forget `local`?)", name);
}

/// pcall of the manual (section 6.1), except that it does not catch the end of a limit.
int careful_pcall(lua_State* lua) {
  luaL_checkany(lua, 1);
  const int status = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);
  State& state = State::of(lua);
  if (state.exhausted()) state.exhaust(lua, *state.exhausted());
  if (status == LUA_ERRMEM) state.exhaust(lua, state.memory_limit());
  luaL_checkstack(lua, 1, "too many results");
  lua_pushboolean(lua, status == LUA_OK);
  lua_insert(lua, 1);
  return lua_gettop(lua);
}

/// setmetatable without finalizers: Lua runs those where no limit is looked at.
int careful_setmetatable(lua_State* lua) {
  const int type = lua_type(lua, 2);
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_argexpected(lua, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  if (luaL_getmetafield(lua, 1, "__metatable") != LUA_TNIL) {
    return luaL_error(lua, "cannot change a protected metatable");
  }
  if (type == LUA_TTABLE) {
    lua_pushliteral(lua, "__gc");
    if (lua_rawget(lua, 2) != LUA_TNIL) return luaL_error(lua, "__gc is not allowed");
    lua_pop(lua, 1);
  }
  lua_settop(lua, 2);
  lua_setmetatable(lua, 1);
  return 1;
}

/// A key of a table, so that keys have an order: booleans, numbers, texts. The text belongs to Lua.
struct Place {
  int rank = 0;
  bool whole = false;
  lua_Integer integer = 0;
  lua_Number number = 0;
  std::string_view text;

  bool operator<(const Place& other) const {
    if (rank != other.rank) return rank < other.rank;
    if (whole && other.whole) return integer < other.integer;
    return rank == 2 ? text < other.text : number < other.number;
  }
};

Place place_at(lua_State* lua, int index) {
  Place place;
  switch (lua_type(lua, index)) {
    case LUA_TBOOLEAN:
      place.number = lua_toboolean(lua, index);
      return place;
    case LUA_TNUMBER:
      place.rank = 1;
      place.whole = lua_isinteger(lua, index) != 0;
      if (place.whole) place.integer = lua_tointeger(lua, index);
      place.number = lua_tonumber(lua, index);
      return place;
    case LUA_TSTRING: {
      std::size_t size = 0;
      const char* text = lua_tolstring(lua, index, &size);
      place.rank = 2;
      place.text = {text, size};
      return place;
    }
    default:
      throw Error(ErrorKind::invalid, concat("keys of type ", luaL_typename(lua, index),
                                             " have no order that is the same each time"));
  }
}

void push_place(lua_State* lua, const Place& place) {
  if (place.rank == 0) {
    lua_pushboolean(lua, place.number != 0);
  } else if (place.rank == 2) {
    lua_pushlstring(lua, place.text.data(), place.text.size());
  } else if (place.whole) {
    lua_pushinteger(lua, place.integer);
  } else {
    lua_pushnumber(lua, place.number);
  }
}

int next_sorted(lua_State* lua) {  // upvalues: the table, its keys, the place
  lua_Integer place = lua_tointeger(lua, lua_upvalueindex(3));
  while (true) {
    lua_settop(lua, 0);
    if (lua_rawgeti(lua, lua_upvalueindex(2), ++place) == LUA_TNIL) return 1;
    lua_pushvalue(lua, -1);
    // An entry that was taken out since is passed over, as Lua's own pairs does.
    if (lua_rawget(lua, lua_upvalueindex(1)) != LUA_TNIL) break;
  }
  lua_pushinteger(lua, place);
  lua_replace(lua, lua_upvalueindex(3));
  return 2;
}

/// pairs of the manual (section 6.1), in a fixed order.
int sorted_pairs(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 1);
  push_plain(lua, 1);
  std::vector<Place> places;
  for (lua_pushnil(lua); lua_next(lua, 2) != 0; lua_pop(lua, 1)) {
    places.push_back(place_at(lua, -2));
  }
  std::ranges::sort(places, std::less<>());
  lua_createtable(lua, static_cast<int>(places.size()), 0);
  lua_Integer index = 0;
  for (const Place& place : places) {
    push_place(lua, place);
    lua_rawseti(lua, 3, ++index);
  }
  State::of(lua).check_time(lua);
  lua_pushinteger(lua, 0);
  lua_pushcclosure(lua, next_sorted, 3);
  lua_pushvalue(lua, 1);
  return 2;
}

/// next of the manual, in the order of pairs: the first key, or the one after the given.
int ordered_next(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 2);
  push_plain(lua, 1);
  std::optional<Place> after, best;
  if (!lua_isnil(lua, 2)) after = place_at(lua, 2);
  for (lua_pushnil(lua); lua_next(lua, 3) != 0; lua_pop(lua, 1)) {
    const Place place = place_at(lua, -2);
    if ((!after || *after < place) && (!best || place < *best)) best = place;
  }
  State::of(lua).check_time(lua);
  if (!best) return lua_pushnil(lua), 1;
  push_place(lua, *best);
  lua_pushvalue(lua, -1);
  lua_rawget(lua, 3);
  return 2;
}

int shown_value(lua_State* lua) {
  luaL_checkany(lua, 1);
  push_shown(lua, 1);
  return 1;
}

/// A function of Lua's that walks over its argument without making anything; the clock is looked at
/// after it.
int timed(lua_State* lua) {
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
  State::of(lua).check_time(lua);
  return lua_gettop(lua);
}

void time_functions(lua_State* lua, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    lua_getfield(lua, -1, name);
    lua_pushcclosure(lua, timed, 1);
    lua_setfield(lua, -2, name);
  }
}

void drop(lua_State* lua, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    lua_pushnil(lua);
    lua_setfield(lua, -2, name);
  }
}

void open_library(lua_State* lua, const char* name, lua_CFunction open) {
  lua_pushcfunction(lua, open);
  lua_pushstring(lua, name);
  lua_call(lua, 1, 1);
}

void add_sealed(lua_State* lua, const char* name) {
  seal(lua, name);
  lua_setfield(lua, -2, name);
}

}  // namespace

void push_shown(lua_State* lua, int index) {
  index = lua_absindex(lua, index);
  const int type = lua_type(lua, index);
  const bool plain =
      type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING;
  if (!plain && luaL_getmetafield(lua, index, "__tostring") == LUA_TNIL) {
    lua_pushstring(lua, lua_typename(lua, type));  // Lua would add the address
    return;
  }
  if (!plain) lua_pop(lua, 1);
  luaL_tolstring(lua, index, nullptr);
}

void open_globals(lua_State* lua) {
  open_library(lua, "_G", luaopen_base);
  drop(lua, {"collectgarbage", "dofile", "load", "loadfile", "print", "rawset", "rawget", "rawlen",
             "xpcall", "warn", "_G"});
  static const luaL_Reg ours[] = {
      {"pcall", careful_pcall},         {"setmetatable", careful_setmetatable},
      {"pairs", guarded<sorted_pairs>}, {"next", guarded<ordered_next>},
      {"tostring", shown_value},        {nullptr, nullptr}};
  luaL_setfuncs(lua, ours, 0);
  time_functions(lua, {"tonumber"});
  open_library(lua, LUA_STRLIBNAME, luaopen_string);
  drop(lua, {"dump", "pack", "unpack", "packsize"});
  bound_strings(lua);
  add_sealed(lua, "string");
  open_library(lua, LUA_TABLIBNAME, luaopen_table);
  bound_tables(lua);
  add_sealed(lua, "table");
  open_library(lua, LUA_MATHLIBNAME, luaopen_math);
  drop(lua, {"random", "randomseed"});
  add_sealed(lua, "math");
  open_library(lua, LUA_UTF8LIBNAME, luaopen_utf8);
  time_functions(lua, {"len", "offset", "codepoint"});
  add_sealed(lua, "utf8");
  // getmetatable("") would hand out the metatable of all texts.
  lua_pushliteral(lua, "");
  lua_getmetatable(lua, -1);
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_pop(lua, 2);
  open_modules(lua);
  lua_createtable(lua, 0, 1);
  lua_pushcfunction(lua, guarded<read_unknown_global>);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
  lua_rawsetp(lua, LUA_REGISTRYINDEX, &shared_globals);
}

void State::make_environment() {
  lua_State* l = lua();
  lua_createtable(l, 0, 1);  // own, its metatable
  lua_rawgetp(l, LUA_REGISTRYINDEX, &shared_globals);
  lua_setfield(l, -2, "__index");
  lua_setmetatable(l, -2);
  lua_createtable(l, 0, 0);  // own, environment
  lua_createtable(l, 0, 3);  // own, environment, its metatable
  lua_pushvalue(l, -3);
  lua_setfield(l, -2, "__index");
  lua_pushcfunction(l, write_global);
  lua_setfield(l, -2, "__newindex");
  lua_pushboolean(l, 0);
  lua_setfield(l, -2, "__metatable");
  lua_setmetatable(l, -2);
  lua_remove(l, -2);
}

void State::push_environment() {
  lua_createtable(lua(), 0, 0);
  make_environment();
}

}  // namespace lighterman::policy
