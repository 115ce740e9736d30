// regex: RE2's regular expressions.
#include "core/error.hpp"
#include "policy/modules.hpp"
#include "policy/regex.hpp"
#include "policy/state.hpp"

namespace lighterman::policy {
namespace {

std::string_view text_at(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, index, &size);
  return {text, size};
}

RE2::Options options() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  return options;
}

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

using Groups = std::vector<re2::StringPiece>;

bool find(lua_State* lua, const RE2& re, std::string_view text, std::size_t from, Groups& groups) {
  State::of(lua).check_time(lua);
  return re.Match(piece(text), from, text.size(), RE2::UNANCHORED, groups.data(),
                  static_cast<int>(groups.size()));
}

Groups groups_of(const RE2& re) {
  return Groups(static_cast<std::size_t>(re.NumberOfCapturingGroups()) + 1);
}

/// regex.match(text, pattern): the whole match and its groups as a list, named groups by name too;
/// nil where there is none. A group that took no part is "".
int regex_match(lua_State* lua) {
  const std::string_view text = text_at(lua, 1);
  const Regex regex(text_at(lua, 2));
  const RE2& re = regex.on(text);
  Groups groups = groups_of(re);
  if (!find(lua, re, text, 0, groups)) return lua_pushnil(lua), 1;
  lua_createtable(lua, static_cast<int>(groups.size()), 0);
  for (std::size_t group = 0; group < groups.size(); ++group) {
    const re2::StringPiece& found = groups[group];
    lua_pushlstring(lua, found.data() == nullptr ? "" : found.data(), found.size());
    lua_rawseti(lua, -2, static_cast<lua_Integer>(group) + 1);
  }
  for (const auto& [name, group] : re.NamedCapturingGroups()) {
    lua_rawgeti(lua, -1, group + 1);
    lua_setfield(lua, -2, name.c_str());
  }
  return 1;
}

int regex_matches(lua_State* lua) {
  const std::string_view text = text_at(lua, 1);
  const Regex regex(text_at(lua, 2));
  Groups groups(1);
  lua_pushboolean(lua, find(lua, regex.on(text), text, 0, groups));
  return 1;
}

/// regex.replace(text, pattern, by): every match; \0, \1 in `by` are the match and its groups.
int regex_replace(lua_State* lua) {
  const std::string_view text = text_at(lua, 1), by = text_at(lua, 3);
  const Regex regex(text_at(lua, 2));
  const RE2& re = regex.on(text);
  std::string why, out;
  if (!re.CheckRewriteString(piece(by), &why)) throw Error(ErrorKind::invalid, why);
  Groups groups = groups_of(re);
  const std::uint64_t most = State::of(lua).limits().memory_bytes / 2;
  std::size_t kept = 0;
  for (std::size_t from = 0; from <= text.size() && find(lua, re, text, from, groups);) {
    const auto begin = static_cast<std::size_t>(groups[0].data() - text.data());
    out += text.substr(kept, begin - kept);
    // Each place in `by` may bring the whole match.
    if (out.size() + by.size() * (groups[0].size() + 1) > most) {
      throw Error(ErrorKind::invalid, "regex.replace: the text becomes too large");
    }
    re.Rewrite(&out, piece(by), groups.data(), static_cast<int>(groups.size()));
    kept = begin + groups[0].size();
    from = kept;
    if (!groups[0].empty() || from >= text.size()) {
      if (groups[0].empty()) break;
      continue;
    }
    // Behind an empty match the search goes on one character further.
    do {
      ++from;
    } while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80);
  }
  out += text.substr(kept);
  lua_pushlstring(lua, out.data(), out.size());
  return 1;
}

}  // namespace

Regex::Regex(std::string_view pattern) : compiled_(piece(pattern.substr(0, 10'001)), options()) {
  if (pattern.size() > 10'000)
    throw Error(ErrorKind::invalid, "the regular expression is too long");
  if (!compiled_.ok()) {
    throw Error(ErrorKind::invalid, concat("regular expression \"", shortened(pattern, 100),
                                           "\": ", compiled_.error()));
  }
}

const RE2& Regex::on(std::string_view text) const {
  // Where an expression outgrows its automaton, each byte costs a step for each instruction.
  constexpr std::size_t most_steps = 100'000'000;
  if (text.size() > most_steps / static_cast<std::size_t>(compiled_.ProgramSize() + 1)) {
    throw Error(ErrorKind::invalid, concat("the text is too long (", render_size(text.size()),
                                           ") for this regular expression"));
  }
  return compiled_;
}

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
