#include "cli/plugin_verbs.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>

#include "cli/check.hpp"
#include "cli/live_log.hpp"
#include "cli/plugin_words.hpp"
#include "cli/policy_verbs.hpp"
#include "config/config.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "policy/dry_run.hpp"
#include "policy/host.hpp"

namespace lighterman::cli {
namespace {

using boost::json::object;
using policy::Hook;
using policy::Plugin;

constexpr int something_failed = 1;

/// What the words of the command line fill.
struct PluginWords {
  std::vector<std::filesystem::path> folders;
  std::filesystem::path config, place;
  std::string name, event, hook;
  std::vector<std::string> set, allow;
  ReplayWish replay;
  bool json = false, partial = false;
};

void print(const boost::json::value& value) { std::cout << boost::json::serialize(value) << '\n'; }

std::string safe(std::string_view text) { return harmless(text, false); }

/// Calls with the configuration that was named, if one was; what is wrong with it is its own fault.
template <class Act>
int with_config(const PluginWords& words, Act act) {
  std::optional<config::Config> config;
  if (!words.config.empty()) {
    try {
      config = config::load(words.config);
    } catch (const Error& error) {
      // Scripts tell this exit code from wrong usage.
      std::cerr << "lighterman: " << error.what() << '\n';
      return bad_configuration;
    }
  }
  return act(config);
}

policy::Catalogue catalogue_of(const PluginWords& words,
                               const std::optional<config::Config>& config) {
  std::vector<std::filesystem::path> folders = words.folders;
  if (config) {
    folders.insert(folders.end(), config->plugin_folders.begin(), config->plugin_folders.end());
  }
  return policy::Catalogue(std::move(folders));
}

bool is_file(const std::string& name) {
  return name.ends_with(policy::plugin_end) || name.find('/') != std::string::npos;
}

Plugin plugin_of(const std::string& name, const policy::Catalogue& catalogue) {
  return is_file(name) ? policy::load_plugin(name) : catalogue.get(name);
}

int list(const PluginWords& words) {
  return with_config(words, [&](const std::optional<config::Config>& config) {
    const policy::Catalogue catalogue = catalogue_of(words, config);
    boost::json::array all;
    std::size_t width = 0;
    const auto entries = catalogue.entries();
    for (const auto& entry : entries) width = std::max(width, entry.name.size());
    for (const auto& entry : entries) {
      const std::string from = entry.file.empty() ? "ships with lighterman" : entry.file.string();
      object row{{"name", entry.name}, {"from", from}};
      std::string about;
      try {
        const Plugin plugin = catalogue.get(entry.name);
        about = plugin.about.substr(0, plugin.about.find(". "));
        if (about.ends_with('.')) about.pop_back();
        row["about"] = plugin.about;
        row["hooks"] = to_json(plugin).at("hooks");
      } catch (const Error& error) {
        // One broken file does not hide the others.
        about = concat("broken: ", error.what());
        row["error"] = error.what();
      }
      all.push_back(row);
      if (words.json) continue;
      std::cout << std::left << std::setw(static_cast<int>(width) + 2) << entry.name
                << safe(shortened(about, 200)) << '\n';
      if (!entry.file.empty()) {
        std::cout << std::string(width + 2, ' ') << "from " << safe(from) << '\n';
      }
    }
    if (words.json) print(all);
    return 0;
  });
}

int show(const PluginWords& words) {
  return with_config(words, [&](const std::optional<config::Config>& config) {
    const Plugin plugin = plugin_of(words.name, catalogue_of(words, config));
    const std::size_t width = std::min<std::size_t>(Terminal::of(STDOUT_FILENO).width, 100);
    if (words.json) {
      print(to_json(plugin));
    } else {
      for (const std::string& line : split(policy::manual(plugin), '\n')) {
        std::cout << wrapped(safe(line), width) << '\n';
      }
      std::cout << "in the configuration:\n";
      for (const std::string& line : split(trim(example(plugin)), '\n')) {
        std::cout << "  " << safe(line) << '\n';
      }
    }
    return 0;
  });
}

std::pair<std::string, std::string> parted(const std::string& given, const char* option) {
  const std::size_t equals = given.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(ErrorKind::invalid, concat(option, " \"", given, "\": must be NAME=VALUE"));
  }
  return {given.substr(0, equals), given.substr(equals + 1)};
}

/// A setting's text as its type has it: words stay words, the rest is JSON.
boost::json::value setting_of(const Plugin& plugin, const std::string& name,
                              const std::string& text) {
  const auto setting = std::ranges::find(plugin.settings, name, &policy::Setting::name);
  const bool plain = setting == plugin.settings.end() || setting->type == "text" ||
                     setting->type == "size" || setting->type == "duration" ||
                     (setting->type == "list" && !text.starts_with('['));
  if (plain) return boost::json::value(text);
  return parse_json(text, concat("--set ", name));
}

/// The plugin in a seat: the configuration's where it has one of this name, with what was said.
policy::Seat seat_of(const PluginWords& words, const std::optional<config::Config>& config) {
  const policy::Catalogue catalogue = catalogue_of(words, config);
  config::PluginSeat seat;
  if (config && config->plugins.contains(words.name)) seat = config->plugins.at(words.name);
  const auto plugin =
      std::make_shared<Plugin>(plugin_of(seat.use.empty() ? words.name : seat.use, catalogue));
  const std::string name = seat.name.empty() ? plugin->name : seat.name;
  for (const std::string& given : words.set) {
    const auto [key, text] = parted(given, "--set");
    seat.settings[key] = setting_of(*plugin, key, text);
  }
  policy::Grants granted = seat.name.empty() ? plugin->needs : policy::Grants(seat.allow);
  for (const std::string& given : words.allow) {
    const auto [capability, allowed] = parted(given, "--allow");
    granted[capability].push_back(allowed);
  }
  object settings = during(concat("settings of ", name),
                           [&] { return policy::check_settings(*plugin, seat.settings); });
  return {name, plugin, std::move(settings), std::move(granted), {}};
}

Hook hook_of(const PluginWords& words, const Plugin& plugin) {
  if (!words.hook.empty()) {
    const Hook hook = policy::parse_hook(words.hook);
    if (plugin.defined.contains(hook)) return hook;
    throw Error(ErrorKind::invalid, concat("plugin \"", plugin.name, "\" has no ", words.hook));
  }
  if (plugin.defined.size() == 1) return *plugin.defined.begin();
  std::vector<std::string> names;
  for (const Hook hook : plugin.defined) names.emplace_back(render(hook));
  throw Error(
      ErrorKind::invalid,
      concat("plugin \"", plugin.name, "\" has ", names.empty() ? "no hook" : "several hooks",
             "; --hook chooses", names.empty() ? "" : ": ", join(names, ", ")));
}

object facts_of(const PluginWords& words, Hook hook) {
  if (words.event.empty()) return policy::sample_facts(hook);
  const std::string text =
      words.event == "-"
          ? std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>())
          : os::read_file(words.event, 16 << 20);
  const boost::json::value given = parse_json(text, words.event);
  if (!given.is_object()) {
    throw Error(ErrorKind::invalid, concat(words.event,
                                           ": must be an object of facts, as "
                                           "`lighterman plugin facts ",
                                           render(hook), "` prints"));
  }
  return words.partial ? policy::facts_with(policy::sample_facts(hook), given.get_object())
                       : given.get_object();
}

