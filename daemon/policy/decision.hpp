#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/build_plan.hpp"
#include "policy/plugin.hpp"

namespace lighterman::policy {

/// Something, and the plugin that said it.
template <class T>
struct Said {
  T value;
  std::string plugin;
};

/// sign, attach, replicate, retain, promote, post, untag: what a plugin asks to be done.
struct Action {
  std::string kind;
  std::string plugin;
  boost::json::value body;
};

/// The answers of all plugins to one question. Answers combine without order: tags and labels
/// unite (a tag that anyone fixes is fixed), any skip or deny wins and all reasons are kept,
/// actions are collected, and what contradicts is a problem that names both plugins.
struct Decision {
  std::vector<Said<TagPlan>> tags;
  std::map<std::string, Said<std::string>> args, labels;
  std::optional<Said<std::string>> target;
  std::vector<Said<std::string>> platforms;
  std::vector<Said<std::string>> skip, deny;
  std::vector<Action> actions;
  std::vector<Said<std::string>> problems;  ///< hooks that failed, and answers that contradict
};

boost::json::value to_json(const Decision& decision);
Decision decision_from(const boost::json::value& given);
/// "because of a; because of b": reasons with their plugins in front.
std::string reasons(const std::vector<Said<std::string>>& said);

/// Adds what a plugin's hook returned. Error(invalid) for a key the hook may not return, a wrong
/// type or an action's body with wrong keys; nothing is added then.
void add(Decision& decision, Hook hook, const std::string& plugin,
         const boost::json::value& answer);

}  // namespace lighterman::policy
