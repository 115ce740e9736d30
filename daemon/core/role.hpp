#pragma once

#include <string_view>

namespace lighterman {

/// What a caller may do; each role may also do what those before it may.
enum class Role {
  viewer,   ///< look
  trigger,  ///< start, cancel and retry runs
  operate,  ///< overrule policy
  admin,    ///< make and revoke tokens, read the audit trail
};
std::string_view render(Role role) noexcept;  ///< "viewer", "trigger", "operator" or "admin"
Role parse_role(std::string_view given);      ///< throws Error(invalid) with the choices

}  // namespace lighterman
