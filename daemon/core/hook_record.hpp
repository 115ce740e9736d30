#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "core/run.hpp"

namespace lighterman {

/// One question to the plugins in a run, and what they decided: enough to ask it again.
struct HookRecord {
  std::int64_t id = 0;  ///< given by the store
  RunId run = 0;
  std::string source, image;    ///< image: empty for the whole run
  std::string hook;             ///< "on_push", ...
  Instant now{};                ///< what the plugins' clock showed
  boost::json::value facts;     ///< what they were given; null once it is no longer kept
  boost::json::value answers;   ///< what capabilities answered, in order: [{wish, answer}, ...]
  boost::json::value decision;  ///< as policy::to_json wrote it
};

/// planned: nobody performs this kind of action yet, or a person has to. waiting: due at `due`.
enum class ActionState { planned, waiting, done, failed };
std::string_view render(ActionState state) noexcept;
ActionState parse_action_state(std::string_view given);  ///< throws Error(invalid)

/// What a plugin asked to be done, and what became of it.
struct ActionRecord {
  std::int64_t id = 0;  ///< given by the store
  RunId run = 0;
  std::string image, hook, plugin;
  std::string kind;  ///< "post", "sign", ...
  boost::json::value body;
  ActionState state = ActionState::planned;
  std::int64_t tries = 0;
  Instant due{};
  std::string why;  ///< how the last try failed, or what it waits for
};

boost::json::value to_json(const HookRecord& record);
HookRecord hook_record_from(const boost::json::value& given);  ///< throws Error(invalid)
boost::json::value to_json(const ActionRecord& record);

}  // namespace lighterman
