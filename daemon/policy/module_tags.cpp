// tags: the patterns people know from docker/metadata-action. Each takes the push and gives a tag,
// or nil where it does not apply.
#include <re2/re2.h>

#include <ctime>

#include "core/error.hpp"
#include "core/version.hpp"
#include "policy/modules.hpp"
#include "policy/regex.hpp"
#include "policy/state.hpp"

namespace lighterman::policy {
namespace {

std::optional<std::string> field(lua_State* lua, const char* name) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_getfield(lua, 1, name);
  std::optional<std::string> text;
  // A ref is no longer than that, and nothing here is worth doing to a longer text.
  if (lua_isstring(lua, -1) != 0) text = std::string_view(lua_tostring(lua, -1)).substr(0, 1024);
  lua_pop(lua, 1);
  return text;
}

/// What a tag may hold (OCI distribution-spec, "Pulling manifests"); other bytes become '-'.
std::string as_tag(std::string_view text) {
  std::string tag;
  for (const char c : text.substr(0, 128)) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
    tag += allowed ? c : '-';
  }
  const auto first = tag.find_first_not_of(".-");
  return first == std::string::npos ? "" : tag.substr(first);
}

int push_tag(lua_State* lua, const std::optional<std::string>& tag) {
  const std::string text = tag ? as_tag(*tag) : "";
  if (text.empty()) {
    lua_pushnil(lua);
  } else {
    lua_pushlstring(lua, text.data(), text.size());
  }
  return 1;
}

/// Fills {{version}}, {{major}}, {{minor}}, {{patch}}.
std::string fill(std::string pattern, const std::map<std::string, std::string>& values) {
  if (pattern.size() > 256) throw Error(ErrorKind::invalid, "tags: the pattern is too long");
  for (const auto& [name, value] : values) {
    const std::string wanted = concat("{{", name, "}}");
    for (std::size_t at = pattern.find(wanted); at != std::string::npos;
         at = pattern.find(wanted, at + value.size())) {
      pattern.replace(at, wanted.size(), value);
    }
  }
  if (pattern.find("{{") == std::string::npos) return pattern;
  throw Error(ErrorKind::invalid, concat("tags: \"", pattern,
                                         "\" has an unknown {{name}} (known: "
                                         "version, major, minor, patch)"));
}

/// A table as answers have it: the tag knows the version that it moves by.
int push_versioned(lua_State* lua, const std::string& tag, const Version& version) {
  push_tag(lua, tag);
  if (lua_isnil(lua, -1)) return 1;
  lua_createtable(lua, 0, 3);
  lua_rotate(lua, -2, 1);
  lua_setfield(lua, -2, "tag");
  // A tag that holds the whole version names one image for good.
  lua_pushboolean(lua, tag.find(version.text()) == std::string::npos ? 1 : 0);
  lua_setfield(lua, -2, "moving");
  lua_pushstring(lua, version.text().c_str());
  lua_setfield(lua, -2, "version");
  return 1;
}

/// A prerelease has no "1.4" to move: only its whole version. tags.semver(push, pattern, "shop-")
/// looks behind a prefix, and ahead: of what it gives, no older version takes the tag back.
int tags_semver(lua_State* lua) {
  const std::string prefix = luaL_optstring(lua, 3, "");
  const std::string given = field(lua, "tag").value_or("");
  if (!given.starts_with(prefix)) return push_tag(lua, {});
  const auto version = Version::parse(std::string_view(given).substr(prefix.size()));
  if (!version) return push_tag(lua, {});
  const std::string pattern = luaL_optstring(lua, 2, "{{version}}");
  const std::string tag = fill(pattern, {{"version", version->text()},
                                         {"major", std::to_string(version->major)},
                                         {"minor", std::to_string(version->minor)},
                                         {"patch", std::to_string(version->patch)}});
  const std::string fit = version->prerelease.empty() ? tag : version->text();
  return prefix.empty() ? push_tag(lua, fit) : push_versioned(lua, fit, *version);
}

