#include "core/version.hpp"

#include <algorithm>
#include <charconv>

#include "core/text.hpp"

namespace lighterman {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !is_number(text)) return {};
  if (text.size() > 1 && text.front() == '0') return {};
  return value;
}

bool is_identifier(std::string_view text) {
  if (text.empty() || (is_number(text) && text.size() > 1 && text.front() == '0')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
}

std::strong_ordering compare_identifiers(const std::string& a, const std::string& b) {
  const bool a_number = is_number(a), b_number = is_number(b);
  if (a_number != b_number)
    return a_number ? std::strong_ordering::less : std::strong_ordering::greater;
  // Numbers have no leading zeros, so the longer one is the larger one.
  if (a_number && a.size() != b.size()) return a.size() <=> b.size();
  return a <=> b;
}

}  // namespace

std::optional<Version> Version::parse(std::string_view tag) {
  if (!tag.empty() && (tag.front() == 'v' || tag.front() == 'V')) tag.remove_prefix(1);
  tag = tag.substr(0, tag.find('+'));
  Version version;
  if (const std::size_t dash = tag.find('-'); dash != std::string_view::npos) {
    version.prerelease = split(tag.substr(dash + 1), '.');
    if (!std::all_of(version.prerelease.begin(), version.prerelease.end(), is_identifier))
      return {};
    tag = tag.substr(0, dash);
  }
  const std::vector<std::string> parts = split(tag, '.');
  if (parts.size() != 3) return {};
  const auto major = number(parts[0]), minor = number(parts[1]), patch = number(parts[2]);
  if (!major || !minor || !patch) return {};
  version.major = *major;
  version.minor = *minor;
  version.patch = *patch;
  return version;
}

std::string Version::text() const {
  std::string text = concat(major, '.', minor, '.', patch);
  if (!prerelease.empty()) text += concat('-', join(prerelease, "."));
  return text;
}

std::strong_ordering Version::operator<=>(const Version& other) const {
  if (const auto order = major <=> other.major; order != 0) return order;
  if (const auto order = minor <=> other.minor; order != 0) return order;
  if (const auto order = patch <=> other.patch; order != 0) return order;
  // A release comes after its own prereleases.
  if (prerelease.empty() || other.prerelease.empty()) {
    return other.prerelease.size() <=> prerelease.size();
  }
  return std::lexicographical_compare_three_way(prerelease.begin(), prerelease.end(),
                                                other.prerelease.begin(), other.prerelease.end(),
                                                compare_identifiers);
}

}  // namespace lighterman
