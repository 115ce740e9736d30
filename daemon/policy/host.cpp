#include "policy/host.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>

#include "core/error.hpp"
#include "metrics/meters.hpp"
#include "policy/actions.hpp"
#include "policy/grants.hpp"
#include "policy/values.hpp"

namespace lighterman::policy {
namespace {

bool is_meant(const Seat& seat, const Question& question) {
  if (!seat.plugin->defined.contains(question.hook)) return false;
  return seat.sources.empty() || std::ranges::any_of(seat.sources, [&](const std::string& glob) {
           return matches_glob(glob, question.source);
         });
}

/// No hook has that much to say; each answer is a walk of its own.
constexpr int most_answers = 16;
const char facts_key = 0;  // its address is a key

/// What the hook returned: one table, or several that count together (return post{...}, deny "x").
std::vector<boost::json::value> answers(State& state, const Seat& seat, Hook hook) {
  lua_State* lua = state.lua();
  push_plugin(state, *seat.plugin, seat.settings);
  const int table = lua_gettop(lua);
  const std::string name(render(hook));
  lua_pushlstring(lua, name.data(), name.size());
  lua_rawget(lua, table);
  lua_rawgetp(lua, LUA_REGISTRYINDEX, &facts_key);
  lua_call(lua, 1, LUA_MULTRET);
  const int count = lua_gettop(lua) - table;
  if (count > most_answers) {
    throw Error(ErrorKind::invalid, concat("returned more than ", most_answers, " tables"));
  }
  std::vector<boost::json::value> given;
  for (int index = table + 1; index <= table + count; ++index) {
    given.push_back(json_at(lua, index, concat(name, " returned")));
  }
  return given;
}

/// What a grant of scan: [staged] stands for.
std::string staged_in(const boost::json::value& facts) {
  boost::system::error_code missing;
  const auto* reference = facts.find_pointer("/staging/reference", missing);
  return reference != nullptr && reference->is_string() ? std::string(reference->get_string()) : "";
}

/// Adds what one plugin says, all of it or nothing.
void hear(State& state, const Seat& seat, const Question& question, Decision& decision) {
  const Allowance allowance{seat.name, seat.plugin->needs, usable(seat.plugin->needs, seat.granted),
                            staged_in(question.facts), question.perform};
  state.log = [&](std::string_view level, std::string_view text) {
    if (question.log) question.log(seat.name, level, text);
  };
  state.allowance = &allowance;
  Decision heard = decision;
  std::vector<boost::json::value> given;
  state.run([&](lua_State*) { given = answers(state, seat, question.hook); });
  for (const auto& answer : given) add(heard, question.hook, seat.name, answer);
  for (std::size_t at = decision.actions.size(); at < heard.actions.size(); ++at) {
    if (heard.actions[at].kind == "post") check_post_grants(allowance, heard.actions[at].body);
  }
  decision = std::move(heard);
}

}  // namespace

Decision ask(const std::vector<Seat>& seats, const Question& question, const Limits& limits) {
  Decision decision;
  if (std::ranges::none_of(seats, [&](const Seat& seat) { return is_meant(seat, question); })) {
    return decision;
  }
  State state(limits, question.now);
  const auto push = [&](lua_State* lua) {
    push_facts(lua, question.facts, "what a hook is given");
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &facts_key);
  };
  during("the facts", [&] { state.run(push); });
  for (const Seat& seat : seats) {
    if (!is_meant(seat, question)) continue;
    const auto began = std::chrono::steady_clock::now();
    const auto count = [&](metrics::Heard heard) {
      metrics::plugin_called(seat.name, render(question.hook), heard,
                             std::chrono::steady_clock::now() - began);
    };
    try {
      hear(state, seat, question, decision);
      count(metrics::Heard::answered);
    } catch (const Error& error) {
      count(metrics::Heard::failed);
      // One of the doors: Lua's failure is an answer here, and the caller weighs it.
      decision.problems.push_back(
          {concat(render(question.hook), ": ", error.what(), " (it was given ",
                  shortened(boost::json::serialize(question.facts), 300), ')'),
           seat.name});
    }
  }
  return decision;
}

}  // namespace lighterman::policy
