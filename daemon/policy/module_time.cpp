// time: from the run, so that replaying it decides the same.
#include <ctime>

#include "core/error.hpp"
#include "policy/modules.hpp"
#include "policy/state.hpp"

namespace lighterman::policy {
namespace {

lua_Integer seconds(Instant when) {
  return std::chrono::floor<std::chrono::seconds>(when).time_since_epoch().count();
}

int time_now(lua_State* lua) {
  lua_pushinteger(lua, seconds(State::of(lua).now()));
  return 1;
}

/// time.parse "2026-05-01T12:00:00Z": seconds since 1970.
int time_parse(lua_State* lua) {
  lua_pushinteger(lua, seconds(parse_time(luaL_checkstring(lua, 1))));
  return 1;
}

/// time.format("%Y.%m.%d", seconds): strftime's letters, in UTC; default: now.
int time_format(lua_State* lua) {
  const char* format = luaL_checkstring(lua, 1);
  const std::time_t when = luaL_optinteger(lua, 2, seconds(State::of(lua).now()));
  std::tm parts{};
  if (gmtime_r(&when, &parts) == nullptr) throw Error(ErrorKind::invalid, "no such time");
  char text[256];
  const std::size_t size = std::strftime(text, sizeof text, format, &parts);
  if (size == 0 && *format != '\0') {
    throw Error(ErrorKind::invalid, "the time's format is too long");
  }
  lua_pushlstring(lua, text, size);
  return 1;
}

/// time.seconds "7d": a length of time.
int time_seconds(lua_State* lua) {
  const auto length = parse_duration(luaL_checkstring(lua, 1));
  lua_pushinteger(lua, std::chrono::duration_cast<std::chrono::seconds>(length).count());
  return 1;
}

}  // namespace

void push_time_module(lua_State* lua) {
  static const luaL_Reg functions[] = {{"now", guarded<time_now>},
                                       {"parse", guarded<time_parse>},
                                       {"format", guarded<time_format>},
                                       {"seconds", guarded<time_seconds>},
                                       {nullptr, nullptr}};
  lua_newtable(lua);
  luaL_setfuncs(lua, functions, 0);
  seal(lua, "time");
}

}  // namespace lighterman::policy
