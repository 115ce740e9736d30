#include "policy/catalogue.hpp"

#include <algorithm>
#include <map>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"

namespace lighterman::policy {
namespace {

using std::filesystem::path;

constexpr std::string_view letters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

bool is_name(std::string_view name) {
  return !name.empty() && name.find_first_not_of(letters) == std::string_view::npos &&
         !concat(name, plugin_end).ends_with(spec_end);
}

/// What changes with the file's content. A file that cannot be read now is known by that.
std::string mark_of(const path& file) {
  try {
    return os::sha256(os::read_file(file)).text();
  } catch (const Error& error) {
    // Whoever loads it will say so; here it only has to differ from what it was.
    return error.what();
  }
}

}  // namespace

void check_name(const std::string& name) {
  if (is_name(name)) return;
  throw Error(
      ErrorKind::invalid,
      concat('"', name, "\" is no plugin's name: letters, digits, '-' and '_' may be in it"));
}

std::vector<path> files_ending(const path& folder, std::string_view end) {
  std::error_code failure;
  std::vector<path> files;
  std::filesystem::directory_iterator entries(folder, failure);
  for (; !failure && entries != std::filesystem::directory_iterator(); entries.increment(failure)) {
    std::error_code ignored;
    if (entries->path().filename().string().ends_with(end) && entries->is_regular_file(ignored)) {
      files.push_back(entries->path());
    }
  }
  if (failure) {
    throw Error(ErrorKind::not_found, concat("folder ", folder.string(), ": ", failure.message()));
  }
  std::ranges::sort(files);
  return files;
}

Catalogue::Catalogue(std::vector<path> folders) : folders_(std::move(folders)) {}

std::optional<path> Catalogue::find_file(const std::string& name) const {
  for (const path& folder : folders_) {
    path file = folder / concat(name, plugin_end);
    std::error_code ignored;
    if (std::filesystem::is_regular_file(file, ignored)) return file;
  }
  return std::nullopt;
}

Plugin Catalogue::get(const std::string& name) const {
  check_name(name);
  if (const auto file = find_file(name)) return load_plugin(*file);
  for (const Shipped& shipped : shipped_plugins()) {
    if (shipped.name == name) {
      return parse_plugin(std::string(shipped.text), concat(name, plugin_end));
    }
  }
  std::vector<std::string> places;
  for (const path& folder : folders_) places.push_back(folder.string());
  places.emplace_back("the plugins that ship with lighterman");
  throw Error(ErrorKind::not_found, concat("no plugin \"", name, '"', did_you_mean(name, names()),
                                           "; looked in ", join(places, ", ")));
}

std::vector<Catalogue::Entry> Catalogue::entries() const {
  std::map<std::string, path> found;
  for (const path& folder : folders_) {
    for (const path& file : files_ending(folder, plugin_end)) {
      const std::string name = file.stem().string();
      if (is_name(name)) found.emplace(name, file);
    }
  }
  for (const Shipped& shipped : shipped_plugins()) found.emplace(shipped.name, path());
  std::vector<Entry> entries;
  entries.reserve(found.size());
  for (const auto& [name, file] : found) entries.push_back({name, file});
  return entries;
}

std::vector<std::string> Catalogue::names() const {
  std::vector<std::string> names;
  for (const Entry& entry : entries()) names.push_back(entry.name);
  return names;
}

std::optional<path> Catalogue::find_spec(const std::string& name) const {
  const auto file = find_file(name);
  if (!file) return std::nullopt;
  path spec = file->parent_path() / concat(name, spec_end);
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(spec, ignored)) return std::nullopt;
  return spec;
}

std::string Catalogue::fingerprint() const {
  os::Sha256 hash;
  for (const path& folder : folders_) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder, ignored)) continue;
    for (const path& file : files_ending(folder, plugin_end)) {
      hash.update(concat(file.string(), '\n', mark_of(file), '\n'));
    }
  }
  return hash.finish().text();
}

}  // namespace lighterman::policy
