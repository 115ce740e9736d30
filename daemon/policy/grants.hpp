#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/capability.hpp"

namespace lighterman::policy {

inline const std::vector<std::string> capabilities{"http", "registry", "run", "scan", "secret"};

/// What is both needed and allowed: "*" in `needs` stands for all that is allowed.
Grants usable(const Grants& needs, const Grants& granted);
/// Whether one name is among the usable: programs and secrets by name, references by glob.
bool covers(const Grants& usable, const std::string& capability, const std::string& name);

enum class Addresses { public_only, any };
/// Whether this host and port may be asked, and at which addresses ("private:" in the grant);
/// empty: it may not.
std::optional<Addresses> covers_host(const Grants& usable, const std::string& host,
                                     const std::string& port);
/// Throws Error(denied) that says what to add where.
[[noreturn]] void refuse_grant(const Grants& needs, const std::string& seat,
                               const std::string& capability, const std::string& name);

}  // namespace lighterman::policy
