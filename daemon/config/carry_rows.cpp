// What becomes of published images: where else they go, and how long they stay.
#include <boost/json.hpp>
#include <cstdlib>
#include <optional>

#include "config/rows.hpp"
#include "core/choices.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "net/url.hpp"
#include "os/file.hpp"

namespace lighterman::config {
namespace {

constexpr std::uint64_t largest_policy = 1 << 20;

constexpr Choice<ReplicateWhen> when_names[] = {{ReplicateWhen::immediate, "immediate"},
                                                {ReplicateWhen::scheduled, "scheduled"},
                                                {ReplicateWhen::manual, "manual"}};

template <class Member>
Row<ReplicateRule> term(std::string name, Member ReplicationTerms::*member, std::string meaning) {
  return {std::move(name), std::move(meaning),
          [member](ReplicateRule& to, const Value& value) { read(to.terms.*member, value); },
          [member](const ReplicateRule& from) { return show(from.terms.*member); },
          schema_of(Member{})};
}

void read_when(ReplicateRule& to, const Value& value) {
  try {
    if (const auto given = value.text("immediate, scheduled or manual"))
      to.when = parse_replicate_when(*given);
  } catch (const Error& error) {
    value.refuse(error.what());
  }
}

/// Harbor puts the seconds first.
std::string without_seconds(const std::string& cron) {
  std::vector<std::string> fields = split(cron, ' ');
  std::erase(fields, "");
  if (fields.size() == 6 && fields.front() == "0") fields.erase(fields.begin());
  return join(fields, " ");
}

/// Harbor's own page of a registry is no part of its name in references.
void read_harbor_registry(Config& config, ReplicateRule& to, const Value& value) {
  std::string url;
  bool insecure = false;
  for (const auto& [key, inner] : value.pairs()) {
    if (key == "url") read(url, inner);
    if (key == "insecure") read(insecure, inner);
  }
  if (url.empty()) return value.refuse("needs the `url` of the registry");
  if (url.find("://") == std::string::npos) url = concat(insecure ? "http://" : "https://", url);
  try {
    const net::Url parsed = net::Url::parse(url);
    to.to = parsed.authority() == "hub.docker.com" ? "docker.io" : parsed.authority();
    registry::Options& options = config.registries[to.to];
    options.host = to.to;
    if (parsed.scheme == "http") options.plain_http = true;
    if (insecure) options.trust.verify = false;
  } catch (const Error& error) {
    value.refuse(error.what());
  }
}

/// How much of the name is left over there: all of it, or its last part ("legacy mode").
void read_harbor_flattening(ReplicateRule& to, const Value& value) {
  const auto given = value.text("-1 or 0");
  if (!given) return;
  if (*given == "0" || *given == "-1") {
    to.rename = *given == "0" ? "{repository}" : "{name}";
  } else {
    value.refuse("can only be 0 or -1 here: write a rule with `rename` for the rest");
  }
}

void read_harbor_trigger(ReplicateRule& to, const Value& value) {
  if (value.node.IsScalar()) return read_when(to, value);
  for (const auto& [key, inner] : value.pairs()) {
    if (key == "type") read_when(to, inner);
    if (key == "schedule") {
      read(to.schedule, inner);
    } else if (key == "trigger_settings" || key == "settings") {
      for (const auto& [name, setting] : inner.pairs())
        if (name == "cron") read(to.schedule, setting);
    }
  }
  to.schedule = without_seconds(to.schedule);
}

void read_harbor_filter(ReplicateRule& to, const Value& value) {
  std::string type, decoration = "matches";
  Patterns patterns;
  for (const auto& [key, inner] : value.pairs()) {
    if (key == "type") read(type, inner);
    if (key == "pattern" || key == "value") read(patterns, inner);
    if (key == "decoration") read(decoration, inner);
  }
  const bool excludes = decoration == "excludes";
  Patterns* const place = type == "tag"     ? &(excludes ? to.tags_except : to.tags)
                          : type == "name"  ? &to.names
                          : type == "label" ? &to.labels
                                            : nullptr;
  if (place == nullptr || (excludes && type != "tag")) {
    value.refuse("is no filter of `type` tag, name or label (of tags also `decoration: excludes`)");
    return;
  }
  place->insert(place->end(), patterns.begin(), patterns.end());
}

/// Harbor's replication policy (goharbor/harbor, api/v2.0/swagger.yaml, "ReplicationPolicy") as far
/// as it speaks of pushing images.
void read_harbor_policy(Config& config, const Value& value) {
  ReplicateRule rule;
  bool enabled = true;
  std::string space;
  bool override = true;
  std::string kilobytes_a_second;
  std::optional<Value> flattening;
  for (const auto& [key, inner] : value.pairs()) {
    if (key == "name") {
      read(rule.name, inner);
    } else if (key == "dest_registry") {
      read_harbor_registry(config, rule, inner);
    } else if (key == "dest_namespace") {
      read(space, inner);
    } else if (key == "trigger") {
      read_harbor_trigger(rule, inner);
    } else if (key == "filters") {
      for (const Value& item : inner.items()) read_harbor_filter(rule, item);
    } else if (key == "deletion" || key == "replicate_deletion") {
      read(rule.delete_vanished, inner);
    } else if (key == "dest_namespace_replace_count") {
      flattening = inner;
    } else if (key == "override") {
      read(override, inner);
      if (!override) inner.refuse("tags that are there and differ are always replaced here");
    } else if (key == "speed") {
      read(kilobytes_a_second, inner);
    } else if (key == "enabled") {
      read(enabled, inner);
    }
  }
  if (space.empty()) {
    rule.rename = "{repository}";
  } else {
    rule.to += concat('/', space);
    if (flattening) read_harbor_flattening(rule, *flattening);
  }
  // -1 and 0 are "as fast as it goes".
  if (const int speed = std::atoi(kilobytes_a_second.c_str()); speed > 0)
    rule.terms.push_limit = static_cast<std::uint64_t>(speed) * 1024;
  if (enabled) config.replicate.push_back(std::move(rule));
}

void read_rule_file(Config& config, const Value& value) {
  const auto given = value.text("a path");
  if (!given) return;
  const std::filesystem::path file = config.file.parent_path() / *given;
  try {
    // YAML reads JSON as well (yaml.org 1.2.2, section 1.3).
    const YAML::Node node = YAML::Load(os::read_file(file, largest_policy));
    read_replicate(config, value.inside(node, file.filename().string()));
  } catch (const YAML::Exception& error) {
    value.refuse(concat("\"", file.string(), "\" is neither JSON nor YAML: ", error.msg));
  } catch (const Error& error) {
    value.refuse(error.what());
  }
}

}  // namespace

std::string_view render(ReplicateWhen when) noexcept { return name_of(when_names, when); }
ReplicateWhen parse_replicate_when(std::string_view given) {
  if (given == "event_based") return ReplicateWhen::immediate;
  return choice_of(when_names, given, "trigger");
}

void read_replicate(Config& to, const Value& value) {
  for (const Value& item : value.node.IsMap() ? std::vector<Value>{value} : value.items()) {
    if (item.node["file"]) {
      for (const auto& [key, inner] : item.pairs()) {
        if (key == "file") {
          read_rule_file(to, inner);
        } else {
          inner.refuse("does not belong beside `file`");
        }
      }
    } else if (item.node["dest_registry"]) {
      read_harbor_policy(to, item);
    } else {
      read_object(to.replicate.emplace_back(), replicate_rows(), item);
    }
  }
}

const std::vector<Row<ReplicateRule>>& replicate_rows() {
  using Rule = ReplicateRule;
  static const std::vector<Row<Rule>> rows{
      row("name", &Rule::name, "Name, for `lighterman replicate` and the log"),
      row("to", &Rule::to,
          "host or host/namespace that the images go to; without it they are only asked of `warm`"),
      row("from", &Rule::from,
          "Patterns of host/repository; default: all that this daemon publishes"),
      row("names", &Rule::names, "Patterns of the repository's name alone; default: all"),
      row("tags", &Rule::tags, "Patterns of tags that go; default: all"),
      row("tags_except", &Rule::tags_except, "Patterns of tags that stay"),
      row("labels", &Rule::labels, "Patterns of NAME=VALUE that the image's labels must have"),
      row("rename", &Rule::rename,
          "Name over there, below `to`: {name} is the last part, {repository} all of it"),
      {"when",
       "immediate (after each publishing), scheduled (what is missing), or manual",
       read_when,
       [](const Rule& from) { return Json(render(from.when)); },
       {{"enum", {"immediate", "scheduled", "manual"}}}},
      row("schedule", &Rule::schedule, "Minute, hour, day of month, month, day of week, in UTC"),
      term("platforms", &ReplicationTerms::platforms, "Of an index only these; default: all"),
      term("referrers", &ReplicationTerms::referrers, "Signatures, SBOMs and the like come along"),
      term("only_signed", &ReplicationTerms::only_signed, "Only what one of our keys signed"),
      term("only_clean", &ReplicationTerms::only_clean, "Only what its newest scan let pass"),
      term("push_limit", &ReplicationTerms::push_limit,
           "Bytes a second over all images of the rule, such as 5MB"),
      term("warm", &ReplicationTerms::warm,
           "Base URLs of mirrors that are asked for the image afterwards, to have it near"),
      term("policy", &ReplicationTerms::policy,
           "A replication policy of the Harbor that images are published to, which it is told to "
           "perform instead"),
      row("delete_vanished", &Rule::delete_vanished,
          "Tags that are gone at the source are deleted there too, when scheduled"),
  };
  return rows;
}

const std::vector<Row<RetainRule>>& retain_rows() {
  using Rule = RetainRule;
  static const std::vector<Row<Rule>> rows{
      row("name", &Rule::name, "Name, for `lighterman retain` and the log"),
      row("repositories", &Rule::repositories, "Patterns of host/repository"),
      row("tags", &Rule::tags, "Patterns of the tags it looks at; default: all"),
      row("keep", &Rule::keep, "The newest so many are kept"),
      {"by",
       "The newest by version, or by the time they were made",
       [](Rule& to, const Value& value) {
         const auto given = value.text("version or time");
         if (given && *given != "version" && *given != "time")
           value.refuse("must be version or time");
         if (given) to.by_version = *given == "version";
       },
       [](const Rule& from) { return Json(from.by_version ? "version" : "time"); },
       {{"enum", {"version", "time"}}}},
      row("newer_than", &Rule::newer_than, "What was made less long ago is kept, such as 30d"),
      row("pulled_within", &Rule::pulled_within,
          "What somebody pulled less long ago is kept, such as 30d (Harbor tells)"),
      row("protect", &Rule::protect, "Patterns of tags that are always kept"),
      row("live_branches", &Rule::live_branches,
          "Keep the tags of branches that are still in their repository"),
      row("deployed", &Rule::deployed,
          "File or URL that lists what is in use, a reference or digest a line: kept"),
      row("schedule", &Rule::schedule,
          "When, as cron has it, in UTC; default: only `lighterman retain --apply`"),
  };
  return rows;
}

}  // namespace lighterman::config