int try_plugin(const PluginWords& words) {
  return with_config(words, [&](const std::optional<config::Config>& config) {
    const policy::Seat seat = seat_of(words, config);
    const Hook hook = hook_of(words, *seat.plugin);
    policy::Question question;
    question.hook = hook;
    question.facts = facts_of(words, hook);
    question.now = system_now();
    question.log = [](const std::string&, std::string_view level, std::string_view text) {
      std::cerr << level << ": " << safe(text) << '\n';
    };
    policy::DryRun dry;
    question.perform = dry.performer();
    policy::Decision decision = policy::ask({seat}, question);
    const bool good = decision.problems.empty();
    if (words.json) {
      print(policy::to_json(decision));
    } else {
      auto more = dry.wished();
      std::ranges::copy(dry.take_unknown(decision), std::back_inserter(more));
      std::cout << seat.name << ", " << render(hook) << ":\n";
      for (const std::string& line : told(decision, more)) std::cout << "  " << line << '\n';
    }
    return good ? 0 : something_failed;
  });
}

int replay_plugin(const PluginWords& words) {
  return with_config(words, [&](const std::optional<config::Config>& config) {
    const policy::Seat seat = seat_of(words, config);
    Remote remote = Remote::from_environment();
    return replay(remote, seat, words.replay, words.json ? Form::json : Form::text);
  });
}

