// The table library with ranges looked at first, and a sort that always gives the same order.
#include <vector>

#include "core/error.hpp"
#include "policy/modules.hpp"
#include "policy/state.hpp"

namespace lighterman::policy {
namespace {

constexpr lua_Integer longest_range = 1'000'000;

/// Lua's functions ask for the length again, and a `__len` could answer differently then.
lua_Integer plain_length(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  push_plain(lua, 1);
  const bool is_sealed = lua_rawequal(lua, 1, -1) == 0;
  const auto length = static_cast<lua_Integer>(lua_rawlen(lua, -1));
  lua_pop(lua, 1);
  if (!is_sealed && luaL_getmetafield(lua, 1, "__len") != LUA_TNIL) {
    throw Error(ErrorKind::invalid, "a table with a length of its own (__len) is no list");
  }
  return length;
}

void check_range(lua_Integer first, lua_Integer last) {
  lua_Integer range = 0;
  if (last >= first && (__builtin_sub_overflow(last, first, &range) || range > longest_range)) {
    throw Error(ErrorKind::invalid,
                concat("a range of more than ", longest_range, " entries of a table"));
  }
}

enum class Ranged { whole, from_second, from_third };

/// A function of the table library behind a look at how far it would go. Its bounds are arguments 2
/// and 3 (unpack, move), 3 and 4 (concat), or the whole table.
template <Ranged ranged>
int bounded(lua_State* lua) {
  const lua_Integer length = plain_length(lua);
  constexpr int first = ranged == Ranged::from_third ? 3 : 2;
  if (ranged == Ranged::whole) {
    check_range(1, length);
  } else {
    check_range(luaL_optinteger(lua, first, 1), luaL_optinteger(lua, first + 1, length));
  }
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
  State::of(lua).check_time(lua);
  return lua_gettop(lua);
}

/// A merge sort: stable, and in bounds whatever the comparing function says.
class Sorting {
 public:
  Sorting(lua_State* lua, int values, bool by_function)
      : lua_(lua), values_(values), by_function_(by_function) {}

  std::vector<lua_Integer> order(lua_Integer count) {
    std::vector<lua_Integer> places(static_cast<std::size_t>(count)), merged(places.size());
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = static_cast<lua_Integer>(i) + 1;
    for (std::size_t width = 1; width < places.size(); width *= 2) {
      for (std::size_t begin = 0; begin < places.size(); begin += 2 * width) {
        const std::size_t middle = std::min(begin + width, places.size());
        const std::size_t end = std::min(begin + 2 * width, places.size());
        std::size_t left = begin, right = middle;
        for (std::size_t to = begin; to < end; ++to) {
          const bool from_right =
              left == middle || (right < end && less(places[right], places[left]));
          merged[to] = from_right ? places[right++] : places[left++];
        }
      }
      places.swap(merged);
    }
    return places;
  }

 private:
  bool less(lua_Integer a, lua_Integer b) {
    if (++compared_ % 64 == 0) State::of(lua_).check_time(lua_);
    if (by_function_) lua_pushvalue(lua_, 2);
    lua_rawgeti(lua_, values_, a);
    lua_rawgeti(lua_, values_, b);
    bool is_less = false;
    if (by_function_) {
      lua_call(lua_, 2, 1);
      is_less = lua_toboolean(lua_, -1) != 0;
      lua_pop(lua_, 1);
    } else {
      is_less = lua_compare(lua_, -2, -1, LUA_OPLT) != 0;
      lua_pop(lua_, 2);
    }
    return is_less;
  }

  lua_State* lua_;
  int values_;
  bool by_function_;
  unsigned compared_ = 0;
};

int table_sort(lua_State* lua) {
  const lua_Integer count = plain_length(lua);
  check_range(1, count);
  const bool by_function = !lua_isnoneornil(lua, 2);
  if (by_function) luaL_checktype(lua, 2, LUA_TFUNCTION);
  lua_settop(lua, 2);
  // A copy, since the comparing function may change the table.
  lua_createtable(lua, static_cast<int>(count), 0);
  for (lua_Integer place = 1; place <= count; ++place) {
    lua_geti(lua, 1, place);
    lua_rawseti(lua, 3, place);
  }
  const std::vector<lua_Integer> order = Sorting(lua, 3, by_function).order(count);
  for (lua_Integer place = 1; place <= count; ++place) {
    lua_rawgeti(lua, 3, order[static_cast<std::size_t>(place - 1)]);
    lua_seti(lua, 1, place);
  }
  State::of(lua).check_time(lua);
  return 0;
}

}  // namespace

void bound_tables(lua_State* lua) {
  static const luaL_Reg bounds[] = {{"insert", guarded<bounded<Ranged::whole>>},
                                    {"remove", guarded<bounded<Ranged::whole>>},
                                    {"unpack", guarded<bounded<Ranged::from_second>>},
                                    {"move", guarded<bounded<Ranged::from_second>>},
                                    {"concat", guarded<bounded<Ranged::from_third>>}};
  for (const luaL_Reg& each : bounds) {
    lua_getfield(lua, -1, each.name);
    lua_pushcclosure(lua, each.func, 1);
    lua_setfield(lua, -2, each.name);
  }
  lua_pushcfunction(lua, guarded<table_sort>);
  lua_setfield(lua, -2, "sort");
}

}  // namespace lighterman::policy
