#include "cli/plugin_words.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "cli/live_log.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "core/time.hpp"
#include "pipeline/decide.hpp"

namespace lighterman::cli {
namespace {

using policy::Hook;
using policy::Plugin;
using policy::Setting;
using policy::SpecResult;

std::string safe(std::string_view text) { return harmless(text, false); }

/// JSON is YAML, but people write words without quotes.
std::string yaml(const boost::json::value& value) {
  const auto plain = [](std::string_view text) {
    static const std::vector<std::string> taken{"true", "false", "null", "yes", "no", "on", "off"};
    return !text.empty() && text.front() != '-' && std::isalpha(text.front()) != 0 &&
           text.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
               "-_./") == std::string_view::npos &&
           std::ranges::find(taken, lower(text)) == taken.end();
  };
  if (value.is_string() && plain(value.get_string())) return std::string(value.get_string());
  if (!value.is_array()) return boost::json::serialize(value);
  std::vector<std::string> items;
  for (const auto& item : value.get_array()) items.push_back(yaml(item));
  return concat('[', join(items, ", "), ']');
}

std::string placeholder(const Setting& setting) {
  if (!setting.choices.empty()) return yaml(boost::json::value(setting.choices.front()));
  if (setting.type == "number") return "1";
  if (setting.type == "boolean") return "true";
  if (setting.type == "list") return "[]";
  if (setting.type == "map") return "{}";
  if (setting.type == "size") return "100MB";
  if (setting.type == "duration") return "1h";
  return "\"...\"";
}

/// Stands where the operator names what is allowed.
std::string choice(const std::string& capability) {
  if (capability == "http") return "HOST";
  if (capability == "run") return "PROGRAM";
  return capability == "secret" ? "NAME" : "HOST/REPOSITORY";
}

struct Paint {
  const char *good = "", *bad = "", *faint = "", *end = "";
};

void tell_failure(std::ostream& out, const std::string& message, const std::string& indent) {
  for (const std::string& line : split(message, '\n')) out << indent << safe(line) << '\n';
}

std::string rounded(std::chrono::microseconds took) {
  return render_duration(std::chrono::ceil<std::chrono::milliseconds>(took));
}

std::string suite_key(const SpecResult& result, std::size_t depth) {
  return concat(result.file.string(), '\n', join({result.suites.data(), depth}, "\n"));
}

}  // namespace

std::string example(const Plugin& plugin) {
  std::string text = concat("plugins:\n  ", plugin.name, ":\n");
  const std::size_t begin = text.size();
  if (!plugin.settings.empty()) text += "    settings:\n";
  for (const Setting& setting : plugin.settings) {
    const bool has_default = !setting.fallback.is_null();
    text += concat("      ", has_default || setting.required ? "" : "# ", setting.name, ": ",
                   has_default ? yaml(setting.fallback) : placeholder(setting), '\n');
  }
  if (!plugin.needs.empty()) text += "    allow:\n";
  for (const auto& [capability, names] : plugin.needs) {
    boost::json::array listed;
    for (const std::string& name : names)
      listed.emplace_back(name == "*" ? choice(capability) : name);
    const bool open = std::ranges::find(names, "*") != names.end();
    text +=
        concat("      ", capability, ": ", yaml(listed), open ? "  # those you choose" : "", '\n');
  }
  // A key without anything below it is written as one that means no more.
  if (text.size() == begin) text.insert(begin - 1, " {}");
  return text;
}

boost::json::object to_json(const Plugin& plugin) {
  boost::json::array hooks, settings;
  for (const Hook hook : plugin.defined) hooks.emplace_back(render(hook));
  for (const Setting& setting : plugin.settings) {
    settings.push_back({{"name", setting.name},
                        {"type", setting.type},
                        {"about", setting.about},
                        {"default", setting.fallback},
                        {"required", setting.required},
                        {"choices", json_array(setting.choices)}});
  }
  boost::json::object needs;
  for (const auto& [capability, names] : plugin.needs) needs[capability] = json_array(names);
  return {{"name", plugin.name},  {"about", plugin.about}, {"hooks", hooks},
          {"settings", settings}, {"needs", needs},        {"example", example(plugin)}};
}

std::string wrapped(const std::string& line, std::size_t width) {
  const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
  std::string text, row = line.substr(0, indent);
  for (const std::string& word : split(std::string_view(line).substr(indent), ' ')) {
    if (row.size() > indent && row.size() + 1 + word.size() > width) {
      text += concat(row, '\n');
      row.resize(indent);
    }
    if (row.size() > indent && !word.empty()) row += ' ';
    row += word;
  }
  return text + row;
}

std::vector<std::string> told(const policy::Decision& decision,
                              const std::vector<policy::Said<std::string>>& more) {
  std::vector<std::string> lines;
  for (const pipeline::Said& said : pipeline::told(decision))
    for (const std::string& line : split(said.text, '\n')) lines.push_back(safe(line));
  for (const auto& said : more) lines.push_back(safe(said.value));
  if (lines.empty()) lines.emplace_back("no opinion");
  return lines;
}

void tell(std::ostream& out, const std::vector<SpecResult>& results, Color color) {
  const Paint paint =
      color == Color::yes ? Paint{"\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"} : Paint{};
  std::vector<std::string> open;  // the suites whose names stand above
  std::chrono::microseconds took{};
  std::size_t failed = 0;
  std::string file;
  for (const SpecResult& result : results) {
    took += result.took;
    if (file != result.file.string()) {
      out << (file.empty() ? "" : "\n") << safe(result.file.string()) << '\n';
      file = result.file.string();
      open.clear();
    }
    std::size_t depth = 0;
    for (; depth < result.suites.size(); ++depth) {
      const std::string key = suite_key(result, depth + 1);
      if (depth < open.size() && open[depth] == key) continue;
      open.resize(depth);
      open.push_back(key);
      out << std::string(2 * depth + 2, ' ') << safe(result.suites[depth]) << '\n';
    }
    open.resize(depth);
    const std::string indent(2 * depth + 2, ' ');
    if (result.passed()) {
      out << indent << paint.good << "✓" << paint.end << ' ' << safe(result.test);
    } else {
      ++failed;
      out << indent << paint.bad << "✗ " << safe(result.test) << paint.end;
    }
    // What takes long should be seen while it can still be made shorter.
    if (result.took > std::chrono::milliseconds(200)) {
      out << paint.faint << " (" << rounded(result.took) << ')' << paint.end;
    }
    out << '\n';
    if (!result.passed()) tell_failure(out, result.message, concat(indent, "    "));
  }
  out << '\n'
      << (failed == 0 ? paint.good : paint.bad) << results.size() - failed << " passed, " << failed
      << " failed" << paint.end << paint.faint << " (" << rounded(took) << ')' << paint.end << '\n';
}

boost::json::object to_json(const std::vector<SpecResult>& results) {
  boost::json::array all;
  std::size_t failed = 0;
  for (const SpecResult& result : results) {
    failed += result.passed() ? 0 : 1;
    boost::json::object each{{"file", result.file.string()},
                             {"suites", json_array(result.suites)},
                             {"test", result.test},
                             {"passed", result.passed()},
                             {"seconds", std::chrono::duration<double>(result.took).count()}};
    if (!result.passed()) each["message"] = result.message;
    all.push_back(std::move(each));
  }
  return {{"passed", results.size() - failed}, {"failed", failed}, {"results", std::move(all)}};
}

}  // namespace lighterman::cli
