#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "core/reference.hpp"
#include "core/run.hpp"
#include "core/time.hpp"

namespace lighterman {

/// Where an image went, and by which names.
struct PublishedTarget {
  Reference repository;
  std::vector<std::string> tags;
  bool operator==(const PublishedTarget&) const = default;
};

/// An image that was published; the same image published again is the same publication.
struct Publication {
  std::int64_t id = 0;  ///< given by the store
  RunId run = 0;        ///< the last that published it
  std::string source, image;
  Digest digest;
  std::vector<PublishedTarget> targets;
  Instant published{};       ///< the last time
  boost::json::value facts;  ///< what on_rescan is told of it, besides findings
  std::string denied;        ///< why on_rescan wants it used no more; empty: it does not
  bool gone = false;         ///< no tag names it any more
};

/// What a scan of a publication came to.
struct ScanRecord {
  std::int64_t publication = 0;
  Instant scanned{};
  std::optional<Instant> database;   ///< of when the vulnerability database was
  bool clean = true;                 ///< nothing that blocks
  std::vector<std::string> reasons;  ///< what blocks
  boost::json::object counts;        ///< by severity
  std::vector<std::string> known;    ///< "CVE-2023-5363 libssl3": all that was found
};

boost::json::value to_json(const PublishedTarget& target);
std::vector<PublishedTarget> published_targets_from(const boost::json::value& given);
/// `known` is left out: it is for comparing, and long.
boost::json::object to_json(const ScanRecord& record);
boost::json::object to_json(const Publication& publication);  ///< without facts

}  // namespace lighterman
