#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lighterman::api {

/// A header field as it was sent: httplib percent-decodes values, which no signature survives.
struct RawHeader {
  std::string_view name, value;
};

/// The head of a request as far as it says where the request ends. Views into the given bytes.
struct Head {
  std::vector<RawHeader> headers;
  std::size_t size = 0;  ///< bytes, the empty line included
  std::optional<std::uint64_t> length;
  bool chunked = false;
  bool awaits_continue = false;  ///< "Expect: 100-continue": the body comes when we ask for it
  std::string_view fault;        ///< why this is no request that we take; empty: none

  bool has_body() const noexcept { return chunked || length.value_or(0) > 0; }
  /// The first value of this name (in lower case); empty when there is none.
  std::string_view find(std::string_view name) const noexcept;
};

/// The head at the start of `bytes`; empty while its end is not there yet. What two parsers could
/// read in two ways (two lengths, a length beside chunks, folded lines) is a fault, because a proxy
/// in front of us may be the other parser.
std::optional<Head> find_head(std::string_view bytes);

bool equal_without_case(std::string_view a, std::string_view b) noexcept;

}  // namespace lighterman::api