int test(const PluginWords& words) {
  const auto results = policy::run_specs(words.place);
  const bool color = Terminal::of(STDOUT_FILENO).color;
  if (words.json) {
    print(to_json(results));
  } else {
    tell(std::cout, results, color ? Color::yes : Color::no);
  }
  const bool all = std::ranges::all_of(results, &policy::SpecResult::passed);
  return all ? 0 : something_failed;
}

int facts(const PluginWords& words) {
  print(policy::sample_facts(policy::parse_hook(words.hook)));
  return 0;
}

CLI::App* add_verb(CLI::App& group, std::function<int()>& chosen,
                   const std::shared_ptr<PluginWords>& words, const std::string& name,
                   const std::string& meaning, int (*act)(const PluginWords&)) {
  CLI::App* verb = group.add_subcommand(name, meaning);
  verb->add_flag("--json", words->json, "Print JSON for programs");
  verb->callback([&chosen, words, act] { chosen = [words, act] { return act(*words); }; });
  return verb;
}

void add_places(CLI::App* verb, PluginWords& words) {
  verb->add_option("--folder", words.folders, "Look here first (may be repeated)")
      ->allow_extra_args(false);
  verb->add_option("--config", words.config, "Look where this configuration says");
}

void add_settings(CLI::App* verb, PluginWords& words) {
  verb->add_option("--set", words.set, "Setting NAME=VALUE (may be repeated)")
      ->allow_extra_args(false);
  verb->add_option("--allow", words.allow, "Allow CAPABILITY=NAME (may be repeated)")
      ->allow_extra_args(false);
}

}  // namespace

void add_plugin_verbs(CLI::App& app, std::function<int()>& chosen) {
  CLI::App* group = app.add_subcommand("plugin", "Look at, try, test and replay policy");
  group->require_subcommand(1);
  // The verbs' callbacks share it; they live as long as the program's command line.
  const auto words = std::make_shared<PluginWords>();
  add_places(add_verb(*group, chosen, words, "list", "List the plugins that can be used", list),
             *words);
  CLI::App* verb = add_verb(*group, chosen, words, "show", "Print a plugin's manual", show);
  verb->add_option("name", words->name, "A plugin's name, or its file")->required();
  add_places(verb, *words);
  verb = add_verb(*group, chosen, words, "try", "Ask a plugin about an event; nothing is done",
                  try_plugin);
  verb->add_option("name", words->name, "A plugin's file or name, or its key in --config")
      ->required();
  verb->add_option("event", words->event,
                   "File with the facts as JSON; - reads them, without it samples serve");
  verb->add_option("--hook", words->hook, "Which hook; needed where the plugin has several");
  verb->add_flag("--partial", words->partial, "Lay the given facts over the sample facts");
  add_settings(verb, *words);
  add_places(verb, *words);
  verb = add_verb(*group, chosen, words, "replay",
                  "Ask a plugin what past runs asked, and show where it decides otherwise",
                  replay_plugin);
  verb->add_option("name", words->name, "A plugin's file or name, or its key in --config")
      ->required();
  verb->add_option("--last", words->replay.last, "How many questions")->capture_default_str();
  verb->add_option("--source", words->replay.source, "Of this source");
  verb->add_option("--hook", words->replay.hook, "Of this hook");
  add_settings(verb, *words);
  add_places(verb, *words);
  verb = add_verb(*group, chosen, words, "test", "Run the specs (*_spec.lua) of plugins", test);
  verb->add_option("place", words->place, "A folder, a spec, or a plugin beside its spec")
      ->required();
  verb = add_verb(*group, chosen, words, "facts", "Print sample facts as a hook gets them", facts);
  verb->add_option("hook", words->hook, "on_push, on_staged, on_published, on_rescan, on_finished")
      ->required();
}

}  // namespace lighterman::cli
