// regex: RE2's regular expressions (github.com/google/re2/wiki/Syntax), whose time is linear.
#include <re2/re2.h>

#include "core/error.hpp"
#include "policy/modules.hpp"
#include "policy/state.hpp"

namespace lighterman::policy {
namespace {

re2::StringPiece text_at(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, index, &size);
  return {text, size};
}

struct Compiled {
  explicit Compiled(re2::StringPiece pattern) : re(pattern, options()) {
    if (!re.ok()) {
      throw Error(ErrorKind::invalid,
                  concat("regular expression \"", pattern.as_string(), "\": ", re.error()));
    }
  }
  static RE2::Options options() {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    return options;
  }
  RE2 re;
};

/// regex.match(text, pattern): the whole match and its groups as a list, named groups by name too;
/// nil where there is none. A group that took no part is "".
int regex_match(lua_State* lua) {
  const re2::StringPiece subject = text_at(lua, 1);
  const Compiled compiled(text_at(lua, 2));
  const int groups = compiled.re.NumberOfCapturingGroups() + 1;
  std::vector<re2::StringPiece> found(static_cast<std::size_t>(groups));
  const bool matches =
      compiled.re.Match(subject, 0, subject.size(), RE2::UNANCHORED, found.data(), groups);
  State::of(lua).check_time(lua);
  if (!matches) return lua_pushnil(lua), 1;
  lua_createtable(lua, groups, 0);
  for (int group = 0; group < groups; ++group) {
    const re2::StringPiece& text = found[static_cast<std::size_t>(group)];
    lua_pushlstring(lua, text.data() == nullptr ? "" : text.data(), text.size());
    lua_rawseti(lua, -2, group + 1);
  }
  for (const auto& [name, group] : compiled.re.NamedCapturingGroups()) {
    lua_rawgeti(lua, -1, group + 1);
    lua_setfield(lua, -2, name.c_str());
  }
  return 1;
}

int regex_matches(lua_State* lua) {
  const Compiled compiled(text_at(lua, 2));
  lua_pushboolean(lua, RE2::PartialMatch(text_at(lua, 1), compiled.re));
  State::of(lua).check_time(lua);
  return 1;
}

/// regex.replace(text, pattern, by): every match; \0, \1 in `by` are the match and its groups.
int regex_replace(lua_State* lua) {
  std::string text = text_at(lua, 1).as_string();
  const Compiled compiled(text_at(lua, 2));
  const re2::StringPiece by = text_at(lua, 3);
  std::string why;
  if (!compiled.re.CheckRewriteString(by, &why)) throw Error(ErrorKind::invalid, why);
  State& state = State::of(lua);
  if (text.size() * (by.size() + 1) > state.limits().memory_bytes) {
    throw Error(ErrorKind::invalid, "regex.replace could make more than the memory limit");
  }
  RE2::GlobalReplace(&text, compiled.re, by);
  state.check_time(lua);
  lua_pushlstring(lua, text.data(), text.size());
  return 1;
}

}  // namespace

void push_regex_module(lua_State* lua) {
  static const luaL_Reg functions[] = {{"match", guarded<regex_match>},
                                       {"matches", guarded<regex_matches>},
                                       {"replace", guarded<regex_replace>},
                                       {nullptr, nullptr}};
  lua_newtable(lua);
  luaL_setfuncs(lua, functions, 0);
  seal(lua, "regex");
}

}  // namespace lighterman::policy
