// semver: parse, compare, satisfies (ranges as npm writes them: ^1.2, ~1.2.3, >=1 <2, ||, 1.x).
#include <compare>

#include "core/error.hpp"
#include "core/version.hpp"
#include "policy/modules.hpp"
#include "policy/state.hpp"

namespace lighterman::policy {
namespace {

std::string text_at(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, index, &size);
  if (size > 1024) throw Error(ErrorKind::invalid, "semver: a text of more than 1024 bytes");
  return {text, size};
}

Version version_at(lua_State* lua, int index) {
  const std::string text = text_at(lua, index);
  if (const auto version = Version::parse(text)) return *version;
  throw Error(ErrorKind::invalid, concat('"', text, "\" is not a version"));
}

/// A version whose end may be missing or "x": "1", "1.2", "1.x", "1.2.3-rc.1".
struct Partial {
  Version version;
  int given = 0;  ///< how many of the three numbers
};

Partial parse_partial(std::string_view text, std::string_view range) {
  Partial partial;
  if (text.starts_with('v')) text.remove_prefix(1);
  const std::size_t dash = text.find_first_of("-+");
  std::vector<std::string> parts = split(text.substr(0, dash), '.');
  std::vector<std::string> full;
  for (const std::string& part : parts) {
    if (part.empty() || part == "x" || part == "X" || part == "*") break;
    full.push_back(part);
  }
  partial.given = static_cast<int>(full.size());
  while (full.size() < 3) full.emplace_back("0");
  std::string whole = join(full, ".");
  if (dash != text.npos && partial.given == 3) whole += text.substr(dash);
  const auto version = Version::parse(whole);
  if (!version || parts.size() > 3) {
    throw Error(ErrorKind::invalid, concat('"', range, "\" is not a range of versions"));
  }
  partial.version = *version;
  return partial;
}

/// The first version above all that share the first `kept` numbers.
Version above(const Version& version, int kept) {
  Version next;
  next.major = kept == 1 ? version.major + 1 : version.major;
  if (kept >= 2) next.minor = kept == 2 ? version.minor + 1 : version.minor;
  if (kept >= 3) next.patch = version.patch + 1;
  return next;
}

bool between(const Version& version, const Version& low, const Version& high) {
  // A prerelease of the upper bound is not below it in any sense people mean.
  Version plain = version;
  plain.prerelease.clear();
  return version >= low && version < high && plain < high;
}

bool fits_one(const Version& version, std::string_view comparator, std::string_view range) {
  std::size_t sign = comparator.find_first_not_of("<>=^~");
  if (sign == comparator.npos) sign = comparator.size();
  const std::string_view op = comparator.substr(0, sign);
  const Partial partial = parse_partial(comparator.substr(sign), range);
  const Version& bound = partial.version;
  if (partial.given == 0) return op != "<" && op != ">";
  if (op == ">=") return version >= bound;
  if (op == "<") return version < bound;
  if (op == ">") {
    return partial.given == 3 ? version > bound : version >= above(bound, partial.given);
  }
  if (op == "<=") {
    return partial.given == 3 ? version <= bound : version < above(bound, partial.given);
  }
  if (op == "^") {
    const int kept = bound.major != 0 || partial.given == 1   ? 1
                     : bound.minor != 0 || partial.given == 2 ? 2
                                                              : 3;
    return between(version, bound, above(bound, kept));
  }
  if (op == "~") return between(version, bound, above(bound, partial.given == 1 ? 1 : 2));
  if (!op.empty() && op != "=") {
    throw Error(ErrorKind::invalid, concat('"', range, "\" is not a range of versions"));
  }
  return partial.given == 3 ? version == bound
                            : between(version, bound, above(bound, partial.given));
}

bool fits(const Version& version, const std::string& range) {
  std::size_t place = 0;
  while (true) {
    const std::size_t bar = range.find("||", place);
    const std::string_view part = std::string_view(range).substr(
        place, bar == std::string::npos ? std::string::npos : bar - place);
    bool all = true;
    for (const std::string& comparator : split(trim(part), ' ')) {
      if (!comparator.empty() && !fits_one(version, comparator, range)) all = false;
    }
    if (all) return true;
    if (bar == std::string::npos) return false;
    place = bar + 2;
  }
}

void push_number(lua_State* lua, const char* name, std::uint64_t value) {
  lua_pushinteger(lua, static_cast<lua_Integer>(value));
  lua_setfield(lua, -2, name);
}

/// nil for what is not a version.
int semver_parse(lua_State* lua) {
  const auto version = Version::parse(text_at(lua, 1));
  if (!version) return lua_pushnil(lua), 1;
  lua_newtable(lua);
  push_number(lua, "major", version->major);
  push_number(lua, "minor", version->minor);
  push_number(lua, "patch", version->patch);
  lua_pushstring(lua, version->text().c_str());
  lua_setfield(lua, -2, "text");
  if (!version->prerelease.empty()) {
    lua_pushstring(lua, join(version->prerelease, ".").c_str());
    lua_setfield(lua, -2, "prerelease");
  }
  return 1;
}

int semver_compare(lua_State* lua) {
  const auto order = version_at(lua, 1) <=> version_at(lua, 2);
  lua_pushinteger(lua, order < 0 ? -1 : order > 0 ? 1 : 0);
  return 1;
}

int semver_satisfies(lua_State* lua) {
  lua_pushboolean(lua, fits(version_at(lua, 1), text_at(lua, 2)));
  return 1;
}

}  // namespace

void push_semver_module(lua_State* lua) {
  static const luaL_Reg functions[] = {{"parse", guarded<semver_parse>},
                                       {"compare", guarded<semver_compare>},
                                       {"satisfies", guarded<semver_satisfies>},
                                       {nullptr, nullptr}};
  lua_newtable(lua);
  luaL_setfuncs(lua, functions, 0);
  seal(lua, "semver");
}

}  // namespace lighterman::policy
