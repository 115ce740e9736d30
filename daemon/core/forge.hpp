#pragma once

#include <string>
#include <string_view>

namespace lighterman {

/// What hosts a repository and tells of pushes. bitbucket_server: Bitbucket Data Center.
enum class Forge { forgejo, gitea, gogs, github, gitlab, bitbucket, bitbucket_server, generic };
std::string_view render(Forge forge) noexcept;  ///< "github", as `forge:` names it
Forge parse_forge(std::string_view given);      ///< throws Error(invalid) with a did-you-mean

}  // namespace lighterman
