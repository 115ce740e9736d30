#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <filesystem>

#include "core/findings.hpp"

namespace lighterman::scan {

/// Reads a JSON file piece by piece, never holding its text; Error(invalid) when it is missing,
/// empty, ends in the middle, or is larger than `limit` bytes.
boost::json::value read_report(const std::filesystem::path& file, std::uint64_t limit);

/// `trivy --format json` (schema 2). No "Results" are no findings.
Findings findings_from_trivy(const boost::json::value& report);
/// Error(invalid) unless Trivy's report is about the image that was asked for: by the name it was
/// given, and by the digests of its manifest and its configuration where the report has them.
void check_subject(const boost::json::value& report, const std::string& name,
                   const Digest& manifest, const std::optional<Digest>& config);
/// `grype -o json`.
Findings findings_from_grype(const boost::json::value& report);
/// SARIF 2.1.0 of any scanner; severities from "security-severity", else from the level.
Findings findings_from_sarif(const boost::json::value& report);
/// CycloneDX 1.4 or newer with "vulnerabilities".
Findings findings_from_cyclonedx(const boost::json::value& report);
/// Whichever of these it is; Error(invalid) for anything else.
Findings findings_from_report(const boost::json::value& report);

/// Gives findings of an SBOM's scan the layers that the SBOM (CycloneDX by Trivy) noted.
void restore_layers(Findings& findings, const boost::json::value& sbom);

}  // namespace lighterman::scan
