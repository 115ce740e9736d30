#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "policy/capability.hpp"
#include "policy/decision.hpp"

namespace lighterman::policy {

/// A plugin as the operator put it to work.
struct Seat {
  std::string name;                      ///< in the configuration; what decisions are signed with
  std::shared_ptr<const Plugin> plugin;  // shared by the configurations that a reload swaps
  boost::json::object settings;          ///< checked
  Grants granted;                        ///< the operator's `allow:`
  std::vector<std::string> sources;      ///< globs; empty: all
};

/// One question to all plugins.
struct Question {
  Hook hook = Hook::on_push;
  std::string source;
  boost::json::value facts;
  Instant now{};
  Perform perform;  ///< empty: a dry run, in which each use of a capability is refused
  std::function<void(const std::string& plugin, std::string_view level, std::string_view text)> log;
};

/// Asks the plugins that define the hook and are meant for the source, in a fresh Lua state. A hook
/// that fails ends up in the decision's problems, with the facts it was given; the others are
/// heard all the same. Error(invalid) for facts beyond the memory limit. Any thread.
Decision ask(const std::vector<Seat>& seats, const Question& question, const Limits& limits = {});

}  // namespace lighterman::policy
