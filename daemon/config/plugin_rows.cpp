#include <boost/json.hpp>
#include <charconv>

#include "config/rows.hpp"
#include "core/json.hpp"

namespace lighterman::config {
namespace {

/// YAML as JSON: what a plugin's settings are.
Json json_of(const Value& value) {
  if (value.node.IsMap()) {
    boost::json::object object;
    for (const auto& [key, inner] : value.pairs()) object[key] = json_of(inner);
    return object;
  }
  if (value.node.IsSequence()) {
    boost::json::array array;
    for (const Value& item : value.items()) array.push_back(json_of(item));
    return array;
  }
  if (!value.node.IsScalar()) return {};
  // Quoted ones stay texts, so that a version "1.10" keeps its zero.
  return value.node.Tag() == "!" ? Json(value.node.Scalar()) : plain_scalar(value.node.Scalar());
}

void read_allow(PluginSeat& to, const Value& value) {
  for (const auto& [capability, inner] : value.pairs()) read(to.allow[capability], inner);
}

Json show_allow(const PluginSeat& from) {
  boost::json::object shown;
  for (const auto& [capability, names] : from.allow) shown[capability] = json_array(names);
  return shown.empty() ? Json() : Json(std::move(shown));
}

}  // namespace

Json plain_scalar(const std::string& text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (text.find_first_not_of("0123456789+-.eE") != std::string::npos) return Json(text);
  const char* end = text.data() + text.size();
  std::int64_t whole = 0;
  if (const auto read = std::from_chars(text.data(), end, whole);
      read.ec == std::errc() && read.ptr == end) {
    return whole;
  }
  double number = 0;
  if (const auto read = std::from_chars(text.data(), end, number);
      read.ec == std::errc() && read.ptr == end) {
    return number;
  }
  return Json(text);
}

const std::vector<Row<PluginSeat>>& plugin_rows() {
  static const std::vector<Row<PluginSeat>> rows{
      row("use", &PluginSeat::use, "The plugin (file NAME.lua); default: the key's own name"),
      row("sources", &PluginSeat::sources, "Globs of sources it decides for; default: all"),
      {"settings",
       "What `lighterman plugin show NAME` lists",
       [](PluginSeat& to, const Value& value) {
         if (!value.node.IsMap()) {
           value.refuse("must be a mapping of settings");
         } else {
           to.settings = json_of(value).as_object();
         }
       },
       [](const PluginSeat& from) { return from.settings.empty() ? Json() : Json(from.settings); },
       {{"type", "object"}}},
      {"allow",
       "What it may use: names by capability (run, http, secret, registry, scan)",
       read_allow,
       show_allow,
       {{"type", "object"}, {"additionalProperties", schema_of(std::vector<std::string>())}}},
  };
  return rows;
}

}  // namespace lighterman::config
