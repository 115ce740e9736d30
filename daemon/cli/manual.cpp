#include "cli/manual.hpp"

#include <CLI/CLI.hpp>

#include "core/text.hpp"

namespace lighterman::cli {
namespace {

/// Text that troff prints as it stands.
std::string plain(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '\\') {
      out += "\\e";
    } else if (letter == '-') {
      out += "\\-";
    } else if ((letter == '.' || letter == '\'') && (out.empty() || out.back() == '\n')) {
      out += concat("\\&", letter);
    } else {
      out += letter;
    }
  }
  return out;
}

std::string option_line(const CLI::Option& option) {
  std::string name = option.get_name(false, true);  // "--ref" or "-f,--follow", or a word's name
  for (std::size_t at = 0; (at = name.find(',', at)) != std::string::npos; at += 2)
    name.insert(at + 1, " ");
  std::string line = concat(".TP\n.B ", plain(name));
  if (!option.get_type_name().empty())
    line += concat(" \\fI", plain(option.get_type_name()), "\\fR");
  line += concat("\n", plain(option.get_description()));
  if (!option.get_default_str().empty())
    line += concat(" (default: ", plain(option.get_default_str()), ')');
  return line + '\n';
}

void add_verb(std::string& page, const CLI::App& verb, const std::string& name) {
  const std::vector<const CLI::App*> inner = verb.get_subcommands(nullptr);
  if (inner.empty()) {
    page += concat(".SS ", plain(name), "\n", plain(verb.get_description()), ".\n");
    for (const CLI::Option* option : verb.get_options())
      if (option->get_name() != "--help") page += option_line(*option);
  }
  for (const CLI::App* each : inner) add_verb(page, *each, concat(name, ' ', each->get_name()));
}

}  // namespace

std::string manual(const CLI::App& app) {
  std::string page =
      concat(".TH LIGHTERMAN 1 \"\" \"lighterman " LIGHTERMAN_VERSION
             "\" \"User Commands\"\n"
             ".SH NAME\nlighterman \\- ",
             plain(lower(app.get_description().substr(0, 1)) + app.get_description().substr(1)),
             "\n.SH SYNOPSIS\n.B lighterman\n.I VERB\n[options]\n.SH DESCRIPTION\n",
             plain(app.get_footer()), "\n.SH VERBS\n");
  for (const CLI::App* verb : app.get_subcommands(nullptr)) add_verb(page, *verb, verb->get_name());
  return page +
         concat(".SH FILES\n.TP\n.I /etc/lighterman/lighterman.yml\nThe configuration; ",
                plain("`lighterman schema` knows every key"),
                ".\n.TP\n.I /var/lib/lighterman\nMirrors, staged images, and the database.\n");
}

}  // namespace lighterman::cli
