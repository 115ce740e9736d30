#include "policy/form.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/time.hpp"

namespace lighterman::policy {
namespace {

using Json = boost::json::value;

[[noreturn]] void refuse(std::string_view what, std::string_view why) {
  throw Error(ErrorKind::invalid, concat(what, ": ", why));
}

bool is_empty_table(const Json& given) { return given.is_array() && given.get_array().empty(); }

bool is_text(const Json& given) { return given.is_string() && !given.get_string().empty(); }

bool has_secret(const Json& given) {
  bool has = false;
  each_secret(given, [&](const std::string&) { has = true; });
  return has;
}

void check_map(const std::string& what, const Json& given, bool secrets) {
  if (is_empty_table(given)) return;
  if (!given.is_object()) refuse(what, "must be a table of names and texts");
  for (const auto& field : given.get_object()) {
    const Json& value = field.value();
    if (secrets && secret_name(value)) continue;
    if (has_secret(value))
      refuse(concat(what, '.', field.key()),
             "a secret cannot stand here (in headers, url, hmac and env it can)");
    if (!value.is_string() && !value.is_number() && !value.is_bool())
      refuse(concat(what, '.', field.key()),
             secrets ? "must be a text or a secret" : "must be a text");
  }
}

void check_value(const std::string& what, const Json& given, Form form) {
  const bool may_be_secret = form == Form::secret || form == Form::text_or_secret ||
                             form == Form::secret_map || form == Form::map ||
                             form == Form::hmac;  // the last two look for themselves
  if (!may_be_secret && has_secret(given)) {
    refuse(what, "a secret cannot stand here (in headers, url, hmac and env it can)");
  }
  switch (form) {
    case Form::text:
      if (!is_text(given)) refuse(what, "must be a text");
      return;
    case Form::any_text:
      if (!given.is_string()) refuse(what, "must be a text");
      return;
    case Form::secret:
      if (!secret_name(given)) refuse(what, "must be a secret (secret \"name\")");
      return;
    case Form::text_or_secret:
      if (!is_text(given) && !secret_name(given)) refuse(what, "must be a text or a secret");
      return;
    case Form::texts:
      if (is_text(given)) return;
      if (!given.is_array() || !std::ranges::all_of(given.get_array(), is_text)) {
        refuse(what, "must be a text or a list of texts");
      }
      return;
    case Form::map:
    case Form::secret_map:
      return check_map(what, given, form == Form::secret_map);
    case Form::boolean:
      if (!given.is_bool()) refuse(what, "must be true or false");
      return;
    case Form::count:
      if (!given.is_int64() || given.get_int64() < 1 || given.get_int64() > 1000) {
        refuse(what, "must be a whole number from 1 to 1000");
      }
      return;
    case Form::statuses: {
      const auto fits = [](const Json& item) {
        return item.is_int64() && item.get_int64() >= 100 && item.get_int64() < 600;
      };
      if (!given.is_array() || given.get_array().empty() ||
          !std::ranges::all_of(given.get_array(), fits)) {
        refuse(what, "must be a list of HTTP statuses");
      }
      return;
    }
    case Form::hmac:
      return check_form(
          what, given,
          {{"secret", Form::secret, true}, {"style", Form::text}, {"header", Form::text}});
    case Form::duration:
      if (given.is_number() && given.to_number<double>() > 0) return;
      if (!given.is_string()) refuse(what, "must be a length of time such as \"30s\"");
      during(what, [&] { return parse_duration(given.get_string()); });
      return;
    case Form::table:
      if (!given.is_object() && !given.is_array()) refuse(what, "must be a table");
      return;
    case Form::data:
      return;
  }
}

}  // namespace

void check_form(const std::string& what, const Json& given, std::initializer_list<Key> keys) {
  if (is_empty_table(given)) {
    for (const Key& key : keys)
      if (key.required) refuse(concat(what, '.', key.name), "must be there");
    return;
  }
  if (!given.is_object()) refuse(what, "must be a table");
  std::vector<std::string> known;
  for (const Key& key : keys) {
    known.emplace_back(key.name);
    const auto* value = given.get_object().if_contains(key.name);
    if (value == nullptr && key.required) refuse(concat(what, '.', key.name), "must be there");
    if (value != nullptr) check_value(concat(what, '.', key.name), *value, key.form);
  }
  for (const auto& field : given.get_object()) {
    if (std::ranges::find(known, std::string_view(field.key())) != known.end()) continue;
    refuse(what, concat("unknown key \"", shortened(field.key(), 60), '"',
                        did_you_mean(field.key(), known), "; keys are ", join(known, ", ")));
  }
}

std::optional<std::string> secret_name(const Json& given) {
  if (!given.is_object() || given.get_object().size() != 1) return {};
  const auto* name = given.get_object().if_contains("$secret");
  if (name == nullptr || !is_text(*name)) return {};
  return std::string(name->get_string());
}

void each_secret(const Json& given, const std::function<void(const std::string& name)>& found) {
  if (given.is_array()) {
    for (const Json& item : given.get_array()) each_secret(item, found);
  } else if (given.is_object()) {
    if (const auto name = secret_name(given)) found(*name);
    for (const auto& field : given.get_object()) each_secret(field.value(), found);
  }
}

}  // namespace lighterman::policy
