#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace lighterman::policy {

/// What may stand under a key of a table that a plugin hands out.
enum class Form {
  text,      ///< not empty
  any_text,  ///< may be empty
  secret,    ///< a handle
  text_or_secret,
  texts,       ///< a text or a list of them
  map,         ///< names and texts (numbers and booleans are written out)
  secret_map,  ///< names and texts or handles
  boolean,
  count,     ///< a whole number from 1 to 1000
  statuses,  ///< a list of HTTP statuses
  hmac,      ///< { secret = handle, style = text, header = text }
  duration,  ///< "30s", or seconds
  table,     ///< plain data in a table
  data,      ///< plain data
};

struct Key {
  std::string_view name;
  Form form;
  bool required = false;
};

/// Error(invalid) that begins with `what` for unknown keys, missing ones and other types. A secret
/// where none belongs is refused too: it would leave as its name.
void check_form(const std::string& what, const boost::json::value& given,
                std::initializer_list<Key> keys);

/// The name in {"$secret": "name"}.
std::optional<std::string> secret_name(const boost::json::value& given);
/// Calls `found` for each secret in the value, at any depth.
void each_secret(const boost::json::value& given,
                 const std::function<void(const std::string& name)>& found);

}  // namespace lighterman::policy
