#pragma once

#include <boost/json/value.hpp>
#include <filesystem>
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

/// An OpenVEX document and what it is called in messages.
struct VexDocument {
  std::string name;
  boost::json::value content;
};
/// Of a file; Error(invalid or not_found) that names it.
VexDocument read_vex(const std::filesystem::path& file);
VexDocument parse_vex(const std::string& text, const std::string& name);
/// The image that statements may be about.
struct VexSubject {
  std::vector<std::string> repositories;  ///< where it is published: host/repository
  Digest image;                           ///< its manifest
};

/// The statements of OpenVEX documents (openvex.dev/ns/v0.2.0) that say "not_affected" or "fixed".
/// A product is the image by its digest, its repository, or an OCI purl (with a digest: exactly
/// that image; else the name, and the repository_url where it has one); or a package by its purl,
/// where a version and qualifiers that are left out are any. With subcomponents, a statement about
/// the image is about these packages only. Of all documents, the statement with the latest time
/// holds for each vulnerability and product; "affected" and "under_investigation" take an earlier
/// waiver back. Statements about other images are left out. Error(invalid) with document and
/// statement.
std::vector<Waiver> waivers_from_openvex(const std::vector<VexDocument>& documents,
                                         const VexSubject& subject);

struct WaiverUse {
  std::vector<std::string> expired;  ///< in words; their findings count again
  std::vector<std::string> unused;   ///< in words; they match nothing
};
/// Marks what is waived at `now`; marks of an earlier call are gone.
WaiverUse apply(const std::vector<Waiver>& waivers, Findings& findings, Instant now);

}  // namespace lighterman::scan
