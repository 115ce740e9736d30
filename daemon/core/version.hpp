#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lighterman {

/// A version as git tags carry it: semver.org 2.0.0, an optional "v" in front.
struct Version {
  std::uint64_t major = 0, minor = 0, patch = 0;
  std::vector<std::string> prerelease;  ///< empty: a release

  static std::optional<Version> parse(std::string_view tag);  ///< empty: not a version
  std::string text() const;                                   ///< without "v" and build metadata
  /// Precedence (semver.org 2.0.0, section 11).
  std::strong_ordering operator<=>(const Version& other) const;
  bool operator==(const Version& other) const { return (*this <=> other) == 0; }
};

}  // namespace lighterman
