#pragma once

#include <array>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/digest.hpp"
#include "core/time.hpp"

namespace lighterman {

enum class Severity { unknown, low, medium, high, critical };
std::string_view render(Severity severity) noexcept;  ///< "CRITICAL", as scanners write it
Severity parse_severity(std::string_view given);      ///< in any case; throws Error(invalid)

/// What the distributor says of the package (Trivy's words).
enum class FindingStatus {
  unknown,
  not_affected,
  affected,
  fixed,
  under_investigation,
  will_not_fix,
  fix_deferred,
  end_of_life
};
std::string_view render(FindingStatus status) noexcept;
FindingStatus parse_finding_status(std::string_view given);  ///< throws Error(invalid)

/// Which part of the image brought a package.
struct FindingOrigin {
  std::string base;         ///< the base image; empty: the Dockerfile's own step
  std::string instruction;  ///< as the image's history has it; empty: not known
  int line = 0;             ///< in the Dockerfile; 0: not known
  bool operator==(const FindingOrigin&) const = default;
};

/// Why a finding does not count.
struct Waived {
  std::string reason, who;
  std::optional<Instant> until;  ///< empty: for good
  bool operator==(const Waived&) const = default;
};

/// One vulnerability in one package of an image.
struct Finding {
  std::string id;  ///< "CVE-2023-5363"
  std::string package, installed;
  std::string fixed;  ///< the version that fixes it; empty: none is known
  Severity severity = Severity::unknown;
  FindingStatus status = FindingStatus::unknown;
  std::string title, url;
  std::string target;  ///< file or operating system it was found in
  std::string purl;    ///< package URL (package-url/purl-spec); empty: the report does not say
  std::optional<DiffId> diff_id;
  std::optional<Digest> layer;
  std::optional<FindingOrigin> origin;  ///< empty: not known
  std::optional<Waived> waived;
  bool operator==(const Finding&) const = default;
};

/// What a scanner says of one image.
struct Findings {
  std::string scanner, scanner_version;
  std::string database_version;
  std::optional<Instant> database_time;
  Instant scanned{};
  std::optional<Digest> subject;      ///< the image's manifest; empty: not known, or several
  std::vector<std::string> warnings;  ///< for people: "the database is 9d old"
  std::vector<Finding> list;

  struct Counts {
    std::array<std::size_t, 5> by_severity{};  ///< those that are not waived
    std::size_t waived = 0;
    std::size_t of(Severity severity) const {
      return by_severity[static_cast<std::size_t>(severity)];
    }
  };
  Counts counts() const;
  bool operator==(const Findings&) const = default;
};

boost::json::value to_json(const Finding& finding);
/// Adds what is not there yet: another vulnerability, package or version, another warning. What is
/// said of two images has no subject.
void unite(Findings& findings, const Findings& more);
boost::json::value to_json(const Findings& findings);  ///< with "counts", for readers
Findings findings_from(const boost::json::value& given);

}  // namespace lighterman
