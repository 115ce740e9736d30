#include "core/digest.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace lighterman {

Digest Digest::parse(std::string_view given) {
  constexpr std::string_view algorithm = "sha256:";
  const bool right_length = given.size() == algorithm.size() + 64 && given.starts_with(algorithm);
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (!right_length || !std::all_of(given.begin() + algorithm.size(), given.end(), is_digit)) {
    throw Error(ErrorKind::invalid,
                concat("\"", shortened(valid_utf8(given), 96),
                       "\" is not a digest (sha256: and 64 lower-case hex digits)"));
  }
  return Digest(std::string(given));
}

}  // namespace lighterman
