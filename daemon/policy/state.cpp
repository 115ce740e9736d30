#include "policy/state.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "core/error.hpp"
#include "policy/modules.hpp"

namespace lighterman::policy {
namespace {

constexpr int instructions_per_look = 1000;
// Addresses that serve as keys.
const char shared_globals = 0, sealed = 0;

[[noreturn]] void raise(lua_State* lua, const std::string& why) {
  lua_pushlstring(lua, why.data(), why.size());
  lua_error(lua);
  std::abort();  // lua_error does not come back; its declaration does not say so
}

int write_sealed(lua_State* lua) {
  return luaL_error(lua, "%s is read-only", lua_tostring(lua, lua_upvalueindex(1)));
}

int length_of_sealed(lua_State* lua) {
  push_plain(lua, 1);
  lua_pushinteger(lua, static_cast<lua_Integer>(lua_rawlen(lua, -1)));
  return 1;
}

std::vector<std::string> names_of(lua_State* lua, int table) {
  std::vector<std::string> names;
  table = lua_absindex(lua, table);
  for (lua_pushnil(lua); lua_next(lua, table) != 0; lua_pop(lua, 1)) {
    if (lua_type(lua, -2) == LUA_TSTRING) names.emplace_back(lua_tostring(lua, -2));
  }
  return names;
}

/// A name that no environment and no module knows.
int read_unknown_global(lua_State* lua) {
  const std::string name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
  static const std::vector<std::string> absent{"io",   "os",       "debug",  "package",
                                               "load", "loadfile", "dofile", "require"};
  if (std::find(absent.begin(), absent.end(), name) != absent.end()) {
    return luaL_error(lua,
                      "\"%s\" is not there: a plugin sees facts and returns decisions; what "
                      "it may do beyond that is a capability that it `needs`",
                      name.c_str());
  }
  const std::string hint = did_you_mean(name, names_of(lua, 1));
  return luaL_error(lua, "no variable or function \"%s\" is known here%s", name.c_str(),
                    hint.c_str());
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
  if (state.exhausted()) raise(lua, *state.exhausted());
  if (status == LUA_ERRMEM) state.exhaust(lua, state.memory_limit());
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

int next_sorted(lua_State* lua) {  // upvalues: the table, its keys, the place
  const lua_Integer place = lua_tointeger(lua, lua_upvalueindex(3)) + 1;
  lua_pushinteger(lua, place);
  lua_replace(lua, lua_upvalueindex(3));
  if (lua_rawgeti(lua, lua_upvalueindex(2), place) == LUA_TNIL) return 1;
  lua_pushvalue(lua, -1);
  lua_gettable(lua, lua_upvalueindex(1));
  // An entry that was taken out since is passed over, as Lua's own pairs does.
  if (lua_isnil(lua, -1)) return next_sorted(lua);
  return 2;
}

/// pairs of the manual (section 6.1), in a fixed order, so that the same facts give the same
/// decision: numbers, then texts, then the rest as Lua has it.
int sorted_pairs(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 1);
  push_plain(lua, 1);
  std::vector<std::pair<lua_Number, std::string>> texts;
  std::vector<lua_Integer> integers;
  lua_newtable(lua);  // 3: the keys in order
  lua_Integer others = 0;
  lua_newtable(lua);  // 4: other keys
  for (lua_pushnil(lua); lua_next(lua, 2) != 0; lua_pop(lua, 1)) {
    if (lua_isinteger(lua, -2)) {
      integers.push_back(lua_tointeger(lua, -2));
    } else if (lua_type(lua, -2) == LUA_TSTRING) {
      std::size_t size = 0;
      const char* text = lua_tolstring(lua, -2, &size);
      texts.emplace_back(0, std::string(text, size));
    } else {
      lua_pushvalue(lua, -2);
      lua_rawseti(lua, 4, ++others);
    }
  }
  std::sort(integers.begin(), integers.end());
  std::sort(texts.begin(), texts.end());
  lua_Integer place = 0;
  for (const lua_Integer key : integers) {
    lua_pushinteger(lua, key);
    lua_rawseti(lua, 3, ++place);
  }
  for (const auto& [number, key] : texts) {
    lua_pushlstring(lua, key.data(), key.size());
    lua_rawseti(lua, 3, ++place);
  }
  for (lua_Integer other = 1; other <= others; ++other) {
    lua_rawgeti(lua, 4, other);
    lua_rawseti(lua, 3, ++place);
  }
  lua_pushvalue(lua, 2);
  lua_pushvalue(lua, 3);
  lua_pushinteger(lua, 0);
  lua_pushcclosure(lua, next_sorted, 3);
  lua_pushvalue(lua, 1);
  return 2;
}

int plain_next(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 2);
  push_plain(lua, 1);
  lua_replace(lua, 1);
  if (lua_next(lua, 1) != 0) return 2;
  lua_pushnil(lua);
  return 1;
}

/// Keeps of the table on the top what `kept` names.
void thin(lua_State* lua, std::initializer_list<const char*> dropped) {
  for (const char* name : dropped) {
    lua_pushnil(lua);
    lua_setfield(lua, -2, name);
  }
}

void add_library(lua_State* lua, const char* name, lua_CFunction open,
                 std::initializer_list<const char*> dropped) {
  lua_pushcfunction(lua, open);
  lua_pushstring(lua, name);
  lua_call(lua, 1, 1);
  thin(lua, dropped);
}

int open_all(lua_State* lua) {
  lua_pushcfunction(lua, luaopen_base);
  lua_call(lua, 0, 1);
  thin(lua,
       {"collectgarbage", "dofile", "load", "loadfile", "print", "rawset", "xpcall", "warn", "_G"});
  lua_pushvalue(lua, -1);
  lua_rawsetp(lua, LUA_REGISTRYINDEX, &shared_globals);
  static const luaL_Reg ours[] = {{"pcall", careful_pcall},
                                  {"setmetatable", careful_setmetatable},
                                  {"pairs", sorted_pairs},
                                  {"next", plain_next},
                                  {nullptr, nullptr}};
  luaL_setfuncs(lua, ours, 0);
  add_library(lua, LUA_STRLIBNAME, luaopen_string, {"dump"});
  bound_strings(lua);
  seal(lua, "string");
  lua_setfield(lua, -2, "string");
  add_library(lua, LUA_TABLIBNAME, luaopen_table, {});
  bound_tables(lua);
  seal(lua, "table");
  lua_setfield(lua, -2, "table");
  add_library(lua, LUA_MATHLIBNAME, luaopen_math, {"random", "randomseed"});
  seal(lua, "math");
  lua_setfield(lua, -2, "math");
  add_library(lua, LUA_UTF8LIBNAME, luaopen_utf8, {});
  seal(lua, "utf8");
  lua_setfield(lua, -2, "utf8");
  // ("").method would hand out the metatable of all texts.
  lua_pushliteral(lua, "");
  lua_getmetatable(lua, -1);
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_pop(lua, 2);
  open_modules(lua);
  lua_newtable(lua);
  lua_pushcfunction(lua, read_unknown_global);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
  return 0;
}

}  // namespace

