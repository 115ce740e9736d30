#include "core/hook_record.hpp"

#include "core/choices.hpp"
#include "core/json.hpp"

namespace lighterman {
namespace {

constexpr Choice<ActionState> action_states[] = {{ActionState::planned, "planned"},
                                                 {ActionState::waiting, "waiting"},
                                                 {ActionState::done, "done"},
                                                 {ActionState::failed, "failed"}};

}  // namespace

std::string_view render(ActionState state) noexcept { return name_of(action_states, state); }
ActionState parse_action_state(std::string_view given) {
  return choice_of(action_states, given, "action state");
}

boost::json::value to_json(const HookRecord& record) {
  return boost::json::object{
      {"id", record.id},       {"run", record.run},         {"source", record.source},
      {"image", record.image}, {"hook", record.hook},       {"now", render_time(record.now)},
      {"facts", record.facts}, {"answers", record.answers}, {"decision", record.decision}};
}

HookRecord hook_record_from(const boost::json::value& given) {
  const Fields fields(given, "question");
  HookRecord record;
  record.id = fields.integer("id");
  record.run = fields.integer("run");
  record.source = fields.text("source");
  record.image = fields.text_or("image", "");
  record.hook = fields.text("hook");
  record.now = fields.time_or("now", {});
  record.facts = fields.get("facts");
  record.answers = fields.get("answers");
  record.decision = fields.get("decision");
  return record;
}

boost::json::value to_json(const ActionRecord& record) {
  return boost::json::object{
      {"id", record.id},         {"run", record.run},
      {"image", record.image},   {"hook", record.hook},
      {"plugin", record.plugin}, {"kind", record.kind},
      {"body", record.body},     {"state", std::string(render(record.state))},
      {"tries", record.tries},   {"due", render_time(record.due)},
      {"why", record.why}};
}

}  // namespace lighterman
