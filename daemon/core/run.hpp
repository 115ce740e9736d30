#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/push_event.hpp"
#include "core/time.hpp"

namespace lighterman {

using RunId = std::int64_t;

/// denied: built, and policy said no; nothing was tagged.
enum class RunState { queued, running, succeeded, failed, denied, cancelled, superseded, skipped };
std::string_view render(RunState state) noexcept;
RunState parse_run_state(std::string_view given);  ///< throws Error(invalid) with the choices
bool is_final(RunState state) noexcept;

/// That somebody let a denied run publish.
struct Allowance {
  std::string who, reason;
  Instant when{};
};

/// One PushEvent on its way.
struct Run {
  RunId id = 0;
  PushEvent event;
  RunState state = RunState::queued;
  std::string commit;  ///< resolved by the source stage; empty before
  std::string why;     ///< why it failed, was skipped, superseded, waits; empty: nothing to say
  bool cancel_wanted = false;
  std::optional<RunId> retry_of;
  std::optional<Allowance> allowed;  ///< what policy denies is published all the same
  std::int64_t attempt = 0;          ///< how often a worker took it
  Instant created{};
  std::optional<Instant> started, ended;
};

enum class StageState { running, done, failed };
std::string_view render(StageState state) noexcept;
StageState parse_stage_state(std::string_view given);

/// One step of a run, for one image (or "" for the whole run) and, for publish, one target.
struct Stage {
  RunId run = 0;
  std::string image;
  std::string name;  ///< "source", "plan", "engine", "staging", "publish:<target>", ...
  StageState state = StageState::running;
  boost::json::value result;  ///< the stage's value, as its own to_json wrote it
  Instant started{};
  std::optional<Instant> ended;
};

/// One line of a run's log. Never holds a secret.
struct JournalLine {
  std::int64_t number = 0;  ///< 1.. within the run, without gaps
  Instant when{};
  std::string image;  ///< empty: the run itself
  std::string stage;
  std::string kind;  ///< "out", "err", "step", "info", "warn", "error", "progress"
  std::string text;  ///< valid UTF-8, one line, no line end
};

boost::json::value to_json(const Allowance& allowance);
Allowance allowance_from(const boost::json::value& given);  ///< throws Error(invalid)
boost::json::value to_json(const Run& run);
boost::json::value to_json(const Stage& stage);
boost::json::value to_json(const JournalLine& line);

}  // namespace lighterman
