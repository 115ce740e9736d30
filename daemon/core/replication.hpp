#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/reference.hpp"
#include "core/run.hpp"
#include "core/time.hpp"

namespace lighterman {

/// superseded: another took over what it was to carry.
enum class ReplicationState { waiting, running, done, failed, superseded, cancelled };
std::string_view render(ReplicationState state) noexcept;
ReplicationState parse_replication_state(std::string_view given);  ///< throws Error(invalid)
bool is_final(ReplicationState state) noexcept;

/// What is asked of an image before it is carried, and what of it is.
struct ReplicationTerms {
  std::vector<std::string> platforms;  ///< of an index only these; empty: all
  bool referrers = true;               ///< signatures, SBOMs and the like come along
  bool only_signed = false;            ///< by one of our keys
  bool only_clean = false;             ///< its newest scan found nothing that blocks
  std::uint64_t push_limit = 0;        ///< bytes a second over all images of its rule; 0: none
  std::vector<std::string> warm;       ///< base URLs of mirrors that shall have it afterwards
  std::string policy;                  ///< of the source's Harbor, which then carries it itself
  bool operator==(const ReplicationTerms&) const = default;
};

/// One image on its way from one registry to another.
struct Replication {
  std::int64_t id = 0;  ///< given by the store
  RunId run = 0;        ///< that published it; 0: none
  std::string rule;     ///< of the configuration, "plugin NAME", or who asked
  Reference source;     ///< by digest
  Reference target;     ///< without tag or digest
  std::vector<std::string> tags;
  ReplicationTerms terms;
  ReplicationState state = ReplicationState::waiting;
  std::int64_t tries = 0;
  Instant created{}, due{};
  std::optional<Instant> started, ended;  ///< of the last try
  std::uint64_t total_bytes = 0, present_bytes = 0, mounted_bytes = 0, sent_bytes = 0;
  std::string why;                 ///< how the last try failed
  std::vector<std::string> notes;  ///< what was left out, and why
};

boost::json::object to_json(const ReplicationTerms& terms);
ReplicationTerms replication_terms_from(const boost::json::value& given);
boost::json::object to_json(const Replication& replication);

}  // namespace lighterman
