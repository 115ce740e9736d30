#include <cstring>

#include "core/error.hpp"
#include "policy/modules.hpp"
#include "policy/pattern.hpp"
#include "policy/state.hpp"

namespace lighterman::policy {
namespace {

std::string_view text_at(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, index, &size);
  return {text, size};
}

/// Runs one match; when it took long, the clock of the call is looked at.
template <class Work>
auto matching(lua_State* lua, Work&& work) {
  auto result = work();
  State::of(lua).check_time(lua);
  return result;
}

void push_capture(lua_State* lua, std::string_view subject, const Pattern::Capture& capture) {
  if (capture.position) {
    lua_pushinteger(lua, static_cast<lua_Integer>(capture.begin) + 1);
  } else {
    lua_pushlstring(lua, subject.data() + capture.begin, capture.size);
  }
}

/// The captures, or the whole match where there are none.
int push_captures(lua_State* lua, std::string_view subject, const Pattern::Found& found,
                  bool whole_if_none = true) {
  if (found.captures.empty()) {
    if (!whole_if_none) return 0;
    lua_pushlstring(lua, subject.data() + found.begin, found.end - found.begin);
    return 1;
  }
  luaL_checkstack(lua, static_cast<int>(found.captures.size()), "too many captures");
  for (const Pattern::Capture& capture : found.captures) push_capture(lua, subject, capture);
  return static_cast<int>(found.captures.size());
}

/// The third argument of find, match and gmatch; beyond the end: empty.
std::optional<std::size_t> start_at(lua_State* lua, int index, std::string_view subject) {
  const lua_Integer given = luaL_optinteger(lua, index, 1);
  const auto size = static_cast<lua_Integer>(subject.size());
  const lua_Integer place = given > 0 ? given : given == 0 || given < -size ? 1 : size + given + 1;
  if (place > size + 1) return {};
  return static_cast<std::size_t>(place - 1);
}

int string_find(lua_State* lua) {
  const std::string_view subject = text_at(lua, 1), pattern = text_at(lua, 2);
  const auto from = start_at(lua, 3, subject);
  if (!from) return lua_pushnil(lua), 1;
  if (lua_toboolean(lua, 4) != 0 || pattern.find_first_of("^$*+?.([%-") == pattern.npos) {
    // glibc's memmem takes linear time; std::string_view::find does not.
    const void* found =
        ::memmem(subject.data() + *from, subject.size() - *from, pattern.data(), pattern.size());
    State::of(lua).check_time(lua);
    if (found == nullptr) return lua_pushnil(lua), 1;
    const lua_Integer place = static_cast<const char*>(found) - subject.data();
    lua_pushinteger(lua, place + 1);
    lua_pushinteger(lua, place + static_cast<lua_Integer>(pattern.size()));
    return 2;
  }
  Pattern matcher(pattern, State::of(lua).limits().match_steps);
  const auto found = matching(lua, [&] { return matcher.find(subject, *from); });
  if (!found) return lua_pushnil(lua), 1;
  lua_pushinteger(lua, static_cast<lua_Integer>(found->begin) + 1);
  lua_pushinteger(lua, static_cast<lua_Integer>(found->end));
  return 2 + push_captures(lua, subject, *found, false);
}

int string_match(lua_State* lua) {
  const std::string_view subject = text_at(lua, 1), pattern = text_at(lua, 2);
  const auto from = start_at(lua, 3, subject);
  if (!from) return lua_pushnil(lua), 1;
  Pattern matcher(pattern, State::of(lua).limits().match_steps);
  const auto found = matching(lua, [&] { return matcher.find(subject, *from); });
  if (!found) return lua_pushnil(lua), 1;
  return push_captures(lua, subject, *found);
}

int next_match(lua_State* lua) {  // upvalues: subject, pattern, where to go on, end of the last
  const std::string_view subject = text_at(lua, lua_upvalueindex(1));
  Pattern matcher(text_at(lua, lua_upvalueindex(2)), State::of(lua).limits().match_steps);
  auto from = static_cast<std::size_t>(lua_tointeger(lua, lua_upvalueindex(3)));
  const auto last = lua_tointeger(lua, lua_upvalueindex(4));
  return matching(lua, [&] {
    for (; from <= subject.size(); ++from) {
      const auto found = matcher.at(subject, from);
      if (!found || static_cast<lua_Integer>(found->end) == last) continue;
      lua_pushinteger(lua, static_cast<lua_Integer>(found->end));
      lua_copy(lua, -1, lua_upvalueindex(3));
      lua_replace(lua, lua_upvalueindex(4));
      return push_captures(lua, subject, *found);
    }
    return 0;
  });
}

int string_gmatch(lua_State* lua) {
  const std::string_view subject = text_at(lua, 1);
  text_at(lua, 2);
  const auto from = start_at(lua, 3, subject);
  lua_settop(lua, 2);
  lua_pushinteger(lua, static_cast<lua_Integer>(from.value_or(subject.size() + 1)));
  lua_pushinteger(lua, -1);
  lua_pushcclosure(lua, guarded<next_match>, 4);
  return 1;
}

/// The text that gsub makes, kept within the memory limit although it is not Lua's yet.
class Output {
 public:
  explicit Output(State& state) : most_(state.limits().memory_bytes / 2) {}
  void add(std::string_view piece) {
    if (text_.size() + piece.size() > most_) {
      throw Error(ErrorKind::invalid, concat("gsub would make more than ", render_size(most_)));
    }
    text_ += piece;
  }
  const std::string& text() const noexcept { return text_; }

