#include <boost/json.hpp>

#include "core/json.hpp"
#include "policy/decision.hpp"

namespace lighterman::policy {
namespace {

std::vector<Said<std::string>> texts(const Fields& decision, std::string_view key) {
  std::vector<Said<std::string>> said;
  for (const auto& each : decision.list(key)) {
    const Fields fields(each, decision.path(key));
    said.push_back({fields.text("value"), fields.text("plugin")});
  }
  return said;
}

std::map<std::string, Said<std::string>> map_of(const Fields& decision, std::string_view key) {
  std::map<std::string, Said<std::string>> said;
  const auto* map = decision.find(key);
  if (map == nullptr) return said;
  for (const auto& field : map->as_object()) {
    const Fields fields(field.value(), decision.path(key));
    said[field.key()] = {fields.text("value"), fields.text("plugin")};
  }
  return said;
}

}  // namespace

Decision decision_from(const boost::json::value& given) {
  const Fields fields(given, "decision");
  Decision decision;
  for (const auto& each : fields.list("tags")) {
    const Fields tag(each, "decision.tags");
    decision.tags.push_back(
        {{tag.text("tag"), tag.flag_or("moving", true), tag.text_or("version", "")},
         tag.text("plugin")});
  }
  for (const auto& each : fields.list("actions")) {
    const Fields action(each, "decision.actions");
    decision.actions.push_back({action.text("kind"), action.text("plugin"), action.get("body")});
  }
  decision.args = map_of(fields, "args");
  decision.labels = map_of(fields, "labels");
  decision.platforms = texts(fields, "platforms");
  decision.skip = texts(fields, "skip");
  decision.deny = texts(fields, "deny");
  decision.problems = texts(fields, "problems");
  if (const auto* target = fields.find("target")) {
    const Fields said(*target, "decision.target");
    decision.target = Said<std::string>{said.text("value"), said.text("plugin")};
  }
  return decision;
}

}  // namespace lighterman::policy