State::State(const Limits& limits, Instant now) : limits_(limits), now_(now) {
  // Opening the modules is ours, and not what a call may use.
  instructions_left_ = limits_.instructions;
  deadline_ = std::chrono::steady_clock::now() + limits_.wall_time;
  lua_.reset(lua_newstate(&State::allocate, this));
  if (!lua_) throw Error(ErrorKind::internal, "no memory for a Lua state");
  *static_cast<State**>(lua_getextraspace(lua())) = this;
  lua_pushcfunction(lua(), open_all);
  call(0, 0);
}

void* State::allocate(void* state, void* block, std::size_t old_size, std::size_t new_size) {
  State& self = *static_cast<State*>(state);
  if (block == nullptr) old_size = 0;  // then it is the kind of the object
  if (new_size == 0) {
    std::free(block);
    self.memory_used_ -= old_size;
    return nullptr;
  }
  if (new_size > old_size && self.memory_used_ + new_size - old_size > self.limits_.memory_bytes) {
    return nullptr;  // Lua collects its garbage and asks once more before it gives up
  }
  void* moved = std::realloc(block, new_size);
  if (moved != nullptr) self.memory_used_ += new_size - old_size;
  return moved;
}

void State::exhaust(lua_State* lua, std::string why) {
  exhausted_ = std::move(why);
  // Whatever still runs (a close variable, an outer pcall) ends at its first instruction.
  lua_sethook(lua, &State::count, LUA_MASKCOUNT, 1);
  luaL_where(lua, 1);
  lua_pushlstring(lua, exhausted_->data(), exhausted_->size());
  lua_concat(lua, 2);
  lua_error(lua);
  std::abort();  // as above
}

