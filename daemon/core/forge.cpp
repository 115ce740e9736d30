#include "core/forge.hpp"

#include <vector>

#include "core/choices.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman {
namespace {

constexpr Choice<Forge> forges[] = {
    {Forge::forgejo, "forgejo"},
    {Forge::gitea, "gitea"},
    {Forge::gogs, "gogs"},
    {Forge::github, "github"},
    {Forge::gitlab, "gitlab"},
    {Forge::bitbucket, "bitbucket"},
    {Forge::bitbucket_server, "bitbucket-server"},
    {Forge::generic, "generic"},
};

}  // namespace

std::string_view render(Forge forge) noexcept { return name_of(forges, forge); }

Forge parse_forge(std::string_view given) {
  std::vector<std::string> known;
  for (const Choice<Forge>& choice : forges) {
    if (choice.name == given) return choice.value;
    known.emplace_back(choice.name);
  }
  throw Error(ErrorKind::invalid, concat("forge \"", shortened(valid_utf8(given), 80),
                                         "\" is not known", did_you_mean(given, known)));
}

}  // namespace lighterman
