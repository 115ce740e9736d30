#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.hpp"

namespace lighterman {

/// Parses JSON text that calls itself `what` in messages; Error(invalid) with the byte where it
/// broke. Nesting is limited, so that no input can exhaust the stack.
boost::json::value parse_json(std::string_view text, std::string_view what);

/// Reads an object's fields with their types; everything wrong is an Error(invalid) that names
/// `what` and the field. A field that is null counts as missing. Unknown fields are left alone, so
/// that an older daemon can read what a newer one wrote. The object must outlive this.
class Fields {
 public:
  Fields(const boost::json::value& given, std::string what);

  const boost::json::value* find(std::string_view name) const noexcept;
  const boost::json::value& get(std::string_view name) const;

  std::string text(std::string_view name) const;
  std::string text_or(std::string_view name, std::string fallback) const;
  std::optional<std::string> find_text(std::string_view name) const;
  bool flag_or(std::string_view name, bool fallback) const;
  std::int64_t integer(std::string_view name) const;
  std::int64_t integer_or(std::string_view name, std::int64_t fallback) const;
  std::uint64_t natural(std::string_view name) const;
  std::uint64_t natural_or(std::string_view name, std::uint64_t fallback) const;
  double number_or(std::string_view name, double fallback) const;
  Instant time_or(std::string_view name, Instant fallback) const;
  /// Missing arrays and objects are empty.
  std::vector<std::string> texts(std::string_view name) const;
  std::map<std::string, std::string> text_map(std::string_view name) const;
  std::span<const boost::json::value> list(std::string_view name) const;

  /// `what.name`, for messages and for reading what is inside.
  std::string path(std::string_view name) const;
  [[noreturn]] void refuse(std::string_view name, std::string_view why) const;

 private:
  std::string what_;
  const boost::json::object* object_;
};

boost::json::array json_array(std::span<const std::string> texts);
boost::json::object json_object(const std::map<std::string, std::string>& texts);
boost::json::value json_time(const std::optional<Instant>& when);  ///< null where there is none

}  // namespace lighterman
