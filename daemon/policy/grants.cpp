#include "policy/grants.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "policy/plugin.hpp"

namespace lighterman::policy {
namespace {

/// "private:gitea.lan:3000" taken apart.
struct HostGrant {
  explicit HostGrant(std::string_view given) {
    constexpr std::string_view mark = "private:";
    inside = given.starts_with(mark);
    if (inside) given.remove_prefix(mark.size());
    const std::size_t colon = given.rfind(':');
    // The colons of an IPv6 address stand in brackets.
    if (colon != given.npos && given.find(']', colon) == given.npos) {
      port = given.substr(colon + 1);
      given = given.substr(0, colon);
    }
    host = lower(given);
  }
  bool inside = false;
  std::string host, port;
};

bool has_wildcard(std::string_view text) { return text.find_first_of("*?[") != text.npos; }

/// The narrower of the two, where one lies within the other.
std::optional<std::string> narrower(const std::string& capability, const std::string& need,
                                    const std::string& grant) {
  if (need == grant) return need;
  if (capability == "http") {
    const HostGrant needed(need), given(grant);
    if (needed.host != given.host || (needed.inside && !given.inside)) return {};
    if (!needed.port.empty() && !given.port.empty() && needed.port != given.port) return {};
    const std::string& port = given.port.empty() ? needed.port : given.port;
    return concat(given.inside ? "private:" : "", given.host, port.empty() ? "" : ":", port);
  }
  if (capability == "registry" || capability == "scan") {
    if (!has_wildcard(need)) return matches_glob(grant, need) ? std::optional(need) : std::nullopt;
    // Globs are compared where that is plain to see: a grant of a whole folder.
    const std::string_view folder = std::string_view(grant).substr(0, grant.rfind("**"));
    if (grant.ends_with("/**") && !has_wildcard(folder) && need.starts_with(folder)) return need;
  }
  return {};
}

const std::vector<std::string>& names_of(const Grants& grants, const std::string& capability) {
  static const std::vector<std::string> none;
  const auto found = grants.find(capability);
  return found == grants.end() ? none : found->second;
}

std::string yaml_list(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  for (const std::string& name : names) {
    const bool plain = name.find_first_of(":*?[]{},#&!|>'\"%@` ") == std::string::npos;
    quoted.push_back(plain ? name : concat('"', name, '"'));
  }
  return concat('[', join(quoted, ", "), ']');
}

}  // namespace

Grants usable(const Grants& needs, const Grants& granted) {
  Grants both;
  for (const auto& [capability, needed] : needs) {
    std::vector<std::string>& names = both[capability];
    for (const std::string& need : needed) {
      for (const std::string& grant : names_of(granted, capability)) {
        const auto name = need == "*" ? std::optional(grant) : narrower(capability, need, grant);
        if (name && std::ranges::find(names, *name) == names.end()) names.push_back(*name);
      }
    }
  }
  return both;
}

bool covers(const Grants& usable, const std::string& capability, const std::string& name) {
  const bool globs = capability == "registry" || capability == "scan";
  return std::ranges::any_of(names_of(usable, capability), [&](const std::string& each) {
    return each == name || (globs && matches_glob(each, name));
  });
}

std::optional<Addresses> covers_host(const Grants& usable, const std::string& host,
                                     const std::string& port) {
  std::optional<Addresses> found;
  for (const std::string& each : names_of(usable, "http")) {
    const HostGrant grant(each);
    if (grant.host != host || (!grant.port.empty() && grant.port != port)) continue;
    if (grant.inside) return Addresses::any;
    found = Addresses::public_only;
  }
  return found;
}

void refuse_grant(const Grants& needs, const std::string& seat, const std::string& capability,
                  const std::string& name) {
  const std::vector<std::string>& needed = names_of(needs, capability);
  const bool declared = std::ranges::any_of(needed, [&](const std::string& need) {
    return need == "*" || narrower(capability, need, name) || narrower(capability, name, need);
  });
  if (!declared) {
    throw Error(ErrorKind::denied, concat(capability, " \"", name,
                                          "\" is not among what the plugin needs; its file "
                                          "would say: needs = { ",
                                          capability, " = \"", name, "\" }"));
  }
  throw Error(ErrorKind::denied,
              concat(capability, " \"", name, "\" is not allowed; to allow it, add under plugins.",
                     seat, ":\n  allow:\n    ", capability, ": ", yaml_list({name})));
}

void check_grants(const Plugin& plugin, const std::string& seat, const Grants& granted) {
  for (const auto& [capability, given] : granted) {
    if (capability == "registry" || capability == "scan") continue;
    for (const std::string& name : given) {
      if (!has_wildcard(name) || name.find('[') != std::string::npos) continue;
      throw Error(ErrorKind::invalid, concat("plugins.", seat, ".allow.", capability, ": \"", name,
                                             "\" is no name; each one that is allowed is listed"));
    }
  }
  const Grants both = usable(plugin.needs, granted);
  Grants missing;
  for (const auto& [capability, needed] : plugin.needs) {
    for (const std::string& need : needed) {
      const bool there = need == "*"
                             ? !names_of(granted, capability).empty()
                             : !usable({{capability, {need}}}, granted).at(capability).empty();
      if (!there) missing[capability].push_back(need);
    }
  }
  if (missing.empty()) return;
  std::string lines, what;
  for (const auto& [capability, names] : missing) {
    what += concat(what.empty() ? "" : " and ", capability, ' ', join(names, ", "));
    std::vector<std::string> all = names_of(granted, capability);
    // "*" is for the operator to fill in.
    for (const std::string& name : names)
      all.push_back(name == "*" ? concat("THE-", capability, "-NAMES") : name);
    lines += concat("\n        ", capability, ": ", yaml_list(all));
  }
  for (const auto& [capability, names] : granted)
    if (!missing.contains(capability))
      lines += concat("\n        ", capability, ": ", yaml_list(names));
  throw Error(ErrorKind::denied,
              concat("plugin \"", plugin.name, "\" needs ", what,
                     ", which is not allowed; to allow it, write\n  plugins:\n    ", seat,
                     ":\n      allow:", lines));
}

}  // namespace lighterman::policy
