#include "core/json.hpp"

#include <boost/json/stream_parser.hpp>

#include "core/error.hpp"

namespace lighterman {
namespace json = boost::json;

json::value parse_json(std::string_view text, std::string_view what) {
  json::parse_options options;
  options.max_depth = 64;
  json::stream_parser parser({}, options);
  boost::system::error_code failure;
  const std::size_t good = parser.write_some(text.data(), text.size(), failure);
  if (failure)
    throw Error(ErrorKind::invalid,
                concat(what, ": not JSON: ", failure.message(), " at byte ", good));
  if (good < text.size())
    throw Error(ErrorKind::invalid,
                concat(what, ": not JSON: more text after the end at byte ", good));
  parser.finish(failure);
  if (failure) throw Error(ErrorKind::invalid, concat(what, ": not JSON: it ends in the middle"));
  return parser.release();
}

Fields::Fields(const json::value& given, std::string what)
    : what_(std::move(what)), object_(given.if_object()) {
  if (!object_) throw Error(ErrorKind::invalid, concat(what_, ": an object is expected"));
}

std::string Fields::path(std::string_view name) const { return concat(what_, ".", name); }

void Fields::refuse(std::string_view name, std::string_view why) const {
  throw Error(ErrorKind::invalid, concat(path(name), ": ", why));
}

const json::value* Fields::find(std::string_view name) const noexcept {
  const json::value* found = object_->if_contains(name);
  return found && !found->is_null() ? found : nullptr;
}

const json::value& Fields::get(std::string_view name) const {
  const json::value* found = find(name);
  if (!found) refuse(name, "missing");
  return *found;
}

namespace {

std::string text_in(const Fields& fields, std::string_view name, const json::value& value) {
  const json::string* text = value.if_string();
  if (!text) fields.refuse(name, "a text is expected");
  return std::string(text->data(), text->size());
}

std::int64_t integer_in(const Fields& fields, std::string_view name, const json::value& value) {
  const std::int64_t* number = value.if_int64();
  if (!number) fields.refuse(name, "a whole number is expected");
  return *number;
}

std::uint64_t natural_in(const Fields& fields, std::string_view name, const json::value& value) {
  if (const std::uint64_t* number = value.if_uint64()) return *number;
  const std::int64_t* number = value.if_int64();
  if (!number || *number < 0) fields.refuse(name, "a whole number from 0 on is expected");
  return static_cast<std::uint64_t>(*number);
}

}  // namespace

std::string Fields::text(std::string_view name) const { return text_in(*this, name, get(name)); }

std::string Fields::text_or(std::string_view name, std::string fallback) const {
  const json::value* found = find(name);
  return found ? text_in(*this, name, *found) : std::move(fallback);
}

std::optional<std::string> Fields::find_text(std::string_view name) const {
  const json::value* found = find(name);
  if (!found) return std::nullopt;
  return text_in(*this, name, *found);
}

bool Fields::flag_or(std::string_view name, bool fallback) const {
  const json::value* found = find(name);
  if (!found) return fallback;
  if (!found->is_bool()) refuse(name, "true or false is expected");
  return found->get_bool();
}

std::int64_t Fields::integer(std::string_view name) const {
  return integer_in(*this, name, get(name));
}

std::int64_t Fields::integer_or(std::string_view name, std::int64_t fallback) const {
  const json::value* found = find(name);
  return found ? integer_in(*this, name, *found) : fallback;
}

std::uint64_t Fields::natural(std::string_view name) const {
  return natural_in(*this, name, get(name));
}

std::uint64_t Fields::natural_or(std::string_view name, std::uint64_t fallback) const {
  const json::value* found = find(name);
  return found ? natural_in(*this, name, *found) : fallback;
}

double Fields::number_or(std::string_view name, double fallback) const {
  const json::value* found = find(name);
  if (!found) return fallback;
  if (!found->is_number()) refuse(name, "a number is expected");
  return found->to_number<double>();
}

Instant Fields::time_or(std::string_view name, Instant fallback) const {
  const json::value* found = find(name);
  if (!found) return fallback;
  return during(path(name), [&] { return parse_time(text_in(*this, name, *found)); });
}

std::span<const json::value> Fields::list(std::string_view name) const {
  const json::value* found = find(name);
  if (!found) return {};
  const json::array* array = found->if_array();
  if (!array) refuse(name, "a list is expected");
  return {array->data(), array->size()};
}

std::vector<std::string> Fields::texts(std::string_view name) const {
  std::vector<std::string> texts;
  for (const json::value& value : list(name)) texts.push_back(text_in(*this, name, value));
  return texts;
}

std::map<std::string, std::string> Fields::text_map(std::string_view name) const {
  std::map<std::string, std::string> texts;
  const json::value* found = find(name);
  if (!found) return texts;
  const json::object* object = found->if_object();
  if (!object) refuse(name, "an object of texts is expected");
  for (const auto& [key, value] : *object)
    texts.emplace(key, text_in(*this, concat(name, ".", std::string_view(key)), value));
  return texts;
}

json::array json_array(std::span<const std::string> texts) {
  json::array array;
  array.reserve(texts.size());
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

json::object json_object(const std::map<std::string, std::string>& texts) {
  json::object object;
  object.reserve(texts.size());
  for (const auto& [key, text] : texts) object.emplace(key, text);
  return object;
}

json::value json_time(const std::optional<Instant>& when) {
  if (!when) return nullptr;
  return json::value(render_time(*when));
}

}  // namespace lighterman
