#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "core/findings.hpp"

namespace lighterman::scan {

/// "line 7 installs openssl 3.0.9-1, fixed in 3.0.11-1", "update base debian:12: it brings ...".
std::string advice_of(const Finding& finding);

/// For a terminal: the worst first, each with its advice, then the waived, then counts.
std::string table_of(const Findings& findings);
/// SARIF 2.1.0; waived findings are results with an accepted suppression (section 3.27.23).
boost::json::value sarif_of(const Findings& findings, const std::string& image);
/// CycloneDX 1.5, a vulnerability disclosure report: only components with findings, and those.
boost::json::value cyclonedx_of(const Findings& findings, const std::string& image);

}  // namespace lighterman::scan
