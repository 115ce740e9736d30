#include "cli/registry_verbs.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <iostream>
#include <memory>

#include "cli/live_log.hpp"
#include "cli/remote.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "pipeline/yard.hpp"
#include "registry/harbor.hpp"
#include "scan/writers.hpp"

namespace lighterman::cli {
namespace {

using registry::Harbor;
using registry::HarborJob;

constexpr unsigned between_looks_microseconds = 500'000;

/// What the words of the command line fill.
struct RegistryWords {
  std::string host, policy, project, image;
  std::filesystem::path config;
  bool json = false, plain_http = false, apply = false, follow = false;
};

std::string safe(std::string_view text) { return harmless(text, false); }
void print(const boost::json::value& value) { std::cout << boost::json::serialize(value) << '\n'; }

int show_profiles(Remote& remote, const RegistryWords& words) {
  std::string path = "/api/v1/registries";
  if (!words.host.empty()) path += concat("?host=", render_url_part(words.host));
  const boost::json::value page = remote.get(path);
  if (words.json) {
    print(page);
    return 0;
  }
  for (const boost::json::value& each : Fields(page, "page").list("registries")) {
    const Fields registry(each, "registry");
    std::cout << safe(registry.text("host")) << ": " << safe(registry.text("summary")) << '\n';
  }
  return 0;
}

/// The registry's options of a configuration, or with the logins of the docker CLI.
registry::Options options_of(const RegistryWords& words, const std::string& host) {
  registry::Options options;
  options.host = host;
  if (!words.config.empty()) options = pipeline::registry_options(config::load(words.config), host);
  if (words.plain_http) options.plain_http = true;
  // Somebody waits for the answer.
  options.retry.attempts = 2;
  return options;
}

boost::json::object to_json(const HarborJob& job) {
  return {{"id", job.id},
          {"state", job.state},
          {"text", job.text},
          {"changed", json_time(job.changed)}};
}

std::string shown(const HarborJob& job) {
  return concat(job.id, ' ', job.state, job.text.empty() ? "" : ": ", job.text,
                job.changed ? concat(" (", render_time(*job.changed).substr(0, 16), ")") : "");
}

/// Looks until it has ended, with --follow; else once.
int report(const RegistryWords& words, const std::function<std::optional<HarborJob>()>& look) {
  std::optional<HarborJob> job = look();
  while (words.follow && !(job && job->ended())) {
    usleep(between_looks_microseconds);
    job = look();
  }
  if (words.json) {
    print(job ? boost::json::value(to_json(*job)) : boost::json::value());
  } else {
    std::cout << (job ? safe(shown(*job)) : "nothing yet") << '\n';
  }
  return job && job->failed() ? 1 : 0;
}

/// What an account without the permission may not see is told in its place.
template <class Look>
boost::json::value if_allowed(Look&& look) {
  try {
    return look();
  } catch (const Error& error) {
    // The rest is worth seeing all the same.
    if (error.kind() != ErrorKind::denied) throw;
    return boost::json::object{{"denied", error.what()}};
  }
}

boost::json::value robot_seen(Harbor& harbor) {
  const auto robot = harbor.find_robot({});
  if (!robot) return nullptr;
  return boost::json::object{{"name", robot->name},
                             {"disabled", robot->disabled},
                             {"expires", json_time(robot->expires)},
                             {"permissions", json_array(robot->permissions)}};
}

boost::json::value policies_seen(Harbor& harbor) {
  boost::json::array all;
  for (const registry::HarborPolicy& each : harbor.policies({}))
    all.push_back({{"id", each.id},
                   {"name", each.name},
                   {"destination", each.destination},
                   {"trigger", each.trigger},
                   {"enabled", each.enabled}});
  return all;
}

boost::json::value garbage_seen(Harbor& harbor) {
  const registry::HarborSchedule schedule = harbor.garbage_schedule({});
  const auto last = harbor.last_collection({});
  return boost::json::object{{"schedule", schedule.kind},
                             {"cron", schedule.cron},
                             {"last", last ? boost::json::value(to_json(*last)) : nullptr}};
}

boost::json::value retention_seen(Harbor& harbor, const std::string& project) {
  const auto retention = harbor.find_retention(project, {});
  if (!retention) return nullptr;
  const auto last = harbor.last_retention(retention->id, {});
  return boost::json::object{{"id", retention->id},
                             {"rules", retention->rules},
                             {"schedule", retention->schedule.kind},
                             {"cron", retention->schedule.cron},
                             {"last", last ? boost::json::value(to_json(*last)) : nullptr}};
}

/// "name: value" lines, indented by what they belong to.
void show_tree(const boost::json::value& value, const std::string& indent) {
  const auto show_one = [&](const std::string& name, const boost::json::value& inner) {
    const bool whole = !inner.is_object() && !inner.is_array();
    std::cout << indent << safe(name) << ':';
    if (whole)
      std::cout << ' '
                << (inner.is_null()     ? "-"
                    : inner.is_string() ? safe(std::string(inner.get_string()))
                                        : boost::json::serialize(inner));
    std::cout << '\n';
    if (!whole) show_tree(inner, indent + "  ");
  };
  if (value.is_object())
    for (const auto& field : value.get_object()) show_one(field.key(), field.value());
  if (!value.is_array()) return;
  for (const boost::json::value& each : value.get_array()) {
    if (!each.is_object()) {
      std::cout << indent << safe(std::string(each.as_string())) << '\n';
      continue;
    }
    show_tree(each, indent);
    std::cout << '\n';
  }
}

int look(const RegistryWords& words) {
  Harbor harbor(options_of(words, words.host));
  const auto about = harbor.find({});
  if (!about) throw Error(ErrorKind::not_found, concat("registry ", words.host, " is no Harbor"));
  boost::json::object seen{
      {"version", about->version}, {"read_only", about->read_only}, {"account", harbor.account()}};
  seen["robot"] = if_allowed([&] { return robot_seen(harbor); });
  seen["policies"] = if_allowed([&] { return policies_seen(harbor); });
  seen["garbage_collection"] = if_allowed([&] { return garbage_seen(harbor); });
  if (!words.project.empty())
    seen["retention"] = if_allowed([&] { return retention_seen(harbor, words.project); });
  if (words.json) {
    print(seen);
  } else {
    show_tree(seen, "");
  }
  return 0;
}

int replicate(const RegistryWords& words) {
  Harbor harbor(options_of(words, words.host));
  const std::int64_t execution = harbor.start_replication(harbor.policy(words.policy, {}).id, {});
  return report(words, [&] { return std::optional(harbor.replication(execution, {})); });
}

int scan(const RegistryWords& words) {
  const Reference image = Reference::parse(words.image);
  Harbor harbor(options_of(words, image.host()));
  harbor.start_scan(image, {});
  if (!words.follow) return report(words, [&] { return harbor.find_scan(image, {}); });
  std::optional<HarborJob> job;
  while (!(job = harbor.find_scan(image, {})) || !job->ended()) usleep(between_looks_microseconds);
  if (job->failed())
    throw Error(ErrorKind::internal,
                concat("Harbor could not scan ", image.text(), ": ", job->state));
  const Findings findings = harbor.findings(image, {});
  if (words.json) {
    print(lighterman::to_json(findings));
  } else {
    std::cout << scan::table_of(findings);
  }
  return 0;
}

int retain(const RegistryWords& words) {
  Harbor harbor(options_of(words, words.host));
  const auto retention = harbor.find_retention(words.project, {});
  if (!retention)
    throw Error(ErrorKind::not_found,
                concat("project ", words.project, " has no retention rules in Harbor"));
  const std::int64_t id = harbor.start_retention(retention->id, !words.apply, {});
  if (!words.apply)
    std::cerr << "Harbor deletes nothing and only says what it would; do it with: lighterman "
                 "harbor retain "
              << words.host << ' ' << words.project << " --apply\n";
  return report(words, [&]() -> std::optional<HarborJob> {
    const auto last = harbor.last_retention(retention->id, {});
    // An older one may still be what it tells of.
    return last && last->id >= id ? last : std::nullopt;
  });
}

int collect(const RegistryWords& words) {
  Harbor harbor(options_of(words, words.host));
  const std::int64_t id = harbor.collect_garbage({});
  return report(words, [&]() -> std::optional<HarborJob> {
    const auto last = harbor.last_collection({});
    return last && last->id >= id ? last : std::nullopt;
  });
}

}  // namespace

void add_registry_verbs(CLI::App& app, std::function<int()>& chosen) {
  // The verbs share them, whichever is chosen.
  const auto words = std::make_shared<RegistryWords>();
  CLI::App* verb =
      app.add_subcommand("registry", "Say what the registries showed that they can do");
  verb->add_flag("--json", words->json, "Print JSON for programs");
  verb->add_option("host", words->host, "This one only, such as registry.example.com");
  verb->callback([&chosen, words] {
    chosen = with_daemon([words](Remote& remote) { return show_profiles(remote, *words); });
  });

  CLI::App* harbor = app.add_subcommand("harbor", "Use Harbor by its own API, without a daemon");
  harbor->require_subcommand(1);
  const auto add = [&](const std::string& name, const std::string& meaning,
                       int (*act)(const RegistryWords&)) {
    CLI::App* inner = harbor->add_subcommand(name, meaning);
    inner->add_flag("--json", words->json, "Print JSON for programs");
    inner->add_flag("--plain-http", words->plain_http, "It may be asked without TLS");
    inner->add_option("--config", words->config,
                      "Configuration with the registry's account; default: as the docker CLI");
    inner->callback([&chosen, words, act] { chosen = [words, act] { return act(*words); }; });
    return inner;
  };
  const auto add_host = [&](CLI::App* inner) {
    inner->add_option("host", words->host, "The registry, such as harbor.example.com")->required();
  };
  const auto add_follow = [&](CLI::App* inner) {
    inner->add_flag("-f,--follow", words->follow, "Wait for the end");
  };
  CLI::App* inner = add("show", "Version, our robot account, policies, garbage collection", look);
  add_host(inner);
  inner->add_option("--project", words->project, "Show this project's retention as well");
  inner = add("replicate", "Start one of its replication policies", replicate);
  add_host(inner);
  inner->add_option("policy", words->policy, "The policy's name")->required();
  add_follow(inner);
  inner = add("scan", "Have an image scanned; with --follow, print what was found", scan);
  inner->add_option("image", words->image, "host/project/name:tag or @digest")->required();
  add_follow(inner);
  inner =
      add("retain", "Have Harbor say what the retention rules of a project would delete", retain);
  add_host(inner);
  inner->add_option("project", words->project, "The project")->required();
  inner->add_flag("--apply", words->apply, "Harbor deletes it");
  add_follow(inner);
  inner = add("collect", "Start its garbage collection, which frees what was deleted", collect);
  add_host(inner);
  add_follow(inner);
}

}  // namespace lighterman::cli
