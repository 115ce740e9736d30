#include "policy/decision.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/version.hpp"
#include "policy/actions.hpp"
#include "policy/form.hpp"

namespace lighterman::policy {
namespace {

using Json = boost::json::value;

std::vector<std::string> keys_of(Hook hook) {
  switch (hook) {
    case Hook::on_push:
      return {"tags", "args", "labels", "target", "platforms", "skip"};
    case Hook::on_staged:
      return {"deny", "sign", "attach", "tags"};
    case Hook::on_published:
      return {"replicate", "retain", "promote", "post"};
    case Hook::on_rescan:
      return {"post", "deny", "untag"};
    case Hook::on_finished:
      return {"post"};
  }
  return {};
}

[[noreturn]] void refuse(std::string_view what, std::string_view why) {
  throw Error(ErrorKind::invalid, concat(what, ": ", why));
}

std::vector<Json> items_of(const Json& given) {
  if (given.is_array()) return {given.get_array().begin(), given.get_array().end()};
  return {given};
}

std::string text_of(const Json& given, std::string_view what) {
  if (!given.is_string() || given.get_string().empty()) refuse(what, "must be a text");
  return std::string(given.get_string());
}

/// Text of an arg or a label: numbers and booleans are written out.
std::string plain_text_of(const Json& given, std::string_view what) {
  if (given.is_string()) return std::string(given.get_string());
  if (given.is_bool() || given.is_number()) return boost::json::serialize(given);
  refuse(what, "must be a text, a number or a boolean");
}

TagPlan tag_of(const Json& given) {
  // A tag that a plugin does not call fixed may move; only forward, as all moving tags do.
  TagPlan plan{"", true};
  if (given.is_object()) {
    check_form("tags", given,
               {{"tag", Form::text, true}, {"moving", Form::boolean}, {"version", Form::text}});
    const Fields fields(given, "tags");
    plan.tag = fields.text("tag");
    plan.moving = fields.flag_or("moving", true);
    if (const auto version = fields.find_text("version")) {
      const auto parsed = Version::parse(*version);
      if (!parsed) fields.refuse("version", concat('"', *version, "\" is no version as 1.4.2 is"));
      plan.version = parsed->text();
    }
  } else {
    plan.tag = text_of(given, "tags");
  }
  Reference::parse("registry.invalid/name").with_tag(plan.tag);  // throws for what no tag may be
  return plan;
}

std::string both(const std::string& what, const Said<std::string>& one,
                 const Said<std::string>& other) {
  return concat(what, ": plugin \"", one.plugin, "\" says \"", one.value, "\", plugin \"",
                other.plugin, "\" says \"", other.value, '"');
}

/// Which of two that contradict is right nobody knows: the run's owner hears of both.
void add_text(Decision& decision, std::map<std::string, Said<std::string>>& to,
              const std::string& what, const std::string& name, Said<std::string> said) {
  const auto [found, added] = to.emplace(name, said);
  if (!added && found->second.value != said.value) {
    decision.problems.push_back({both(concat(what, '.', name), found->second, said), said.plugin});
  }
}

void add_texts(Decision& decision, const std::string& plugin, const Json& given,
               const std::string& key) {
  if (given.is_array() && given.get_array().empty()) return;
  if (!given.is_object()) refuse(key, "must be a table of names and values");
  for (const auto& field : given.get_object()) {
    const std::string name(field.key());
    add_text(decision, key == "args" ? decision.args : decision.labels, key, name,
             {plain_text_of(field.value(), concat(key, '.', name)), plugin});
  }
}

void add_tag(Decision& decision, const std::string& plugin, const TagPlan& plan) {
  const auto same = [&](const auto& said) { return said.value.tag == plan.tag; };
  const auto found = std::ranges::find_if(decision.tags, same);
  if (found == decision.tags.end()) {
    decision.tags.push_back({plan, plugin});
    return;
  }
  TagPlan& known = found->value;
  if (known.version.empty()) {
    known.version = plan.version;
  } else if (!plan.version.empty() && plan.version != known.version) {
    decision.problems.push_back({both(concat("the version of tag ", plan.tag),
                                      {known.version, found->plugin}, {plan.version, plugin}),
                                 plugin});
  }
  if (plan.moving || !known.moving) return;
  known.moving = false;  // a tag that one plugin fixes stays where it is
  found->plugin = plugin;
}

void add_target(Decision& decision, const std::string& plugin, const Json& given) {
  Said<std::string> said{text_of(given, "target"), plugin};
  if (!decision.target) {
    decision.target = std::move(said);
  } else if (decision.target->value != said.value) {
    decision.problems.push_back({both("target", *decision.target, said), plugin});
  }
}

void add_platform(Decision& decision, const std::string& plugin, const Json& given) {
  const std::string platform = text_of(given, "platforms");
  if (platform.find('/') == std::string::npos) {
    refuse("platforms", concat('"', platform, "\" is no platform such as linux/amd64"));
  }
  const auto same = [&](const auto& said) { return said.value == platform; };
  if (std::ranges::none_of(decision.platforms, same)) {
    decision.platforms.push_back({platform, plugin});
  }
}

void add_key(Decision& decision, const std::string& plugin, const std::string& key,
             const Json& given) {
  if (key == "args" || key == "labels") return add_texts(decision, plugin, given, key);
  if (key == "target") return add_target(decision, plugin, given);
  for (const Json& item : items_of(given)) {
    if (key == "tags") {
      add_tag(decision, plugin, tag_of(item));
    } else if (key == "platforms") {
      add_platform(decision, plugin, item);
    } else if (key == "skip" || key == "deny") {
      auto& into = key == "skip" ? decision.skip : decision.deny;
      into.push_back({text_of(item, key), plugin});
    } else {
      check_action(key, item);
      decision.actions.push_back({key, plugin, item});
    }
  }
}

Json shown(const std::vector<Said<std::string>>& said) {
  boost::json::array list;
  for (const auto& each : said) list.push_back({{"plugin", each.plugin}, {"value", each.value}});
  return list;
}

Json shown(const std::map<std::string, Said<std::string>>& said) {
  boost::json::object map;
  for (const auto& [name, each] : said) {
    map[name] = {{"plugin", each.plugin}, {"value", each.value}};
  }
  return map;
}

}  // namespace

void add(Decision& decision, Hook hook, const std::string& plugin, const Json& answer) {
  if (answer.is_null() || (answer.is_array() && answer.get_array().empty())) return;
  if (!answer.is_object()) {
    refuse(render(hook), "must return a table such as { deny = \"why\" }, or nothing");
  }
  const std::vector<std::string> known = keys_of(hook);
  Decision added = decision;
  for (const auto& field : answer.get_object()) {
    const std::string key(field.key());
    if (std::ranges::find(known, key) == known.end()) {
      refuse(render(hook), concat("may not return \"", key, '"', did_you_mean(key, known),
                                  "; it may return ", join(known, ", ")));
    }
    add_key(added, plugin, key, field.value());
  }
  decision = std::move(added);
}

Json to_json(const Decision& decision) {
  boost::json::array tags, actions;
  for (const auto& tag : decision.tags) {
    boost::json::object each = to_json(tag.value);
    each["plugin"] = tag.plugin;
    tags.push_back(std::move(each));
  }
  for (const Action& action : decision.actions) {
    actions.push_back({{"plugin", action.plugin}, {"kind", action.kind}, {"body", action.body}});
  }
  boost::json::object shown_decision{
      {"tags", std::move(tags)},          {"args", shown(decision.args)},
      {"labels", shown(decision.labels)}, {"platforms", shown(decision.platforms)},
      {"skip", shown(decision.skip)},     {"deny", shown(decision.deny)},
      {"actions", std::move(actions)},    {"problems", shown(decision.problems)}};
  if (decision.target) {
    shown_decision["target"] = {{"plugin", decision.target->plugin},
                                {"value", decision.target->value}};
  }
  return shown_decision;
}

std::string reasons(const std::vector<Said<std::string>>& said) {
  std::vector<std::string> each;
  each.reserve(said.size());
  for (const auto& one : said) each.push_back(concat(one.plugin, ": ", one.value));
  return join(each, "; ");
}

}  // namespace lighterman::policy
