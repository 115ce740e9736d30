#include "policy/plugin.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "os/file.hpp"
#include "policy/capabilities.hpp"
#include "policy/grants.hpp"
#include "policy/modules.hpp"
#include "policy/values.hpp"

namespace lighterman::policy {
namespace {

constexpr std::uint64_t largest_file = 1 << 20;
const std::vector<std::string> types{"text", "number", "boolean", "list",
                                     "map",  "size",   "duration"};

int write_code(lua_State*, const void* bytes, std::size_t size, void* into) {
  static_cast<std::string*>(into)->append(static_cast<const char*>(bytes), size);
  return 0;
}

/// Leaves the function on the stack too.
std::string compile(lua_State* lua, const std::string& text, const std::filesystem::path& file) {
  const std::string chunk = concat('@', file.filename().string());
  std::string code;
  // Text only: compiled code from elsewhere could break the machine.
  if (luaL_loadbufferx(lua, text.data(), text.size(), chunk.c_str(), "t") != LUA_OK) {
    throw Error(ErrorKind::invalid, lua_tostring(lua, -1));
  }
  lua_dump(lua, write_code, &code, 0);
  return code;
}

/// Calls the file's function below its environment's table, and leaves what it returns.
void call_file(State& state, const boost::json::value& settings) {
  lua_State* lua = state.lua();
  push_facts(lua, settings.is_object() ? settings : boost::json::value(boost::json::object()),
             "settings");
  lua_setfield(lua, -2, "settings");
  state.make_environment();
  lua_setupvalue(lua, -2, 1);
  lua_call(lua, 0, 1);
  if (!lua_istable(lua, -1)) {
    throw Error(ErrorKind::invalid, concat("the file returns a ", luaL_typename(lua, -1),
                                           ", not a table of hooks (return { on_push = ... })"));
  }
}

/// The comment at the top, without its name.
std::string first_comment(const std::string& text, const std::string& name) {
  std::string about;
  for (const std::string& line : split(text, '\n')) {
    if (!line.starts_with("--")) break;
    const std::string_view words = trim(std::string_view(line).substr(2));
    about += concat(about.empty() ? "" : " ", words);
  }
  for (const std::string& prefix : {concat(name, ".lua:"), concat(name, ':')}) {
    if (about.starts_with(prefix)) return std::string(trim(about.substr(prefix.size())));
  }
  return about;
}

Setting setting_from(const std::string& name, const boost::json::value& given) {
  const std::string what = concat("settings.", name);
  const Fields fields(given, what);
  Setting setting;
  setting.name = name;
  setting.type = fields.text("type");
  setting.about = fields.text("about");
  setting.required = fields.flag_or("required", false);
  setting.choices = fields.texts("choices");
  if (const auto* fallback = fields.find("default")) setting.fallback = *fallback;
  if (std::ranges::find(types, setting.type) == types.end()) {
    fields.refuse("type",
                  concat("must be one of ", join(types, ", "), did_you_mean(setting.type, types)));
  }
  static const std::vector<std::string> known{"type", "about", "required", "choices", "default"};
  for (const auto& field : given.as_object()) {
    if (std::ranges::find(known, std::string(field.key())) == known.end()) {
      fields.refuse(field.key(), concat("unknown key", did_you_mean(field.key(), known)));
    }
  }
  return setting;
}

Grants needs_from(const boost::json::value& given) {
  Grants needs;
  if (given.is_null() || (given.is_array() && given.get_array().empty())) return needs;
  if (!given.is_object()) {
    throw Error(ErrorKind::invalid,
                "needs: must be a table such as { http = \"hooks.slack.com\" }");
  }
  for (const auto& field : given.get_object()) {
    const std::string name(field.key());
    if (std::ranges::find(capabilities, name) == capabilities.end()) {
      throw Error(ErrorKind::invalid,
                  concat("needs.", name, ": no such capability", did_you_mean(name, capabilities),
                         "; known: ", join(capabilities, ", ")));
    }
    if (field.value().is_string()) {
      needs[name] = {std::string(field.value().get_string())};
    } else {
      needs[name] = Fields(given, "needs").texts(name);
    }
    for (const std::string& each : needs[name]) {
      if (each.empty() || (name == "http" && each.find('/') != std::string::npos)) {
        throw Error(ErrorKind::invalid,
                    concat("needs.", name, ": \"", each, "\" is no ",
                           name == "http" ? "host (no scheme, no path)" : "name"));
      }
    }
  }
  return needs;
}

boost::json::value take(lua_State* lua, const char* key, const std::string& what) {
  lua_pushstring(lua, key);
  lua_rawget(lua, -2);
  boost::json::value value = json_at(lua, -1, what);
  lua_pop(lua, 1);
  return value;
}

void check_keys(lua_State* lua, Plugin& plugin) {
  std::vector<std::string> known{"needs", "settings"};
  for (const Hook hook : hooks) known.emplace_back(render(hook));
  for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1)) {
    const std::string key = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "?";
    if (std::ranges::find(known, key) == known.end()) {
      throw Error(ErrorKind::invalid,
                  concat("unknown key \"", shortened(valid_utf8(key), 60), '"',
                         did_you_mean(key, known), "; a plugin's keys are ", join(known, ", ")));
    }
    if (!key.starts_with("on_")) continue;
    if (!lua_isfunction(lua, -1)) {
      throw Error(ErrorKind::invalid,
                  concat(key, " is a ", luaL_typename(lua, -1), ", not a function"));
    }
    plugin.defined.insert(parse_hook(key));
  }
}

