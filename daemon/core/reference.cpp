#include "core/reference.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman {
namespace {

constexpr std::size_t longest_name = 255;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_tag_char(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
}

[[noreturn]] void refuse(std::string_view given, std::string_view why) {
  throw Error(ErrorKind::invalid, concat("\"", shortened(valid_utf8(given), 300),
                                         "\" is not an image reference: ", why));
}

/// [a-z0-9]+ joined by '.', '_', '__' or any number of '-' (distribution-spec, "Pulling
/// manifests").
bool is_component(std::string_view part) {
  if (part.empty() || !is_lower_or_digit(part.front()) || !is_lower_or_digit(part.back()))
    return false;
  for (std::size_t at = 0; at < part.size();) {
    if (is_lower_or_digit(part[at])) {
      ++at;
      continue;
    }
    const std::size_t end = std::min(part.find_first_not_of("._-", at), part.size());
    const std::string_view separator = part.substr(at, end - at);
    if (separator.empty()) return false;  // no separator and no letter: does not belong here
    const bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && separator != "." && separator != "_" && separator != "__") return false;
    at = end;
  }
  return true;
}

bool is_host(std::string_view text) {
  return text.find_first_of(".:") != std::string_view::npos || text == "localhost";
}

bool is_valid_host(std::string_view host) {
  std::string_view name = host, port;
  if (host.starts_with('[')) {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos) return false;
    name = host.substr(1, close - 1);
    port = host.substr(close + 1);
    if (name.empty() ||
        name.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos)
      return false;
  } else {
    const std::size_t colon = host.find(':');
    name = host.substr(0, colon);
    port = colon == std::string_view::npos ? "" : host.substr(colon);
    const auto is_name_char = [](char c) {
      return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-';
    };
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_name_char)) return false;
  }
  if (port.empty()) return true;
  port.remove_prefix(1);
  return host.find(':') != std::string_view::npos && !port.empty() && port.size() <= 5 &&
         port.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

bool is_tag(std::string_view tag) noexcept {
  return !tag.empty() && tag.size() <= 128 && tag.front() != '.' && tag.front() != '-' &&
         std::all_of(tag.begin(), tag.end(), is_tag_char);
}

std::string slug_tag(std::string_view text) {
  if (is_tag(text)) return std::string(text);
  std::string slug;
  for (const char c : text) {
    if (is_tag_char(c)) {
      slug.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x80 && !slug.empty() && slug.back() != '-') {
      slug.push_back('-');
    }
  }
  const std::size_t first = std::min(slug.find_first_not_of(".-"), slug.size());
  slug = slug.substr(first, 128);
  while (slug.ends_with('-') || slug.ends_with('.')) slug.pop_back();
  return slug.empty() ? "unnamed" : slug;
}

Reference Reference::parse(std::string_view given) {
  Reference reference;
  std::string_view rest = given;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    reference.digest_ =
        during(concat("image reference ", shortened(valid_utf8(rest.substr(0, at)), 300)),
               [&] { return Digest::parse(rest.substr(at + 1)); });
    rest = rest.substr(0, at);
  }
  const std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && rest.find('/', colon) == std::string_view::npos) {
    const std::string_view tag = rest.substr(colon + 1);
    if (!is_tag(tag))
      refuse(given,
             "its tag may hold letters, digits, '_', '.' and '-', at most 128, and begin with "
             "neither '.' nor '-'");
    reference.tag_ = std::string(tag);
    rest = rest.substr(0, colon);
  }
  if (rest.find("://") != std::string_view::npos) refuse(given, "leave the scheme away");
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos && is_host(rest.substr(0, slash))) {
    reference.host_ = lower(rest.substr(0, slash));
    reference.repository_ = std::string(rest.substr(slash + 1));
    if (!is_valid_host(reference.host_))
      refuse(given, "its host is not a host name with an optional port");
  } else {
    reference.host_ = "docker.io";
    reference.repository_ = std::string(rest);
  }
  if (reference.host_ == "index.docker.io") reference.host_ = "docker.io";
  if (reference.host_ == "docker.io" && reference.repository_.find('/') == std::string::npos) {
    // Docker takes 64 hex digits for an image id, never for a name.
    if (reference.repository_.size() == 64 && parse_hex(reference.repository_))
      refuse(given, "64 hex digits name an image id, not a repository");
    reference.repository_ = concat("library/", reference.repository_);
  }
  for (const std::string& part : split(reference.repository_, '/')) {
    if (is_component(part)) continue;
    if (part.empty()) refuse(given, "a part of its repository is empty");
    if (part != lower(part)) refuse(given, concat("\"", part, "\" must be lower case"));
    refuse(given, concat("\"", shortened(valid_utf8(part), 80),
                         "\" may hold a-z and 0-9, joined by '.', '_', '__' or '-'"));
  }
  if (reference.name().size() > longest_name) refuse(given, "it is longer than 255 characters");
  return reference;
}

Reference Reference::with_tag(std::string_view tag) const {
  if (!is_tag(tag))
    refuse(concat(name(), ':', tag),
           "its tag may hold letters, digits, '_', '.' and '-', at most 128, and begin with "
           "neither '.' nor '-'");
  Reference other = bare();
  other.tag_ = std::string(tag);
  return other;
}

Reference Reference::at(const Digest& digest) const {
  Reference other = bare();
  other.digest_ = digest;
  return other;
}

Reference Reference::bare() const {
  Reference other = *this;
  other.tag_.reset();
  other.digest_.reset();
  return other;
}

std::string Reference::text() const {
  std::string text = name();
  if (tag_) text += concat(':', *tag_);
  if (digest_) text += concat('@', *digest_);
  return text;
}

}  // namespace lighterman