 private:
  std::size_t most_;
  std::string text_;
};

/// "%1" and "%%" of a replacement.
void add_replacement(lua_State* lua, Output& out, std::string_view subject,
                     const Pattern::Found& found, std::string_view replacement) {
  for (std::size_t place = 0; place < replacement.size(); ++place) {
    if (replacement[place] != '%') {
      out.add(replacement.substr(place, 1));
      continue;
    }
    const char name = ++place < replacement.size() ? replacement[place] : '\0';
    const auto which = static_cast<std::size_t>(name - '1');
    if (name == '%') {
      out.add("%");
    } else if (name == '0' || (name == '1' && found.captures.empty())) {
      out.add(subject.substr(found.begin, found.end - found.begin));
    } else if (name >= '1' && name <= '9' && which < found.captures.size()) {
      push_capture(lua, subject, found.captures[which]);
      out.add(text_at(lua, -1));
      lua_pop(lua, 1);
    } else {
      throw Error(ErrorKind::invalid, "invalid use of % in the replacement");
    }
  }
}

void add_value(lua_State* lua, Output& out, std::string_view subject, const Pattern::Found& found) {
  const int type = lua_type(lua, 3);
  if (type == LUA_TSTRING || type == LUA_TNUMBER) {
    add_replacement(lua, out, subject, found, text_at(lua, 3));
    return;
  }
  if (type == LUA_TTABLE) {
    push_captures(lua, subject, found);
    lua_settop(lua, 5);  // only the first counts
    lua_gettable(lua, 3);
  } else {
    lua_pushvalue(lua, 3);
    lua_call(lua, push_captures(lua, subject, found), 1);
  }
  if (lua_toboolean(lua, -1) == 0) {
    out.add(subject.substr(found.begin, found.end - found.begin));
  } else if (lua_isstring(lua, -1) != 0) {
    out.add(text_at(lua, -1));
  } else {
    throw Error(ErrorKind::invalid,
                concat("the replacement is a ", luaL_typename(lua, -1), ", not a text"));
  }
  lua_settop(lua, 4);
}

int string_gsub(lua_State* lua) {
  const std::string_view subject = text_at(lua, 1), pattern = text_at(lua, 2);
  const int type = lua_type(lua, 3);
  luaL_argexpected(
      lua,
      type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
      "string/function/table");
  const lua_Integer most = luaL_optinteger(lua, 4, static_cast<lua_Integer>(subject.size()) + 1);
  lua_settop(lua, 4);
  State& state = State::of(lua);
  Pattern matcher(pattern, state.limits().match_steps);
  Output out(state);
  std::size_t place = 0;
  std::optional<std::size_t> last;
  lua_Integer count = 0;
  while (count < most) {
    const auto found = matcher.at(subject, place);
    if (found && last != found->end) {
      ++count;
      add_value(lua, out, subject, *found);
      place = found->end;
      last = place;
      state.check_time(lua);
    } else if (place < subject.size()) {
      out.add(subject.substr(place++, 1));
    } else {
      break;
    }
    if (matcher.anchored()) break;
  }
  state.check_time(lua);
  if (place < subject.size()) out.add(subject.substr(place));
  lua_pushlstring(lua, out.text().data(), out.text().size());
  lua_pushinteger(lua, count);
  return 2;
}

int string_rep(lua_State* lua) {
  const std::string_view text = text_at(lua, 1);
  const lua_Integer times = luaL_checkinteger(lua, 2);
  std::size_t between = 0;
  luaL_optlstring(lua, 3, "", &between);
  // Lua's own loop goes round for an empty text too.
  if (times <= 0 || text.size() + between == 0) return lua_pushliteral(lua, ""), 1;
  State& state = State::of(lua);
  if (static_cast<std::uint64_t>(times) > state.limits().memory_bytes / (text.size() + between)) {
    state.exhaust(lua, "string.rep would make a text larger than the memory limit");
  }
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, lua_gettop(lua) - 1, 1);
  state.check_time(lua);
  return 1;
}

/// What tables and functions look like is asked first: Lua would show their addresses.
int string_format(lua_State* lua) {
  const std::string_view form = text_at(lua, 1);
  for (std::size_t at = form.find('%'); at != form.npos; at = form.find('%', at + 1)) {
    at = form.find_first_not_of("-+ #0123456789.", at + 1);
    if (at == form.npos) break;
    if (form[at] == 'p') throw Error(ErrorKind::invalid, "string.format: there is no %p here");
  }
  const int count = lua_gettop(lua);
  for (int index = 2; index <= count; ++index) {
    const int type = lua_type(lua, index);
    if (type != LUA_TTABLE && type != LUA_TFUNCTION && type != LUA_TUSERDATA) continue;
    push_shown(lua, index);
    lua_replace(lua, index);
  }
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, count, 1);
  return 1;
}

}  // namespace

void bound_strings(lua_State* lua) {
  lua_getfield(lua, -1, "rep");
  lua_pushcclosure(lua, guarded<string_rep>, 1);
  lua_setfield(lua, -2, "rep");
  lua_getfield(lua, -1, "format");
  lua_pushcclosure(lua, guarded<string_format>, 1);
  lua_setfield(lua, -2, "format");
  static const luaL_Reg ours[] = {{"find", guarded<string_find>},
                                  {"match", guarded<string_match>},
                                  {"gmatch", guarded<string_gmatch>},
                                  {"gsub", guarded<string_gsub>},
                                  {nullptr, nullptr}};
  luaL_setfuncs(lua, ours, 0);
}

}  // namespace lighterman::policy