boost::json::value checked(const Setting& setting, const boost::json::value& given) {
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorKind::invalid, concat(setting.name, ": ", why));
  };
  if (setting.type == "size" || setting.type == "duration") {
    if (given.is_number() && given.to_number<double>() >= 0) return given;
    if (!given.is_string()) refuse(concat("must be a ", setting.type));
    const std::string text(given.get_string());
    return during(setting.name, [&]() -> boost::json::value {
      if (setting.type == "size") return static_cast<std::int64_t>(parse_size(text));
      return std::chrono::duration_cast<std::chrono::seconds>(parse_duration(text)).count();
    });
  }
  if (setting.type == "list" && given.is_string()) {
    return checked(setting, boost::json::array{given});
  }
  const bool empty_map = setting.type == "map" && given.is_array() && given.get_array().empty();
  const bool fits = (setting.type == "text" && given.is_string()) ||
                    (setting.type == "number" && given.is_number()) ||
                    (setting.type == "boolean" && given.is_bool()) ||
                    (setting.type == "list" && given.is_array()) ||
                    (setting.type == "map" && given.is_object()) || empty_map;
  if (!fits) refuse(concat("must be a ", setting.type));
  const auto check_choice = [&](const boost::json::value& item) {
    const std::string text = item.is_string() ? std::string(item.get_string()) : "";
    if (std::ranges::find(setting.choices, text) == setting.choices.end()) {
      refuse(concat("must be one of ", join(setting.choices, ", "),
                    did_you_mean(text, setting.choices)));
    }
  };
  if (!setting.choices.empty() && given.is_array())
    std::ranges::for_each(given.get_array(), check_choice);
  if (!setting.choices.empty() && given.is_string()) check_choice(given);
  return given;
}

boost::json::object defaults_of(const Plugin& plugin) {
  boost::json::object defaults;
  for (const Setting& setting : plugin.settings) {
    if (setting.fallback.is_null()) continue;
    defaults[setting.name] = during("settings", [&] { return checked(setting, setting.fallback); });
  }
  return defaults;
}

/// Fills in what the plugin says of itself.
void look_through(State& state, Plugin& plugin, const std::string& text) {
  lua_State* lua = state.lua();
  plugin.code = compile(lua, text, plugin.file);
  lua_createtable(lua, 0, 8);
  add_sleeping_capabilities(lua);
  call_file(state, {});
  check_keys(lua, plugin);
  plugin.needs = needs_from(take(lua, "needs", "needs"));
  const boost::json::value settings = take(lua, "settings", "settings");
  if (settings.is_object()) {
    for (const auto& field : settings.get_object()) {
      plugin.settings.push_back(setting_from(field.key(), field.value()));
    }
  } else if (!settings.is_null() && !(settings.is_array() && settings.get_array().empty())) {
    throw Error(ErrorKind::invalid, "settings: must be a table of names and declarations");
  }
  std::ranges::sort(plugin.settings, {}, &Setting::name);
}

}  // namespace

