#include "policy/values.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "core/error.hpp"
#include "core/text.hpp"
#include "policy/capabilities.hpp"
#include "policy/modules.hpp"

namespace lighterman::policy {
namespace {

constexpr int deepest = 32;

void push_text(lua_State* lua, std::string_view text) {
  lua_pushlstring(lua, text.data(), text.size());
}

void push_value(lua_State* lua, const boost::json::value& value, const char* sealed_name) {
  luaL_checkstack(lua, 8, "facts are nested too deeply");
  switch (value.kind()) {
    case boost::json::kind::null:
      lua_pushnil(lua);
      return;
    case boost::json::kind::bool_:
      lua_pushboolean(lua, value.get_bool());
      return;
    case boost::json::kind::int64:
      lua_pushinteger(lua, value.get_int64());
      return;
    case boost::json::kind::uint64:
      lua_pushnumber(lua, static_cast<lua_Number>(value.get_uint64()));
      return;
    case boost::json::kind::double_:
      lua_pushnumber(lua, value.get_double());
      return;
    case boost::json::kind::string:
      push_text(lua, value.get_string());
      return;
    case boost::json::kind::array: {
      const auto& items = value.get_array();
      lua_createtable(lua, static_cast<int>(items.size()), 0);
      lua_Integer place = 0;
      for (const boost::json::value& item : items) {
        push_value(lua, item, sealed_name);
        lua_rawseti(lua, -2, ++place);
      }
      break;
    }
    case boost::json::kind::object: {
      const auto& fields = value.get_object();
      lua_createtable(lua, 0, static_cast<int>(fields.size()));
      for (const auto& field : fields) {
        push_text(lua, field.key());
        push_value(lua, field.value(), sealed_name);
        lua_rawset(lua, -3);
      }
      break;
    }
  }
  if (sealed_name != nullptr) seal(lua, sealed_name);
}

/// One walk from Lua to JSON.
class Reader {
 public:
  Reader(lua_State* lua, std::string what)
      : lua_(lua), what_(std::move(what)), limits_(State::of(lua).limits()) {}

  boost::json::value read(int index, const std::string& path, int depth) {
    if (++nodes_ > limits_.result_nodes) refuse(path, "too many values");
    if (depth > deepest) refuse(path, "nested too deeply (a table inside itself?)");
    luaL_checkstack(lua_, 8, "nested too deeply");
    switch (lua_type(lua_, index)) {
      case LUA_TNIL:
        return nullptr;
      case LUA_TBOOLEAN:
        return lua_toboolean(lua_, index) != 0;
      case LUA_TNUMBER:
        if (lua_isinteger(lua_, index)) return lua_tointeger(lua_, index);
        if (!std::isfinite(lua_tonumber(lua_, index))) refuse(path, "not a finite number");
        return lua_tonumber(lua_, index);
      case LUA_TSTRING:
        return text(index, path);
      case LUA_TTABLE:
        return table(index, path, depth);
      case LUA_TUSERDATA:
        if (const char* name = secret_at(lua_, index)) return {{"$secret", name}};
        [[fallthrough]];
      default:
        refuse(path, concat("a ", luaL_typename(lua_, index), " is not plain data"));
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& path, std::string_view why) const {
    throw Error(ErrorKind::invalid, concat(what_, path, ": ", why));
  }

  boost::json::value text(int index, const std::string& path) {
    std::size_t size = 0;
    const char* begin = lua_tolstring(lua_, index, &size);
    count(size, path);
    return boost::json::value(valid_utf8({begin, size}));
  }

  void count(std::size_t bytes, const std::string& path) {
    if ((bytes_ += bytes) > limits_.result_bytes) {
      refuse(path, concat("more than ", render_size(limits_.result_bytes), " of text"));
    }
  }

  boost::json::value table(int index, const std::string& path, int depth) {
    push_plain(lua_, index);
    const int plain = lua_gettop(lua_);
    boost::json::value read =
        lua_rawlen(lua_, plain) > 0 ? list(plain, path, depth) : record(plain, path, depth);
    lua_settop(lua_, plain - 1);
    return read;
  }

  boost::json::value list(int plain, const std::string& path, int depth) {
    const auto length = static_cast<lua_Integer>(lua_rawlen(lua_, plain));
    boost::json::array items;
    lua_Integer entries = 0;
    for (lua_pushnil(lua_); lua_next(lua_, plain) != 0; lua_pop(lua_, 1)) ++entries;
    if (entries != length) {
      refuse(path, "a table is either a list without holes or a record, not both");
    }
    for (lua_Integer place = 1; place <= length; ++place) {
      lua_rawgeti(lua_, plain, place);
      items.push_back(read(lua_gettop(lua_), concat(path, '[', place, ']'), depth + 1));
      lua_pop(lua_, 1);
    }
    return items;
  }

  boost::json::value record(int plain, const std::string& path, int depth) {
    // Lua's own order of keys differs from state to state.
    std::vector<std::string_view> keys;
    for (lua_pushnil(lua_); lua_next(lua_, plain) != 0; lua_pop(lua_, 1)) {
      if (lua_type(lua_, -2) != LUA_TSTRING) {
        refuse(path, concat("a key that is a ", luaL_typename(lua_, -2), ", where texts belong"));
      }
      if (keys.size() > limits_.result_nodes) refuse(path, "too many values");
      std::size_t size = 0;
      const char* key = lua_tolstring(lua_, -2, &size);
      count(size, path);
      keys.emplace_back(key, size);
    }
    if (keys.empty()) return boost::json::array();
    std::ranges::sort(keys);
    boost::json::object fields;
    for (const std::string_view given : keys) {
      const std::string key = valid_utf8(given);
      push_text(lua_, given);
      lua_rawget(lua_, plain);
      fields[key] = read(lua_gettop(lua_), concat(path, '.', shortened(key, 60)), depth + 1);
      lua_pop(lua_, 1);
    }
    return fields;
  }

  lua_State* lua_;
  std::string what_;
  const Limits& limits_;
  std::size_t nodes_ = 0, bytes_ = 0;
};

}  // namespace

void push_facts(lua_State* lua, const boost::json::value& value, const std::string& name) {
  push_value(lua, value, name.c_str());
}

void push_json(lua_State* lua, const boost::json::value& value) { push_value(lua, value, nullptr); }

boost::json::value json_at(lua_State* lua, int index, const std::string& what) {
  const int top = lua_gettop(lua);
  index = lua_absindex(lua, index);
  try {
    return Reader(lua, what).read(index, "", 0);
  } catch (const Error&) {
    // The walk left its tables on the stack.
    lua_settop(lua, top);
    throw;
  }
}

std::string shown_at(lua_State* lua, int index) {
  try {
    return shortened(boost::json::serialize(json_at(lua, index, "")), 300);
  } catch (const Error&) {
    // What is no plain data is named by its type.
    return concat("a ", luaL_typename(lua, index));
  }
}

}  // namespace lighterman::policy
