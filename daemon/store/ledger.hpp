#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/audit.hpp"
#include "store/store.hpp"

namespace lighterman::store {

/// Which entries are wanted; empty fields do not filter.
struct LedgerFilter {
  std::string who = {}, deed = {};
  std::optional<Instant> since = {};
  std::optional<std::int64_t> before = {};  ///< only numbers below this one
  std::size_t limit = 50;
};

/// The audit trail's table: entries are added, never changed and never removed (the database
/// refuses it). Any thread, and any process that opened the same store.
class Ledger {
 public:
  /// The entry's hash; everything else of it is filled in.
  using Seal = std::function<std::string(const AuditEntry& entry)>;
  /// Whether an entry must be on disk when it was added.
  enum class Care { full, lazy };

  explicit Ledger(Store& store) : store_(store) {}

  /// Fills in number, time, previous and hash.
  AuditEntry add(AuditEntry entry, const Seal& seal, Care care = Care::full);
  std::vector<AuditEntry> list(const LedgerFilter& filter) const;  ///< newest first
  /// Those with numbers above `number`, oldest first.
  std::vector<AuditEntry> after(std::int64_t number, std::size_t limit) const;
  /// The highest number that was ever given, also if that entry is missing now; 0: none was.
  std::int64_t last_given() const;

 private:
  Store& store_;
};

}  // namespace lighterman::store
