// What every plugin has at hand: the modules of daemon/policy/modules.hpp.
#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "policy/modules.hpp"
#include "policy/state.hpp"
#include "policy/values.hpp"

namespace lighterman::policy {
namespace {

std::string_view text_at(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, index, &size);
  return {text, size};
}

void push_text(lua_State* lua, std::string_view text) {
  lua_pushlstring(lua, text.data(), text.size());
}

int json_encode(lua_State* lua) {
  luaL_checkany(lua, 1);
  push_text(lua, boost::json::serialize(json_at(lua, 1, "json.encode")));
  return 1;
}

int json_decode(lua_State* lua) {
  const std::string_view text = text_at(lua, 1);
  // What it becomes while it is read is many times larger, and not yet Lua's to count.
  const std::uint64_t most = State::of(lua).limits().memory_bytes / 8;
  if (text.size() > most) {
    throw Error(ErrorKind::invalid, concat("json.decode: more than ", render_size(most)));
  }
  push_json(lua, parse_json(text, "json.decode"));
  State::of(lua).check_time(lua);
  return 1;
}

template <bool warn>
int log_line(lua_State* lua) {
  luaL_checkany(lua, 1);
  State& state = State::of(lua);
  if (!state.log || !state.take_log_line()) return 0;
  push_shown(lua, 1);
  state.log(warn ? "warn" : "info", shortened(valid_utf8(text_at(lua, -1)), 2000));
  return 0;
}

/// "Feature/Fancy Thing" -> "feature-fancy-thing": what a tag may hold, at most 128 characters.
int slug(lua_State* lua) {
  std::string out;
  for (const char c : lower(text_at(lua, 1).substr(0, 4096))) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
    if (plain) {
      out += c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  const auto first = out.find_first_not_of(".-");
  out = first == std::string::npos ? "" : out.substr(first, 128);
  while (!out.empty() && out.back() == '-') out.pop_back();
  push_text(lua, out);
  return 1;
}

bool matches(lua_State* lua, std::string_view pattern, std::string_view subject) {
  constexpr std::size_t longest_pattern = 4096, longest_subject = 64 << 10;
  if (pattern.size() > longest_pattern || subject.size() > longest_subject) {
    throw Error(ErrorKind::invalid, "glob: the text or the pattern is too long");
  }
  State::of(lua).check_time(lua);
  return matches_glob(pattern, subject);
}

/// glob(text, pattern), or whether any pattern of a list matches.
int glob_matches(lua_State* lua) {
  const std::string_view subject = text_at(lua, 1);
  if (lua_type(lua, 2) != LUA_TTABLE) {
    lua_pushboolean(lua, matches(lua, text_at(lua, 2), subject));
    return 1;
  }
  for (lua_Integer place = 1; lua_geti(lua, 2, place) != LUA_TNIL; ++place) {
    if (matches(lua, text_at(lua, -1), subject)) return lua_pushboolean(lua, 1), 1;
    lua_pop(lua, 1);
  }
  lua_pushboolean(lua, 0);
  return 1;
}

/// template("{name} is at {commit}", {name = ...}): a name without a value is an error.
int fill_template(lua_State* lua) {
  const std::string_view text = text_at(lua, 1);
  luaL_checktype(lua, 2, LUA_TTABLE);
  std::string out;
  for (std::size_t place = 0; place < text.size();) {
    const std::size_t open = text.find('{', place);
    const std::size_t close = open == text.npos ? text.npos : text.find('}', open);
    if (close == text.npos) {
      out += text.substr(place);
      break;
    }
    out += text.substr(place, open - place);
    lua_pushvalue(lua, 2);
    const std::string path(text.substr(open + 1, close - open - 1));
    if (path.size() > 200) throw Error(ErrorKind::invalid, "template: a name is too long");
    for (const std::string& name : split(path, '.')) {
      if (lua_type(lua, -1) != LUA_TTABLE) {
        throw Error(ErrorKind::invalid, concat("template: {", path, "} has no value"));
      }
      lua_getfield(lua, -1, name.c_str());
    }
    if (lua_isnil(lua, -1)) {
      throw Error(ErrorKind::invalid, concat("template: {", path, "} has no value"));
    }
    push_shown(lua, -1);
    const std::string_view value = text_at(lua, -1);
    State& state = State::of(lua);
    state.check_time(lua);
    if (out.size() + value.size() > state.limits().memory_bytes / 2) {
      throw Error(ErrorKind::invalid, "template: the text becomes too large");
    }
    out += value;
    lua_settop(lua, 2);
    place = close + 1;
  }
  push_text(lua, out);
  return 1;
}

/// deny "reason" is {deny = {"reason"}}, post{...} is {post = {{...}}}.
int say(lua_State* lua) {
  const char* word = lua_tostring(lua, lua_upvalueindex(1));
  const bool reason = lua_toboolean(lua, lua_upvalueindex(2)) != 0;
  if (reason) {
    luaL_checktype(lua, 1, LUA_TSTRING);
  } else {
    luaL_checktype(lua, 1, LUA_TTABLE);
  }
  lua_newtable(lua);
  lua_newtable(lua);
  lua_pushvalue(lua, 1);
  lua_rawseti(lua, -2, 1);
  lua_setfield(lua, -2, word);
  return 1;
}

void add_words(lua_State* lua) {
  for (const char* word :
       {"deny", "skip", "sign", "attach", "replicate", "retain", "promote", "post", "untag"}) {
    const std::string_view name = word;
    lua_pushstring(lua, word);
    lua_pushboolean(lua, name == "deny" || name == "skip");
    lua_pushcclosure(lua, say, 2);
    lua_setfield(lua, -2, word);
  }
}

void add_sealed(lua_State* lua, const char* name, const luaL_Reg* functions) {
  lua_newtable(lua);
  luaL_setfuncs(lua, functions, 0);
  seal(lua, name);
  lua_setfield(lua, -2, name);
}

}  // namespace

void open_modules(lua_State* lua) {
  static const luaL_Reg json[] = {
      {"encode", guarded<json_encode>}, {"decode", guarded<json_decode>}, {nullptr, nullptr}};
  static const luaL_Reg log[] = {
      {"info", guarded<log_line<false>>}, {"warn", guarded<log_line<true>>}, {nullptr, nullptr}};
  add_sealed(lua, "json", json);
  add_sealed(lua, "log", log);
  lua_pushcfunction(lua, guarded<slug>);
  lua_setfield(lua, -2, "slug");
  lua_pushcfunction(lua, guarded<glob_matches>);
  lua_setfield(lua, -2, "glob");
  lua_pushcfunction(lua, guarded<fill_template>);
  lua_setfield(lua, -2, "template");
  push_semver_module(lua);
  lua_setfield(lua, -2, "semver");
  push_regex_module(lua);
  lua_setfield(lua, -2, "regex");
  push_time_module(lua);
  lua_setfield(lua, -2, "time");
  push_tags_module(lua);
  lua_setfield(lua, -2, "tags");
  add_words(lua);
}

}  // namespace lighterman::policy
