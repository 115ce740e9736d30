#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

#include "core/time.hpp"

namespace lighterman {

/// Who did what, why, from where and when. Each entry is chained to the one before.
struct AuditEntry {
  std::int64_t number = 0;  ///< 1, 2, 3 ...: given by the store
  Instant when{};           ///< given by the store
  std::string who = {};     ///< `token "ann"`, `plugin "gate-size"`, `webhook "shop"`, "the daemon"
  std::string deed = {};    ///< one word or two: "retry", "token new"
  std::string subject = {};   ///< what it was done to: "run 12", "registry.example/shop:1.0"
  std::string why = {};       ///< in the words of whoever did it; empty: nobody said
  std::string address = {};   ///< of the client; empty: it was nobody over the network
  std::string previous = {};  ///< the hash of the entry before: 64 hex digits; empty: the first
  std::string hash = {};      ///< SHA-256 of canonical(), 64 hex digits
};

/// The bytes that `hash` is of: "lighterman-audit-1:" and then number (decimal), when
/// (milliseconds since 1970, decimal), who, deed, subject, why, address and previous, in this
/// order, each as a netstring: its length in bytes (decimal), ':', the bytes, ','.
std::string canonical(const AuditEntry& entry);

boost::json::object to_json(const AuditEntry& entry);
AuditEntry audit_entry_from(const boost::json::value& given);  ///< throws Error(invalid)

}  // namespace lighterman
