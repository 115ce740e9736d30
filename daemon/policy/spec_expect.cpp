// expect(x).to_equal(y) and its kin.
#include <re2/re2.h>

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/text.hpp"
#include "policy/spec.hpp"
#include "policy/spec_bench.hpp"
#include "policy/values.hpp"

namespace lighterman::policy {
namespace {

// Upvalues of each: the bench, the value, whether the opposite is expected.
constexpr int value_at = 2, never_at = 3;

/// What a matcher found: whether it holds, and what to say where it should (or should not).
struct Finding {
  bool holds = false;
  std::string why, why_never;
};

std::string indented(const std::string& lines) {
  std::string text;
  for (const std::string& line : split(lines, '\n')) text += concat("\n  ", line);
  return text;
}

template <Finding (*look)(lua_State*, int value)>
int matcher(lua_State* lua) {
  ++Bench::of(lua).looks;
  lua_settop(lua, 1);
  lua_pushvalue(lua, lua_upvalueindex(value_at));
  const Finding found = look(lua, 2);
  const bool never = lua_toboolean(lua, lua_upvalueindex(never_at)) != 0;
  if (found.holds == never) {
    throw Error(ErrorKind::invalid, never ? found.why_never : found.why);
  }
  return 0;
}

Finding look_equal(lua_State* lua, int value) {
  const auto expected = json_at(lua, 1, "to_equal"), actual = json_at(lua, value, "expect");
  const std::string where = differences(expected, actual);
  return {where.empty(), concat("not equal", indented(where)),
          concat("equal, which was not to be: ", shown_at(lua, value))};
}

Finding look_same(lua_State* lua, int value) {
  return {lua_compare(lua, 1, value, LUA_OPEQ) != 0,
          concat("expected ", shown_at(lua, 1), ", got ", shown_at(lua, value)),
          concat("expected anything but ", shown_at(lua, 1))};
}

Finding look_nil(lua_State* lua, int value) {
  return {lua_isnil(lua, value), concat("expected nil, got ", shown_at(lua, value)),
          "expected something, got nil"};
}

/// An item of a list, a part of a text, or a key of a record.
Finding look_contain(lua_State* lua, int value) {
  const auto item = json_at(lua, 1, "to_contain"), whole = json_at(lua, value, "expect");
  bool holds = false;
  if (whole.is_array()) {
    for (const auto& each : whole.get_array()) holds = holds || same(item, each);
  } else if (!item.is_string()) {
    throw Error(ErrorKind::invalid, concat("to_contain: ", shown_at(lua, value),
                                           " is no list and cannot hold ", shown_at(lua, 1)));
  } else if (whole.is_object()) {
    holds = whole.get_object().contains(item.get_string());
  } else if (whole.is_string()) {
    holds = std::string_view(whole.get_string()).find(item.get_string()) != std::string_view::npos;
  }
  const std::string both = concat(shown_at(lua, 1), "\n  in ", shown_at(lua, value));
  return {holds, concat("did not find ", both), concat("found ", both)};
}

bool matches(lua_State* lua, const std::string& text) {
  RE2::Options options;
  options.set_log_errors(false);
  const RE2 pattern(luaL_checkstring(lua, 1), options);
  if (!pattern.ok()) {
    throw Error(ErrorKind::invalid,
                concat("regular expression ", shown_at(lua, 1), ": ", pattern.error()));
  }
  return RE2::PartialMatch(text, pattern);
}

Finding look_match(lua_State* lua, int value) {
  const bool text = lua_isstring(lua, value) != 0;
  const std::string both = concat(shown_at(lua, value), "\n  against ", shown_at(lua, 1));
  lua_pushvalue(lua, value);  // a number becomes a text where it stands
  return {text && matches(lua, text ? lua_tostring(lua, -1) : ""), concat("no match: ", both),
          concat("a match: ", both)};
}

/// Calls the function; an error, or a hook that failed inside of it, is what is looked for.
Finding look_fail(lua_State* lua, int value) {
  if (!lua_isfunction(lua, value)) {
    throw Error(
        ErrorKind::invalid,
        "to_fail_with looks at a function: expect(function() ... end).to_fail_with(\"why\")");
  }
  Bench& bench = Bench::of(lua);
  const int before = bench.last_problem;
  lua_pushvalue(lua, value);
  std::string why;
  bool failed = lua_pcall(lua, 0, 0, 0) != LUA_OK;
  State& state = State::of(lua);
  if (state.exhausted()) state.exhaust(lua, *state.exhausted());
  if (failed) why = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : shown_at(lua, -1);
  for (auto each = bench.problems.upper_bound(before); each != bench.problems.end();) {
    failed = true;
    why += concat(why.empty() ? "" : "; ", each->second);
    each = bench.problems.erase(each);
  }
  if (!failed) return {false, "expected a failure, and all went well", ""};
  if (lua_isnil(lua, 1)) return {true, "", concat("failed: ", why)};
  return {matches(lua, why),
          concat("failed with another reason: ", why, "\n  expected ", shown_at(lua, 1)),
          concat("failed: ", why)};
}

struct Matcher {
  const char* name;
  lua_CFunction function;
};
constexpr Matcher matchers[] = {
    {"to_equal", guarded<matcher<look_equal>>}, {"to_be", guarded<matcher<look_same>>},
    {"to_be_nil", guarded<matcher<look_nil>>},  {"to_contain", guarded<matcher<look_contain>>},
    {"to_match", guarded<matcher<look_match>>}, {"to_fail_with", guarded<matcher<look_fail>>}};

int no_such_matcher(lua_State* lua) {
  std::vector<std::string> names{"never"};
  for (const Matcher& each : matchers) names.emplace_back(each.name);
  const std::string name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
  throw Error(ErrorKind::invalid, concat("expect() has no \"", name, '"', did_you_mean(name, names),
                                         "; it has ", join(names, ", ")));
}

/// Pushes the matchers for the value at 1.
void push_matchers(lua_State* lua, bool never) {
  lua_newtable(lua);
  for (const Matcher& each : matchers) {
    lua_pushlightuserdata(lua, &Bench::of(lua));
    lua_pushvalue(lua, 1);
    lua_pushboolean(lua, never);
    lua_pushcclosure(lua, each.function, 3);
    lua_setfield(lua, -2, each.name);
  }
  lua_newtable(lua);
  lua_pushcfunction(lua, guarded<no_such_matcher>);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
}

int expect(lua_State* lua) {
  lua_settop(lua, 1);
  push_matchers(lua, false);
  push_matchers(lua, true);
  lua_setfield(lua, -2, "never");
  return 1;
}

}  // namespace

void add_expect(lua_State* lua, Bench& bench) {
  add_spec_function(lua, bench, "expect", guarded<expect>);
}

}  // namespace lighterman::policy
