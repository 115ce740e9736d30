#include "policy/host.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "policy/values.hpp"

namespace lighterman::policy {
namespace {

bool is_meant(const Seat& seat, const Question& question) {
  if (!seat.plugin->defined.contains(question.hook)) return false;
  return seat.sources.empty() || std::ranges::any_of(seat.sources, [&](const std::string& glob) {
           return matches_glob(glob, question.source);
         });
}

/// What the hook returned: one table, or several that count together (return post{...}, deny "x").
std::vector<boost::json::value> answers(State& state, const Seat& seat, const Question& question,
                                        int facts) {
  lua_State* lua = state.lua();
  const int base = lua_gettop(lua);
  push_plugin(state, *seat.plugin, seat.settings);
  const int table = lua_gettop(lua);
  lua_getfield(lua, table, std::string(render(question.hook)).c_str());
  lua_pushvalue(lua, facts);
  state.call(1, LUA_MULTRET);
  std::vector<boost::json::value> given;
  for (int index = table + 1; index <= lua_gettop(lua); ++index) {
    given.push_back(json_at(lua, index, concat(render(question.hook), " returned")));
  }
  lua_settop(lua, base);
  return given;
}

}  // namespace

Decision ask(const std::vector<Seat>& seats, const Question& question, const Limits& limits) {
  Decision decision;
  if (std::ranges::none_of(seats, [&](const Seat& seat) { return is_meant(seat, question); })) {
    return decision;
  }
  State state(limits, question.now);
  push_facts(state.lua(), question.facts, "what a hook is given");
  const int facts = lua_gettop(state.lua());
  for (const Seat& seat : seats) {
    if (!is_meant(seat, question)) continue;
    state.log = [&](std::string_view level, std::string_view text) {
      if (question.log) question.log(seat.name, level, text);
    };
    try {
      Decision heard = decision;
      for (const auto& answer : answers(state, seat, question, facts)) {
        add(heard, question.hook, seat.name, answer);
      }
      decision = std::move(heard);
    } catch (const Error& error) {
      // One of the doors: Lua's failure is an answer here, and the caller weighs it.
      lua_settop(state.lua(), facts);
      decision.problems.push_back(
          {concat(render(question.hook), ": ", error.what(), " (it was given ",
                  shortened(boost::json::serialize(question.facts), 300), ')'),
           seat.name});
    }
  }
  return decision;
}

}  // namespace lighterman::policy
