#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "policy/state.hpp"

namespace lighterman::policy {

enum class Hook { on_push, on_staged, on_published, on_rescan, on_finished };
inline constexpr std::array hooks{Hook::on_push, Hook::on_staged, Hook::on_published,
                                  Hook::on_rescan, Hook::on_finished};
std::string_view render(Hook hook) noexcept;
Hook parse_hook(std::string_view given);  ///< throws Error(invalid) with the choices

/// One thing an operator may set.
struct Setting {
  std::string name, type, about;  ///< type: text, number, boolean, list, map, size, duration
  boost::json::value fallback;    ///< null: none
  bool required = false;
  std::vector<std::string> choices;  ///< of a text, or of a list's items; empty: any
};

/// A Lua file that was read, compiled and looked through; none of its hooks has run. A value.
struct Plugin {
  std::string name;  ///< the file's, without ".lua"
  std::filesystem::path file;
  std::string about;  ///< its first comment
  std::vector<Setting> settings;
  Grants needs;
  std::set<Hook> defined;
  std::string code;  ///< compiled by us from the text
};

/// Error(invalid) with file and line for what is no plugin, misspelt hooks and keys included.
Plugin load_plugin(const std::filesystem::path& file, const Limits& limits = {});
Plugin parse_plugin(const std::string& text, const std::filesystem::path& file,
                    const Limits& limits = {});
/// Inside State::run: pushes the table that the plugin's file returns, its environment holding
/// `settings` and the capabilities that it needs.
void push_plugin(State& state, const Plugin& plugin, const boost::json::value& settings);

/// The settings, defaults filled in; sizes and durations become numbers (bytes, seconds). Error
/// (invalid) that names what is wrong, unknown settings included.
boost::json::object check_settings(const Plugin& plugin, const boost::json::object& given);
/// Error(denied) with the lines to write in the configuration where the plugin needs more than it
/// is allowed; "*" needs anything at all.
void check_grants(const Plugin& plugin, const std::string& seat, const Grants& granted);
/// The plugin's manual, for a terminal.
std::string manual(const Plugin& plugin);

}  // namespace lighterman::policy
