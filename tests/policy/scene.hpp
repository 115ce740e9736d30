#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/error.hpp"
#include "policy/host.hpp"
#include "support/failure.hpp"

namespace lighterman::policy::test {

using boost::json::object;

/// A plugin from its text, put to work.
inline Seat seat(const std::string& text, const Grants& granted = {},
                 const std::string& name = "it", const object& settings = {}) {
  Seat seat;
  seat.name = name;
  seat.plugin = std::make_shared<Plugin>(parse_plugin(text, "/plugins/" + name + ".lua"));
  seat.settings = check_settings(*seat.plugin, settings);
  seat.granted = granted;
  return seat;
}

inline boost::json::value some_push() {
  return {{"source", "shop"},
          {"branch", "main"},
          {"commit", "4f1c0e2ad5b8a1f5d0c66c7e83a5d9d0a1b2c3d4"},
          {"default_branch", "main"},
          {"changed_paths", {"README.md", "src/a.c"}},
          {"image", {{"name", "web"}, {"tags", boost::json::array()}}}};
}

inline Decision ask_one(const Seat& seat, Hook hook = Hook::on_push,
                        const boost::json::value& facts = some_push(), const Limits& limits = {},
                        const Perform& perform = {}) {
  Question question;
  question.hook = hook;
  question.source = "shop";
  question.facts = facts;
  question.now = parse_time("2026-05-01T12:00:00Z");
  question.perform = perform;
  return ask({seat}, question, limits);
}

/// The one reason that on_push's body returns: `return skip(...)`.
inline std::string said_by(const std::string& body, const Limits& limits = {}) {
  const Decision decision = ask_one(seat("return { on_push = function(push)\n" + body + "\nend }"),
                                    Hook::on_push, some_push(), limits);
  if (!decision.problems.empty()) return "problem: " + decision.problems.front().value;
  return decision.skip.empty() ? "" : decision.skip.front().value;
}

/// What an expression is, as text.
inline std::string value_of(const std::string& expression) {
  return said_by("return skip(tostring(" + expression + "))");
}

}  // namespace lighterman::policy::test