std::string State::memory_limit() const {
  return concat("used more than ", render_size(limits_.memory_bytes), " of memory");
}

void State::check_time(lua_State* lua) {
  if (std::chrono::steady_clock::now() < deadline_) return;
  exhaust(lua, concat("took longer than ", render_duration(limits_.wall_time)));
}

void State::count(lua_State* lua, lua_Debug*) {
  State& self = of(lua);
  if (self.exhausted_) self.exhaust(lua, *self.exhausted_);
  self.instructions_left_ -= instructions_per_look;
  if (self.instructions_left_ <= 0) {
    self.exhaust(lua, concat("ran more than ", self.limits_.instructions / 1'000'000,
                             " million instructions (an endless loop?)"));
  }
  self.check_time(lua);
}

void State::push_environment() {
  lua_State* l = lua();
  lua_newtable(l);
  lua_newtable(l);
  lua_rawgetp(l, LUA_REGISTRYINDEX, &shared_globals);
  lua_setfield(l, -2, "__index");
  lua_pushcfunction(l, write_global);
  lua_setfield(l, -2, "__newindex");
  lua_pushboolean(l, 0);
  lua_setfield(l, -2, "__metatable");
  lua_setmetatable(l, -2);
}

void State::call(int arguments, int results) {
  instructions_left_ = limits_.instructions;
  deadline_ = std::chrono::steady_clock::now() + limits_.wall_time;
  exhausted_.reset();
  lua_sethook(lua(), &State::count, LUA_MASKCOUNT, instructions_per_look);
  const int status = lua_pcall(lua(), arguments, results, 0);
  if (status == LUA_OK) return;
  std::string why;
  if (status == LUA_ERRMEM) {
    why = memory_limit();
  } else if (lua_type(lua(), -1) == LUA_TSTRING) {
    why = lua_tostring(lua(), -1);
  } else {
    // error{...}: what a plugin throws is shown as far as it can be.
    why = concat("an error that is a ", luaL_typename(lua(), -1), ", not a text");
  }
  lua_pop(lua(), 1);
  throw Error(ErrorKind::invalid, shortened(valid_utf8(why), 2000));
}

void seal(lua_State* lua, const char* name) {
  lua_newtable(lua);  // module, face
  lua_newtable(lua);  // module, face, metatable
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_pushstring(lua, name);
  lua_pushcclosure(lua, write_sealed, 1);
  lua_setfield(lua, -2, "__newindex");
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_pushcfunction(lua, length_of_sealed);
  lua_setfield(lua, -2, "__len");
  lua_pushvalue(lua, -3);
  lua_rawsetp(lua, -2, &sealed);
  lua_setmetatable(lua, -2);  // module, face
  lua_remove(lua, -2);
}

void push_plain(lua_State* lua, int table) {
  lua_pushvalue(lua, table);
  if (lua_getmetatable(lua, -1) == 0) return;
  if (lua_rawgetp(lua, -1, &sealed) == LUA_TTABLE) {
    lua_replace(lua, -3);
    lua_pop(lua, 1);
  } else {
    lua_pop(lua, 2);
  }
}

}  // namespace lighterman::policy
