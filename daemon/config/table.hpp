#pragma once

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace lighterman::config {

/// A place in a YAML file, and where to tell what is wrong with it. What is wrong never quotes a
/// value: somebody may have written a password where a place belongs.
class Value {
 public:
  Value(const YAML::Node& node, std::string file, std::string path, std::vector<Finding>& findings)
      : node(node), file_(std::move(file)), path_(std::move(path)), out_(&findings) {}

  void refuse(std::string_view why) const;
  Value inside(const YAML::Node& node, std::string_view name) const;
  std::optional<std::string> text(std::string_view wanted = "text") const;
  /// The pairs of a mapping in the file's order; none, and told, for what is no mapping.
  std::vector<std::pair<std::string, Value>> pairs() const;
  std::vector<Value> items() const;  ///< of a list; one text is a list of one
  /// The value at these keys, or the nearest around it that is there, under the full path.
  Value at(std::initializer_list<std::string_view> keys) const;
  const std::string& path() const noexcept { return path_; }

  YAML::Node node;  // NOLINT: yaml-cpp's accessors are not const enough for a const node

 private:
  std::string file_, path_;
  std::vector<Finding>* out_;
};

using Json = boost::json::value;

// How each type is read, shown and described. A number of bytes is a uint64, a count an unsigned.
void read(std::string& to, const Value& value);
void read(std::filesystem::path& to, const Value& value);
void read(bool& to, const Value& value);
void read(unsigned& to, const Value& value);
void read(double& to, const Value& value);
void read(std::uint64_t& to, const Value& value);
void read(std::chrono::milliseconds& to, const Value& value);
void read(std::vector<std::string>& to, const Value& value);
void read(std::map<std::string, std::string>& to, const Value& value);
template <class T>
void read(std::optional<T>& to, const Value& value) {
  T inner{};
  read(inner, value);
  to = inner;
}

Json show(const std::string& value);
Json show(const std::filesystem::path& value);
Json show(bool value);
Json show(unsigned value);
Json show(double value);
Json show(std::uint64_t value);
Json show(std::chrono::milliseconds value);
Json show(const std::vector<std::string>& value);
Json show(const std::map<std::string, std::string>& value);
template <class T>
Json show(const std::optional<T>& value) {
  return value ? show(*value) : Json();
}

Json schema_of(const std::string&);
Json schema_of(const std::filesystem::path&);
Json schema_of(bool);
Json schema_of(unsigned);
Json schema_of(double);
Json schema_of(std::uint64_t);
Json schema_of(std::chrono::milliseconds);
Json schema_of(const std::vector<std::string>&);
Json schema_of(const std::map<std::string, std::string>&);
template <class T>
Json schema_of(const std::optional<T>&) {
  return schema_of(T{});
}

/// One key of an object: the only place that knows its name.
template <class T>
struct Row {
  std::string name, meaning;
  std::function<void(T&, const Value&)> read;
  std::function<Json(const T&)> show;  ///< null is left out
  Json schema;
};

/// The row of a member.
template <class T, class Member>
Row<T> row(std::string name, Member T::*member, std::string meaning) {
  return {std::move(name), std::move(meaning),
          [member](T& to, const Value& value) { read(to.*member, value); },
          [member](const T& from) { return show(from.*member); }, schema_of(Member{})};
}

/// Where a secret lies: "file:PATH" or "env:NAME"; a secret itself is refused.
void read_place(std::string& to, const Value& value);
Json place_schema();
template <class T>
Row<T> place(std::string name, std::string T::*member, std::string meaning) {
  return {std::move(name), std::move(meaning),
          [member](T& to, const Value& value) { read_place(to.*member, value); },
          [member](const T& from) { return show(from.*member); }, place_schema()};
}

void refuse_unknown(const Value& value, std::string_view key,
                    const std::vector<std::string>& known);

template <class T>
void read_object(T& to, const std::vector<Row<T>>& rows, const Value& value) {
  for (const auto& [key, inner] : value.pairs()) {
    const auto found = std::ranges::find(rows, key, &Row<T>::name);
    if (found != rows.end()) {
      found->read(to, inner);
    } else if (!key.starts_with("x-")) {
      std::vector<std::string> known;
      known.reserve(rows.size());
      for (const Row<T>& row : rows) known.push_back(row.name);
      refuse_unknown(inner, key, known);
    }
  }
}

template <class T>
Json show_object(const T& from, const std::vector<Row<T>>& rows) {
  boost::json::object shown;
  for (const Row<T>& row : rows)
    if (Json value = row.show(from); !value.is_null()) shown[row.name] = std::move(value);
  return shown;
}

template <class T>
Json object_schema(const std::vector<Row<T>>& rows) {
  boost::json::object properties;
  for (const Row<T>& row : rows) {
    Json described = row.schema;
    described.as_object()["description"] = row.meaning;
    properties[row.name] = std::move(described);
  }
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"patternProperties", {{"^x-", boost::json::object()}}},
          {"additionalProperties", false}};
}

}  // namespace lighterman::config
