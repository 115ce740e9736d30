#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "core/text.hpp"
#include "policy/spec.hpp"

namespace lighterman::policy {
namespace {

using Json = boost::json::value;

constexpr std::size_t most_lines = 20, longest_value = 160;

/// Lua has one kind of empty table.
bool is_empty(const Json& value) {
  return (value.is_array() && value.get_array().empty()) ||
         (value.is_object() && value.get_object().empty());
}

std::string shown(const Json& value) {
  if (value.is_null()) return "nil";
  if (is_empty(value)) return "{}";
  return shortened(boost::json::serialize(value), longest_value);
}

class Walk {
 public:
  std::vector<std::string> lines;

  void compare(const std::string& path, const Json& expected, const Json& actual) {
    if (is_empty(expected) && is_empty(actual)) return;
    if (expected.is_object() && actual.is_object()) {
      compare_records(path, expected.get_object(), actual.get_object());
    } else if (expected.is_array() && actual.is_array()) {
      compare_lists(path, expected.get_array(), actual.get_array());
    } else if (!is_same_scalar(expected, actual)) {
      lines.push_back(concat(path.empty() ? "" : concat(path, ": "), "expected ", shown(expected),
                             ", got ", shown(actual)));
    }
  }

 private:
  static bool is_same_scalar(const Json& a, const Json& b) {
    // 1 and 1.0 are equal in Lua.
    if (a.is_number() && b.is_number()) return a.to_number<double>() == b.to_number<double>();
    return a == b;
  }

  void compare_records(const std::string& path, const boost::json::object& expected,
                       const boost::json::object& actual) {
    std::set<std::string> keys;
    for (const auto& field : expected) keys.insert(field.key());
    for (const auto& field : actual) keys.insert(field.key());
    for (const std::string& key : keys) {
      const std::string place = path.empty() ? key : concat(path, '.', key);
      compare_entry(place, expected.if_contains(key), actual.if_contains(key));
    }
  }

  void compare_lists(const std::string& path, const boost::json::array& expected,
                     const boost::json::array& actual) {
    for (std::size_t at = 0; at < std::max(expected.size(), actual.size()); ++at) {
      compare_entry(concat(path, '[', at + 1, ']'), expected.if_contains(at),
                    actual.if_contains(at));
    }
  }

  void compare_entry(const std::string& place, const Json* expected, const Json* actual) {
    if (expected == nullptr) {
      lines.push_back(concat(place, ": not expected, got ", shown(*actual)));
    } else if (actual == nullptr) {
      lines.push_back(concat(place, ": missing, expected ", shown(*expected)));
    } else {
      compare(place, *expected, *actual);
    }
  }
};

}  // namespace

std::string differences(const Json& expected, const Json& actual) {
  Walk walk;
  walk.compare("", expected, actual);
  const std::size_t more = walk.lines.size() - std::min(walk.lines.size(), most_lines);
  if (more > 0) {
    walk.lines.resize(most_lines);
    walk.lines.push_back(
        concat("... and ", more, more == 1 ? " difference" : " differences", " more"));
  }
  return join(walk.lines, "\n");
}

bool same(const Json& a, const Json& b) { return differences(a, b).empty(); }

}  // namespace lighterman::policy
