#include "engine/lines.hpp"

#include <boost/json.hpp>

#include "core/colors.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::engine {
namespace {

namespace json = boost::json;

// A trace line holds what BuildKit gathered in a tenth of a second; this is far above that.
constexpr std::size_t longest_object = 16 << 20;
constexpr std::size_t longest_line = 16 << 10;

enum class Colors { keep, drop };

/// Drops terminal escape sequences (ECMA-48: ESC [ ... final byte) and control characters but tabs
/// and line ends, which become blanks.
std::string without_controls(std::string_view text, Colors colors) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    const std::size_t color = colors == Colors::keep ? color_length(text.substr(at)) : 0;
    if (color > 0) {
      result += text.substr(at, color);
      at += color - 1;
    } else if (c == 0x1b && at + 1 < text.size() && text[at + 1] == '[') {
      at += 2;
      while (at < text.size() && (text[at] < '@' || text[at] > '~')) ++at;
    } else if (c == '\n' || c == '\r') {
      result.push_back(' ');
    } else if (c >= 0x20 ? c != 0x7f : c == '\t') {
      result.push_back(text[at]);
    }
  }
  return result;
}

}  // namespace

void JsonLines::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      if (partial_.size() + bytes.size() > longest_object) {
        throw Error(ErrorKind::invalid, "the engine sent a line longer than 16 MiB");
      }
      partial_.append(bytes);
      return;
    }
    if (partial_.empty()) {
      take_line(bytes.substr(0, end));
    } else {
      partial_.append(bytes.substr(0, end));
      take_line(partial_);
      partial_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
}

void JsonLines::finish() {
  take_line(partial_);
  partial_.clear();
}

void JsonLines::take_line(std::string_view line) {
  line = trim(line);
  if (line.empty()) return;
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  boost::system::error_code wrong;
  const json::value value = json::parse(line, wrong, {}, options);
  if (wrong || !value.is_object()) {
    throw Error(ErrorKind::invalid,
                concat("the engine's answer is no JSON: \"", one_line(shortened(line, 200)), "\""));
  }
  take_(value.get_object());
}

std::string_view text_of(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found && found->is_string() ? std::string_view(found->get_string()) : std::string_view();
}

const json::object* object_of(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found ? found->if_object() : nullptr;
}

std::int64_t number_of(const json::object& object, std::string_view key, std::int64_t otherwise) {
  const json::value* found = object.if_contains(key);
  if (!found || !found->is_number()) return otherwise;
  boost::system::error_code wrong;
  const auto number = found->to_number<std::int64_t>(wrong);
  return wrong ? otherwise : number;
}

void OutputLines::write(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\n') {
      give();
      continue;
    }
    // "\r\n" is a line end; text after a lone "\r" takes the place of what stood there.
    if (c == '\r') {
      returned_ = true;
      continue;
    }
    if (returned_) partial_.clear();
    returned_ = false;
    partial_.push_back(c);
    // The cut must not go through a character: its bytes after the first begin with 10.
    if (partial_.size() >= longest_line &&
        ((static_cast<unsigned char>(c) & 0x80U) == 0 || partial_.size() >= longest_line + 4)) {
      give();
    }
  }
}

void OutputLines::finish() {
  if (!partial_.empty()) give();
}

void OutputLines::give() {
  std::string line = valid_utf8(without_controls(partial_, Colors::keep));
  partial_.clear();
  returned_ = false;
  take_(std::move(line));
}

std::string one_line(std::string_view text) {
  return valid_utf8(without_controls(text, Colors::drop));
}

}  // namespace lighterman::engine
