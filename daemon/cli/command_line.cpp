#include "cli/command_line.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <functional>
#include <iostream>

#include "cli/access_verbs.hpp"
#include "cli/backup_verbs.hpp"
#include "cli/carry_verbs.hpp"
#include "cli/check.hpp"
#include "cli/completion.hpp"
#include "cli/doctor.hpp"
#include "cli/local_store.hpp"
#include "cli/manual.hpp"
#include "cli/plugin_verbs.hpp"
#include "cli/policy_verbs.hpp"
#include "cli/registry_verbs.hpp"
#include "cli/serve.hpp"
#include "cli/trust_verbs.hpp"
#include "cli/verbs.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::cli {
namespace {

constexpr int wrong_usage = 2;

int exit_code_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::invalid:
      return wrong_usage;
    case ErrorKind::not_found:
      return 3;
    case ErrorKind::denied:
      return 4;
    case ErrorKind::unavailable:
      return 5;
    case ErrorKind::cancelled:
      return 130;
    case ErrorKind::conflict:
    case ErrorKind::internal:
      break;
  }
  return 1;
}

/// What the words of the command line fill.
struct Words {
  std::filesystem::path config = "/etc/lighterman/lighterman.yml", init = "lighterman.yml";
  RunWish run;
  RunsWish runs;
  ImagesWish images;
  FindingsWish findings;
  PlanWish plan;
  RunId id = 0;
  std::string reason, shell, image;
  bool online = false, follow = false, json = false;
  std::function<int()> chosen;  ///< by the verb

  Form form() const { return json ? Form::json : Form::text; }
};

CLI::App* add_verb(CLI::App& app, Words& words, const std::string& name, const std::string& meaning,
                   std::function<int()> act) {
  CLI::App* verb = app.add_subcommand(name, meaning);
  verb->add_flag("--json", words.json, "Print JSON for programs");
  verb->callback([&words, act = std::move(act)] { words.chosen = act; });
  return verb;
}

void add_configuration_verbs(CLI::App& app, Words& words) {
  CLI::App* verb = add_verb(app, words, "serve", "Run the daemon",
                            with_file([&] { return serve({words.config}); }));
  verb->add_option("--config", words.config, "The configuration file")->capture_default_str();
  verb = add_verb(app, words, "check", "Say what the configuration means and what is wrong with it",
                  with_file([&] { return check(words.config, words.online, words.form()); }));
  verb->add_option("--config", words.config, "The configuration file")->capture_default_str();
  verb->add_flag("--online", words.online, "Ask engines, registries and repositories too");
  verb = add_verb(app, words, "doctor", "Try all that a push needs, and say how to mend what fails",
                  with_file([&] { return doctor(words.config, words.form()); }));
  verb->add_option("--config", words.config, "The configuration file")->capture_default_str();
  verb = add_verb(app, words, "init", "Write a commented configuration and a webhook secret",
                  [&] { return init(words.init, words.form()); });
  verb->add_option("file", words.init, "Where to write it")->capture_default_str();
  add_verb(app, words, "schema", "Print the JSON Schema of the configuration", [] {
    std::cout << boost::json::serialize(config::schema()) << '\n';
    return 0;
  });
}

void add_run_option(CLI::App* verb, Words& words) {
  verb->add_option("run", words.id, "The run's number")
      ->required()
      ->check([](const std::string& given) {
        const bool number = given.find_first_not_of("0123456789") == std::string::npos;
        return number ? std::string() : concat('"', given, "\" is not a run's number");
      });
}

void add_run_verb(CLI::App& app, Words& words) {
  CLI::App* verb =
      add_verb(app, words, "run", "Build a source now", with_daemon([&](Remote& remote) {
                 words.run.follow = words.follow;
                 return run(remote, words.run, words.form());
               }));
  verb->add_option("--source", words.run.source, "Which source")->required();
  verb->add_option("--ref", words.run.ref, "Branch (main) or tag (tag:v1.0)");
  verb->add_option("--commit", words.run.commit, "Full commit; default: the ref's newest");
  verb->add_option("--image", words.run.images, "Only this image (may be repeated)");
  verb->add_option("--arg", words.run.args, "Build argument NAME=VALUE (may be repeated)");
  verb->add_option("--reason", words.run.reason, "Why, for those who read it later");
  verb->add_flag("--no-cache", words.run.no_cache, "Build every step anew");
  verb->add_flag("-f,--follow", words.follow, "Show the log and wait for the end");
}

