#include "config/table.hpp"

#include <charconv>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "core/time.hpp"

namespace lighterman::config {

void Value::refuse(std::string_view why) const {
  const YAML::Mark mark = node.Mark();
  const std::string line = mark.is_null() ? "" : concat(":", mark.line + 1);
  out_->push_back({Finding::Weight::error,
                   concat(file_, line, ": ", path_.empty() ? "the file" : path_),
                   std::string(why)});
}

Value Value::inside(const YAML::Node& inner, std::string_view name) const {
  return {inner, file_, path_.empty() ? std::string(name) : concat(path_, '.', name), *out_};
}

Value Value::at(std::initializer_list<std::string_view> keys) const {
  // yaml-cpp's assignment changes what both nodes stand for; reset() changes this variable alone.
  YAML::Node around = node;
  std::string path = path_;
  for (const std::string_view key : keys) {
    const YAML::Node inner =
        around.IsMap() ? std::as_const(around)[std::string(key)] : YAML::Node();
    if (inner.IsDefined() && !inner.IsNull()) around.reset(inner);
    path = path.empty() ? std::string(key) : concat(path, '.', key);
  }
  return {around, file_, path, *out_};
}

std::optional<std::string> Value::text(std::string_view wanted) const {
  if (node.IsScalar()) return node.Scalar();
  refuse(concat("must be ", wanted, node.IsNull() ? ", and is empty" : ""));
  return {};
}

std::vector<std::pair<std::string, Value>> Value::pairs() const {
  std::vector<std::pair<std::string, Value>> found;
  if (!node.IsMap()) {
    refuse(concat("must be a mapping (key: value)", node.IsNull() ? ", and is empty" : ""));
    return found;
  }
  std::set<std::string> seen;
  for (const auto& pair : node) {
    if (!pair.first.IsScalar()) {
      refuse("has a key that is not a text");
      continue;
    }
    const std::string& key = pair.first.Scalar();
    const Value value = inside(pair.second, key);
    if (!seen.insert(key).second) {
      value.refuse("is there twice");
    } else {
      found.emplace_back(key, value);
    }
  }
  return found;
}

std::vector<Value> Value::items() const {
  if (node.IsScalar()) return {*this};
  std::vector<Value> found;
  if (!node.IsSequence()) {
    refuse("must be a list");
    return found;
  }
  for (std::size_t at = 0; at < node.size(); ++at)
    found.push_back(Value(node[at], file_, concat(path_, '[', at, ']'), *out_));
  return found;
}

namespace {

/// Reads by a parser that throws, and tells what it said.
template <class To, class Parse>
void read_by(To& to, const Value& value, std::string_view wanted, Parse parse) {
  const auto given = value.text(wanted);
  if (!given) return;
  try {
    to = parse(*given);
  } catch (const Error& error) {
    value.refuse(error.what());
  }
}

template <class To>
void read_number(To& to, const Value& value, std::string_view wanted) {
  const auto given = value.text(wanted);
  if (!given) return;
  To number{};
  const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), number);
  if (error != std::errc() || end != given->data() + given->size() || number < To{}) {
    value.refuse(concat("must be ", wanted));
  } else {
    to = number;
  }
}

}  // namespace

void read(std::string& to, const Value& value) {
  if (auto given = value.text()) to = std::move(*given);
}

void read(std::filesystem::path& to, const Value& value) {
  if (auto given = value.text("a path")) to = std::move(*given);
}

void read(bool& to, const Value& value) {
  const auto given = value.text("true or false");
  if (!given) return;
  if (*given == "true" || *given == "yes" || *given == "on") {
    to = true;
  } else if (*given == "false" || *given == "no" || *given == "off") {
    to = false;
  } else {
    value.refuse("must be true or false");
  }
}

void read(unsigned& to, const Value& value) { read_number(to, value, "a whole number"); }
void read(double& to, const Value& value) { read_number(to, value, "a number"); }

void read(std::uint64_t& to, const Value& value) {
  read_by(to, value, "a size such as 512MiB", parse_size);
}

void read(std::chrono::milliseconds& to, const Value& value) {
  read_by(to, value, "a time such as 90s or 1h30m", [](const std::string& given) {
    return given == "0" ? std::chrono::milliseconds(0) : parse_duration(given);
  });
}

void read(std::vector<std::string>& to, const Value& value) {
  std::vector<std::string> found;
  for (const Value& item : value.items())
    if (auto given = item.text()) found.push_back(std::move(*given));
  to = std::move(found);
}

void read(std::map<std::string, std::string>& to, const Value& value) {
  for (const auto& [key, inner] : value.pairs())
    if (auto given = inner.text()) to[key] = std::move(*given);
}

void read_place(std::string& to, const Value& value) {
  const auto given = value.text("file:PATH or env:NAME");
  if (!given) return;
  if ((given->size() > 5 && given->starts_with("file:")) ||
      (given->size() > 4 && given->starts_with("env:"))) {
    to = *given;
  } else {
    value.refuse("must say where the secret lies, file:PATH or env:NAME, and not the secret");
  }
}

void refuse_unknown(const Value& value, std::string_view key,
                    const std::vector<std::string>& known) {
  value.refuse(concat("is not known here", did_you_mean(key, known)));
}

namespace {

Json text_or_nothing(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

Json show(const std::string& value) { return text_or_nothing(value); }
Json show(const std::filesystem::path& value) { return text_or_nothing(value.string()); }
Json show(bool value) { return value; }
Json show(unsigned value) { return value; }
Json show(double value) { return value == 0 ? Json() : Json(value); }
Json show(std::uint64_t value) { return value == 0 ? Json() : Json(value); }
Json show(std::chrono::milliseconds value) {
  return value.count() == 0 ? Json("0") : Json(render_duration(value));
}
Json show(const std::vector<std::string>& value) {
  return value.empty() ? Json() : Json(json_array(value));
}
Json show(const std::map<std::string, std::string>& value) {
  return value.empty() ? Json() : Json(json_object(value));
}

Json schema_of(const std::string&) { return {{"type", "string"}}; }
Json schema_of(const std::filesystem::path&) { return {{"type", "string"}}; }
Json schema_of(bool) { return {{"type", "boolean"}}; }
Json schema_of(unsigned) { return {{"type", "integer"}, {"minimum", 0}}; }
Json schema_of(double) { return {{"type", "number"}, {"minimum", 0}}; }
Json schema_of(std::uint64_t) {
  return {{"type", {"string", "integer"}}, {"examples", {"512MiB"}}};
}
Json schema_of(std::chrono::milliseconds) {
  return {{"type", {"string", "integer"}}, {"examples", {"90s", "1h30m"}}};
}
Json schema_of(const std::vector<std::string>&) {
  return {{"type", {"array", "string"}}, {"items", {{"type", "string"}}}};
}
Json schema_of(const std::map<std::string, std::string>&) {
  return {{"type", "object"},
          {"additionalProperties", {{"type", {"string", "number", "boolean"}}}}};
}
Json place_schema() { return {{"type", "string"}, {"pattern", "^(file:|env:).+"}}; }

}  // namespace lighterman::config
