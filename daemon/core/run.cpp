#include "core/run.hpp"

#include "core/choices.hpp"
#include "core/json.hpp"

namespace lighterman {
namespace {

constexpr Choice<RunState> run_states[] = {
    {RunState::queued, "queued"},         {RunState::running, "running"},
    {RunState::succeeded, "succeeded"},   {RunState::failed, "failed"},
    {RunState::denied, "denied"},         {RunState::cancelled, "cancelled"},
    {RunState::superseded, "superseded"}, {RunState::skipped, "skipped"}};
constexpr Choice<StageState> stage_states[] = {
    {StageState::running, "running"}, {StageState::done, "done"}, {StageState::failed, "failed"}};

}  // namespace

std::string_view render(RunState state) noexcept { return name_of(run_states, state); }
RunState parse_run_state(std::string_view given) {
  return choice_of(run_states, given, "run state");
}
bool is_final(RunState state) noexcept {
  return state != RunState::queued && state != RunState::running;
}
std::string_view render(StageState state) noexcept { return name_of(stage_states, state); }
StageState parse_stage_state(std::string_view given) {
  return choice_of(stage_states, given, "stage state");
}

boost::json::value to_json(const Allowance& allowance) {
  return boost::json::object{
      {"who", allowance.who}, {"reason", allowance.reason}, {"when", render_time(allowance.when)}};
}

Allowance allowance_from(const boost::json::value& given) {
  const Fields fields(given, "allowance");
  return {fields.text("who"), fields.text("reason"), fields.time_or("when", {})};
}

boost::json::value to_json(const Run& run) {
  boost::json::object object{{"id", run.id},
                             {"state", std::string(render(run.state))},
                             {"why", run.why},
                             {"commit", run.commit},
                             {"cancel_wanted", run.cancel_wanted},
                             {"attempt", run.attempt},
                             {"created", render_time(run.created)},
                             {"started", json_time(run.started)},
                             {"ended", json_time(run.ended)},
                             {"event", to_json(run.event)}};
  object["retry_of"] =
      run.retry_of ? boost::json::value(*run.retry_of) : boost::json::value(nullptr);
  object["allowed"] = run.allowed ? to_json(*run.allowed) : boost::json::value(nullptr);
  return object;
}

boost::json::value to_json(const Stage& stage) {
  return boost::json::object{{"run", stage.run},
                             {"image", stage.image},
                             {"name", stage.name},
                             {"state", std::string(render(stage.state))},
                             {"result", stage.result},
                             {"started", render_time(stage.started)},
                             {"ended", json_time(stage.ended)}};
}

boost::json::value to_json(const JournalLine& line) {
  return boost::json::object{{"number", line.number}, {"when", render_time(line.when)},
                             {"image", line.image},   {"stage", line.stage},
                             {"kind", line.kind},     {"text", line.text}};
}

}  // namespace lighterman