void add_plan_verb(CLI::App& app, Words& words) {
  CLI::App* verb =
      add_verb(app, words, "plan", "Say what a push would do; nothing happens",
               with_daemon([&](Remote& remote) { return plan(remote, words.plan, words.form()); }));
  verb->add_option("source", words.plan.source, "Which source")->required();
  verb->add_option("ref", words.plan.ref, "Branch (main) or tag (tag:v1.0)");
  verb->add_option("--commit", words.plan.commit, "Full commit; default: the ref's newest");
  verb->add_option("--image", words.plan.images, "Only this image (may be repeated)");
  verb->add_option("--arg", words.plan.args, "Build argument NAME=VALUE (may be repeated)");
}

void add_look_verbs(CLI::App& app, Words& words) {
  CLI::App* verb =
      add_verb(app, words, "runs", "List runs, newest first",
               with_daemon([&](Remote& remote) { return runs(remote, words.runs, words.form()); }));
  verb->add_option("--source", words.runs.source, "Of this source");
  verb->add_option("--branch", words.runs.branch, "Of this branch");
  verb->add_option("--commit", words.runs.commit, "Of this commit");
  verb->add_option("--state", words.runs.state, "In this state, such as failed");
  verb->add_option("--limit", words.runs.limit, "How many")->capture_default_str();
  verb =
      add_verb(app, words, "show", "Show a run: stages, layers, tags",
               with_daemon([&](Remote& remote) { return show(remote, words.id, words.form()); }));
  add_run_option(verb, words);
  verb = add_verb(
      app, words, "explain", "Say why each step was built or cached, and why each layer was sent",
      with_daemon([&](Remote& remote) { return explain(remote, words.id, words.form()); }));
  add_run_option(verb, words);
  verb = add_verb(app, words, "logs", "Show a run's log", with_daemon([&](Remote& remote) {
                    return logs(remote, words.id, words.follow, words.form());
                  }));
  add_run_option(verb, words);
  verb->add_flag("-f,--follow", words.follow, "Go on until the run ends");
  add_verb(app, words, "status", "Say how the daemon is, and what is to be done soon",
           with_daemon([&](Remote& remote) { return status(remote, words.form()); }));
  verb = add_verb(
      app, words, "images", "List published images and how their newest scan came out",
      with_daemon([&](Remote& remote) { return images(remote, words.images, words.form()); }));
  verb->add_option("--source", words.images.source, "Of this source");
  verb->add_option("--image", words.images.image, "Of this image of the configuration");
  verb->add_flag("--dirty", words.images.dirty, "With findings that block");
  verb->add_option("--clean-on", words.images.clean_on,
                   "That had none on this day (2026-11-23): with --dirty, what went bad since");
  verb->add_flag("--gone", words.images.gone, "That no tag names any more");
  verb->add_option("--limit", words.images.limit, "How many")->capture_default_str();
  verb = add_verb(
      app, words, "why", "Say what made an image: run, commit, bases, scans, policy, signatures",
      with_daemon([&](Remote& remote) { return why(remote, words.image, words.form()); }));
  verb->add_option("image", words.image, "A digest (12 digits of it do), or host/name:tag")
      ->required();
}

void add_findings_verb(CLI::App& app, Words& words) {
  CLI::App* verb = add_verb(app, words, "findings", "Show what the scanner found in a run's images",
                            with_daemon([&](Remote& remote) {
                              words.findings.run = words.id;
                              if (words.json) words.findings.format = "json";
                              return findings(remote, words.findings);
                            }));
  add_run_option(verb, words);
  verb->add_option("--image", words.findings.image, "Of this image; default: all");
  verb->add_option("--format", words.findings.format, "text, json, sarif or cyclonedx")
      ->check(CLI::IsMember({"text", "json", "sarif", "cyclonedx"}))
      ->capture_default_str();
  verb->add_option("--severity", words.findings.severity,
                   "This and worse: LOW, MEDIUM, HIGH or CRITICAL")
      ->check(CLI::IsMember({"UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"}, CLI::ignore_case));
}

