#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/findings.hpp"

namespace lighterman::scan {

/// Somebody's word that a vulnerability does not count here.
struct Waiver {
  std::string vulnerability;            ///< its id, or one of its aliases as the report names it
  std::string package = {};             ///< glob over the package's name; empty: all
  std::vector<std::string> purls = {};  ///< any of these; empty: all
  std::string reason, who;
  std::optional<Instant> until = {};  ///< counts again from here on; empty: for good
};

/// "2026-06-30" (to the end of that day, UTC) or RFC 3339; throws Error(invalid).
Instant parse_until(std::string_view given);

/// The statements of an OpenVEX document (openvex.dev/ns/v0.2.0) that say "not_affected" or
/// "fixed"; per vulnerability and product the latest statement is the one that holds. `image` is
/// the repository and digest a statement about the whole image must name; statements about other
/// images are left out. Throws Error(invalid).
std::vector<Waiver> waivers_from_openvex(const boost::json::value& document,
                                         std::string_view repository, const Digest& image);

struct WaiverUse {
  std::vector<std::string> expired;  ///< in words; their findings count again
  std::vector<std::string> unused;   ///< in words; they match nothing
};
/// Marks what is waived at `now`; marks of an earlier call are gone.
WaiverUse apply(const std::vector<Waiver>& waivers, Findings& findings, Instant now);

}  // namespace lighterman::scan
