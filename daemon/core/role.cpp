#include "core/role.hpp"

#include "core/choices.hpp"

namespace lighterman {
namespace {

constexpr Choice<Role> roles[] = {{Role::viewer, "viewer"},
                                  {Role::trigger, "trigger"},
                                  {Role::operate, "operator"},
                                  {Role::admin, "admin"}};

}  // namespace

std::string_view render(Role role) noexcept { return name_of(roles, role); }
Role parse_role(std::string_view given) { return choice_of(roles, given, "role"); }

}  // namespace lighterman