void add_act_verbs(CLI::App& app, Words& words) {
  CLI::App* verb = add_verb(app, words, "cancel", "Cancel a run", with_daemon([&](Remote& remote) {
                              return cancel(remote, words.id, words.reason, words.form());
                            }));
  add_run_option(verb, words);
  verb->add_option("--reason", words.reason, "Why, for those who read it later");
  verb = add_verb(app, words, "allow", "Publish what policy denied, without building it again",
                  with_daemon([&](Remote& remote) {
                    return allow(remote, words.id, words.reason, words.follow, words.form());
                  }));
  add_run_option(verb, words);
  verb->add_option("--reason", words.reason, "Why; it stays with the run")->required();
  verb->add_flag("-f,--follow", words.follow, "Show the log and wait for the end");
  add_verb(app, words, "rescan", "Scan what is published again, now",
           with_daemon([&](Remote& remote) { return rescan(remote, words.form()); }));
  verb = add_verb(app, words, "retry", "Begin a run again", with_daemon([&](Remote& remote) {
                    return retry(remote, words.id, words.follow, words.form());
                  }));
  add_run_option(verb, words);
  verb->add_flag("-f,--follow", words.follow, "Show the log and wait for the end");
}

void add_other_verbs(CLI::App& app, Words& words) {
  CLI::App* verb = add_verb(app, words, "completion", "Print a completion script", [&] {
    std::cout << completion(app, words.shell);
    return 0;
  });
  verb->add_option("shell", words.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  add_verb(app, words, "man", "Print the manual page (for `man -l -`)", [&] {
    std::cout << manual(app);
    return 0;
  });
  add_verb(app, words, "version", "Print the version", [&] {
    std::cout << (words.json ? R"({"version":")" LIGHTERMAN_VERSION "\"}\n"
                             : "lighterman " LIGHTERMAN_VERSION "\n");
    return 0;
  });
}

int perform(const Words& words) {
  try {
    return words.chosen();
  } catch (const BadConfiguration& error) {
    std::cerr << "lighterman: " << error.what() << '\n';
    return bad_configuration;
  } catch (const Error& error) {
    std::cerr << "lighterman: " << error.what() << '\n';
    return exit_code_of(error.kind());
  } catch (const std::ios_base::failure&) {
    // Our reader went away (`| head`); it knows.
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "lighterman: " << error.what() << '\n';
    return 1;
  }
}

}  // namespace

int main_of(int count, char** words_given) {
  std::signal(SIGPIPE, SIG_IGN);
  std::cout.exceptions(std::ios::badbit);
  CLI::App app("Turns a git push into a published container image", "lighterman");
  app.set_version_flag("--version", "lighterman " LIGHTERMAN_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Verbs that ask a daemon find it by LIGHTERMAN_SERVER (http://127.0.0.1:7070) and show it\n"
      "the token in the file LIGHTERMAN_TOKEN_FILE; LIGHTERMAN_CA_FILE has certificates to "
      "believe.\n"
      "Exit codes: 0 done, 1 the run failed, 2 wrong usage, 3 not found, 4 denied, 5 the daemon\n"
      "cannot be reached, 6 the configuration is wrong.");
  Words words;
  add_configuration_verbs(app, words);
  add_run_verb(app, words);
  add_plan_verb(app, words);
  add_look_verbs(app, words);
  add_findings_verb(app, words);
  add_act_verbs(app, words);
  add_plugin_verbs(app, words.chosen);
  add_trust_verbs(app, words.chosen);
  add_carry_verbs(app, words.chosen);
  add_access_verbs(app, words.chosen);
  add_backup_verbs(app, words.chosen);
  add_registry_verbs(app, words.chosen);
  add_other_verbs(app, words);
  try {
    app.parse(count, words_given);
  } catch (const CLI::ParseError& error) {
    // CLI11 prints help and mistakes itself; its own exit codes say nothing to a script.
    return app.exit(error) == 0 ? 0 : wrong_usage;
  }
  return perform(words);
}

}  // namespace lighterman::cli
