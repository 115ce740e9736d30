#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/plugin.hpp"

namespace lighterman::policy {

/// A plugin that is inside the program.
struct Shipped {
  std::string_view name, text;
};
const std::vector<Shipped>& shipped_plugins();  ///< by name

/// Where plugins are found by name: in folders, the first that has it wins, then among those that
/// ship with the program. Files are read when they are asked for. Any thread.
class Catalogue {
 public:
  explicit Catalogue(std::vector<std::filesystem::path> folders = {});

  /// Error(not_found) with the nearest name, Error(invalid) for what is no name or no plugin.
  Plugin get(const std::string& name) const;

  struct Entry {
    std::string name;
    std::filesystem::path file;  ///< empty: it ships with the program
  };
  std::vector<Entry> entries() const;      ///< what get() finds, by name
  std::vector<std::string> names() const;  ///< of entries()
  /// NAME_spec.lua beside a plugin in a folder. Those that ship were tested before they shipped.
  std::optional<std::filesystem::path> find_spec(const std::string& name) const;
  /// Changes when a plugin or spec in a folder is added, removed or has other content.
  std::string fingerprint() const;

 private:
  std::optional<std::filesystem::path> find_file(const std::string& name) const;
  std::vector<std::filesystem::path> folders_;
};

/// A plugin's name: letters, digits, '-', '_'; no way to leave a folder. Error(invalid).
void check_name(const std::string& name);
/// The files in a folder whose names end so, sorted. Error(not_found) without the folder.
std::vector<std::filesystem::path> files_ending(const std::filesystem::path& folder,
                                                std::string_view end);
constexpr std::string_view plugin_end = ".lua", spec_end = "_spec.lua";

}  // namespace lighterman::policy
