#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "core/findings.hpp"

namespace lighterman::scan {

/// "line 7 installs openssl 3.0.9-1, fixed in 3.0.11-1", "update base debian:12: it brings ...".
std::string advice_of(const Finding& finding);

/// Without those below `least`; a warning says how many there were.
Findings only_from(Severity least, Findings findings);
/// "2 critical, 1 high, 3 waived"; "no findings".
std::string sums_of(const Findings::Counts& counts);

/// For a terminal: what brought them, the worst first, each with what is wrong and what fixes it;
/// then the waived, counts, and the age of the database.
std::string table_of(const Findings& findings);
/// SARIF 2.1.0; waived findings are results with an accepted suppression (section 3.27.23).
boost::json::value sarif_of(const Findings& findings, const std::string& image);
/// CycloneDX 1.5, a vulnerability disclosure report: only components with findings, and those.
boost::json::value cyclonedx_of(const Findings& findings, const std::string& image);

}  // namespace lighterman::scan