std::string_view render(Hook hook) noexcept {
  switch (hook) {
    case Hook::on_push:
      return "on_push";
    case Hook::on_staged:
      return "on_staged";
    case Hook::on_published:
      return "on_published";
    case Hook::on_rescan:
      return "on_rescan";
    case Hook::on_finished:
      return "on_finished";
  }
  return "";
}

Hook parse_hook(std::string_view given) {
  std::vector<std::string> names;
  for (const Hook hook : hooks) {
    if (render(hook) == given) return hook;
    names.emplace_back(render(hook));
  }
  throw Error(ErrorKind::invalid, concat("no hook \"", given, '"', did_you_mean(given, names),
                                         "; hooks are ", join(names, ", ")));
}

Plugin load_plugin(const std::filesystem::path& file, const Limits& limits) {
  if (std::filesystem::exists(file) && std::filesystem::file_size(file) > largest_file) {
    throw Error(ErrorKind::invalid, concat(file.string(), ": larger than 1 MiB"));
  }
  return parse_plugin(os::read_file(file), file, limits);
}

Plugin parse_plugin(const std::string& text, const std::filesystem::path& file,
                    const Limits& limits) {
  return during(file.string(), [&] {
    Plugin plugin;
    plugin.name = file.stem().string();
    plugin.file = file;
    plugin.about = first_comment(text, plugin.name);
    State state(limits);
    state.run([&](lua_State*) { look_through(state, plugin, text); });
    // Once more as it will be asked: with no more than it declares.
    state.run([&](lua_State*) { push_plugin(state, plugin, defaults_of(plugin)); });
    return plugin;
  });
}

void push_plugin(State& state, const Plugin& plugin, const boost::json::value& settings) {
  lua_State* lua = state.lua();
  if (luaL_loadbufferx(lua, plugin.code.data(), plugin.code.size(), plugin.name.c_str(), "b") !=
      LUA_OK) {
    throw Error(ErrorKind::internal, lua_tostring(lua, -1));
  }
  lua_createtable(lua, 0, 8);
  add_capabilities(lua, plugin.needs);
  call_file(state, settings);
}

boost::json::object check_settings(const Plugin& plugin, const boost::json::object& given) {
  std::vector<std::string> names;
  boost::json::object settings;
  for (const Setting& setting : plugin.settings) {
    names.push_back(setting.name);
    const auto* value = given.if_contains(setting.name);
    if (value == nullptr && setting.required) {
      throw Error(ErrorKind::invalid, concat(setting.name, ": must be set (", setting.about, ')'));
    }
    if (value == nullptr) value = &setting.fallback;
    if (!value->is_null()) settings[setting.name] = checked(setting, *value);
  }
  for (const auto& field : given) {
    if (std::ranges::find(names, std::string(field.key())) != names.end()) continue;
    throw Error(ErrorKind::invalid, concat("plugin \"", plugin.name, "\" has no setting \"",
                                           field.key(), '"', did_you_mean(field.key(), names)));
  }
  return settings;
}

std::string manual(const Plugin& plugin) {
  std::string text = concat(plugin.name, ": ", plugin.about, "\n\nhooks:");
  for (const Hook hook : plugin.defined) text += concat(' ', render(hook));
  text += plugin.settings.empty() ? "\nsettings: none\n" : "\nsettings:\n";
  for (const Setting& setting : plugin.settings) {
    text += concat("  ", setting.name, " (", setting.type);
    if (setting.required) text += ", required";
    if (!setting.fallback.is_null()) {
      text += concat(", default ", boost::json::serialize(setting.fallback));
    }
    text += concat(")\n      ", setting.about, '\n');
    if (!setting.choices.empty())
      text += concat("      one of: ", join(setting.choices, ", "), '\n');
  }
  for (const auto& [capability, names] : plugin.needs) {
    text += concat("needs ", capability, ": ", join(names, ", "), '\n');
  }
  return text;
}

}  // namespace lighterman::policy
