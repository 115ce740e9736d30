#include "core/replication.hpp"

#include "core/choices.hpp"
#include "core/json.hpp"

namespace lighterman {
namespace {

using State = ReplicationState;
constexpr Choice<State> state_names[] = {{State::waiting, "waiting"},
                                         {State::running, "running"},
                                         {State::done, "done"},
                                         {State::failed, "failed"},
                                         {State::superseded, "superseded"},
                                         {State::cancelled, "cancelled"}};

}  // namespace

std::string_view render(ReplicationState state) noexcept { return name_of(state_names, state); }
ReplicationState parse_replication_state(std::string_view given) {
  return choice_of(state_names, given, "state of a replication");
}
bool is_final(ReplicationState state) noexcept {
  return state != State::waiting && state != State::running;
}

boost::json::object to_json(const ReplicationTerms& terms) {
  return {{"platforms", json_array(terms.platforms)},
          {"referrers", terms.referrers},
          {"only_signed", terms.only_signed},
          {"only_clean", terms.only_clean},
          {"push_limit", terms.push_limit},
          {"warm", json_array(terms.warm)},
          {"policy", terms.policy}};
}

ReplicationTerms replication_terms_from(const boost::json::value& given) {
  const Fields fields(given, "terms");
  return {fields.texts("platforms"),
          fields.flag_or("referrers", true),
          fields.flag_or("only_signed", false),
          fields.flag_or("only_clean", false),
          fields.natural_or("push_limit", 0),
          fields.texts("warm"),
          fields.text_or("policy", "")};
}

boost::json::object to_json(const Replication& replication) {
  return {{"id", replication.id},
          {"run", replication.run == 0 ? boost::json::value() : replication.run},
          {"rule", replication.rule},
          {"source", replication.source.text()},
          {"target", replication.target.text()},
          {"tags", json_array(replication.tags)},
          {"terms", to_json(replication.terms)},
          {"state", render(replication.state)},
          {"tries", replication.tries},
          {"created", render_time(replication.created)},
          {"due", render_time(replication.due)},
          {"started", json_time(replication.started)},
          {"ended", json_time(replication.ended)},
          {"total_bytes", replication.total_bytes},
          {"present_bytes", replication.present_bytes},
          {"mounted_bytes", replication.mounted_bytes},
          {"sent_bytes", replication.sent_bytes},
          {"why", replication.why},
          {"notes", json_array(replication.notes)}};
}

}  // namespace lighterman
