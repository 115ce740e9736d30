#include "cli/completion.hpp"

#include <CLI/CLI.hpp>

#include "core/text.hpp"

namespace lighterman::cli {
namespace {

std::string options_of(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return join(names, " ");
}

/// fish has its own way to say it.
std::string fish(const std::vector<const CLI::App*>& verbs) {
  std::string script = "complete -c lighterman -n __fish_use_subcommand -f\n";
  for (const CLI::App* verb : verbs) {
    script += concat("complete -c lighterman -n __fish_use_subcommand -a ", verb->get_name(),
                     " -d '", verb->get_description(), "'\n");
    for (const std::string& option : split(options_of(*verb), ' '))
      script += concat("complete -c lighterman -n '__fish_seen_subcommand_from ", verb->get_name(),
                       "' -l ", option.substr(2), "\n");
  }
  return script;
}

std::string bash(const std::vector<const CLI::App*>& verbs) {
  std::vector<std::string> names;
  std::string cases;
  for (const CLI::App* verb : verbs) {
    names.push_back(verb->get_name());
    cases += concat("    ", verb->get_name(), ") words='", options_of(*verb), "' ;;\n");
  }
  return concat(
      "_lighterman() {\n  local words current=${COMP_WORDS[COMP_CWORD]}\n"
      "  case ${COMP_WORDS[COMP_CWORD - 1]} in\n"
      "    --config) compopt -o default; COMPREPLY=(); return ;;\n  esac\n"
      "  case $((COMP_CWORD > 1)):${COMP_WORDS[1]} in\n    0:*) words='",
      join(names, " "), "' ;;\n", "    *) words=$(_lighterman_options \"${COMP_WORDS[1]}\") ;;\n",
      "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n}\n"
      "_lighterman_options() {\n  local words=\n  case $1 in\n",
      cases, "  esac\n  echo \"$words\"\n}\ncomplete -F _lighterman lighterman\n");
}

}  // namespace

std::string completion(const CLI::App& app, const std::string& shell) {
  const std::vector<const CLI::App*> verbs = app.get_subcommands(nullptr);
  if (shell == "fish") return fish(verbs);
  return shell == "zsh" ? concat("autoload -Uz bashcompinit && bashcompinit\n", bash(verbs))
                        : bash(verbs);
}

}  // namespace lighterman::cli