/// Versions as Python writes them (PEP 440): 1.2.3, 1!2.0, 1.0rc1, 1.0.post1, 1.0.dev3.
int tags_pep440(lua_State* lua) {
  static const RE2 form(
      "v?((?:\\d+!)?(\\d+)(?:\\.(\\d+))?(?:\\.(\\d+))?(?:\\.\\d+)*)"
      "((?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview)[-_.]?\\d*)?(?:[-_.]?dev[-_.]?\\d*)?)"
      "((?:[-_.]?(?:post|rev|r)[-_.]?\\d*)?)");
  const std::string given = field(lua, "tag").value_or("");
  std::string version, major, minor, patch, early, post;
  if (!RE2::FullMatch(given, form, &version, &major, &minor, &patch, &early, &post)) {
    return push_tag(lua, {});
  }
  const std::string whole = given.substr(given.starts_with('v') ? 1 : 0);
  if (!early.empty()) return push_tag(lua, whole);
  const std::string pattern = luaL_optstring(lua, 2, "{{version}}");
  return push_tag(lua, fill(pattern, {{"version", whole},
                                      {"major", major},
                                      {"minor", minor.empty() ? "0" : minor},
                                      {"patch", patch.empty() ? "0" : patch}}));
}

/// tags.match(push, [[v(\d.*)]], 1): of a git tag, the group of a regular expression.
int tags_match(lua_State* lua) {
  const std::string tag = field(lua, "tag").value_or("");
  const Regex regex(luaL_checkstring(lua, 2));
  const RE2& form = regex.on(tag);
  const lua_Integer group = luaL_optinteger(lua, 3, 0);
  if (group < 0 || group > form.NumberOfCapturingGroups()) {
    throw Error(ErrorKind::invalid, concat("tags.match: there is no group ", group));
  }
  std::vector<re2::StringPiece> found(static_cast<std::size_t>(group) + 1);
  if (tag.empty() ||
      !form.Match(tag, 0, tag.size(), RE2::UNANCHORED, found.data(), static_cast<int>(group) + 1)) {
    return push_tag(lua, {});
  }
  return push_tag(lua, found[static_cast<std::size_t>(group)].as_string());
}

int tags_ref(lua_State* lua) {
  static const char* const kinds[] = {"branch", "tag", "pr", nullptr};
  const int kind = luaL_checkoption(lua, 2, nullptr, kinds);
  if (kind == 0) return push_tag(lua, field(lua, "branch"));
  if (kind == 1) return push_tag(lua, field(lua, "tag"));
  const auto number = field(lua, "pull_request");
  return push_tag(lua, number ? std::optional(concat("pr-", *number)) : std::nullopt);
}

/// tags.sha(push), or tags.sha(push, "long").
int tags_sha(lua_State* lua) {
  static const char* const lengths[] = {"short", "long", nullptr};
  const bool whole = luaL_checkoption(lua, 2, "short", lengths) == 1;
  const std::string commit = field(lua, "commit").value_or("");
  if (commit.empty()) return push_tag(lua, {});
  return push_tag(lua, concat("sha-", whole ? commit : commit.substr(0, 7)));
}

/// tags.schedule(push, "nightly-%Y%m%d"): only for runs that a schedule began.
int tags_schedule(lua_State* lua) {
  if (field(lua, "origin") != "schedule") return push_tag(lua, {});
  const char* format = luaL_optstring(lua, 2, "nightly");
  const std::time_t when = std::chrono::system_clock::to_time_t(State::of(lua).now());
  std::tm parts{};
  char text[160];
  gmtime_r(&when, &parts);
  return push_tag(lua, std::string(text, std::strftime(text, sizeof text, format, &parts)));
}

/// tags.edge(push) on the default branch, tags.edge(push, "develop") on another.
int tags_edge(lua_State* lua) {
  const auto wanted = lua_isstring(lua, 2) != 0 ? std::optional<std::string>(lua_tostring(lua, 2))
                                                : field(lua, "default_branch");
  const auto branch = field(lua, "branch");
  return push_tag(lua,
                  branch && branch == wanted ? std::optional<std::string>("edge") : std::nullopt);
}

}  // namespace

void push_tags_module(lua_State* lua) {
  static const luaL_Reg functions[] = {
      {"semver", guarded<tags_semver>}, {"pep440", guarded<tags_pep440>},
      {"match", guarded<tags_match>},   {"ref", guarded<tags_ref>},
      {"sha", guarded<tags_sha>},       {"schedule", guarded<tags_schedule>},
      {"edge", guarded<tags_edge>},     {nullptr, nullptr}};
  lua_newtable(lua);
  luaL_setfuncs(lua, functions, 0);
  seal(lua, "tags");
}

}  // namespace lighterman::policy
