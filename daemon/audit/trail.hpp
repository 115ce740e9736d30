#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "core/audit.hpp"
#include "store/ledger.hpp"

namespace lighterman::audit {

std::string seal(const AuditEntry& entry);  ///< SHA-256 of its canonical() bytes, in hex digits

/// Writes down what was done. Any thread.
class Trail {
 public:
  explicit Trail(store::Store& store) : ledger_(store) {}

  /// On disk when it returns. Text is made valid UTF-8 of at most 1000 bytes a field.
  void add(AuditEntry entry) { put(std::move(entry), store::Ledger::Care::full); }
  /// For what the store tells too: it may be lost in a power cut.
  void note(AuditEntry entry) { put(std::move(entry), store::Ledger::Care::lazy); }

 private:
  void put(AuditEntry entry, store::Ledger::Care care);
  store::Ledger ledger_;
};

/// Checks a trail as it is read, oldest entry first. One thread at a time.
class Check {
 public:
  static constexpr std::size_t most_faults = 100;  ///< further ones are counted only

  void see(const AuditEntry& entry);
  /// The highest number ever given; entries above the last one seen are missing.
  void end_at(std::int64_t number);
  /// Somebody wrote down that the entry of this number had this hash.
  void expect(std::int64_t number, std::string hash) { expected_ = {number, std::move(hash)}; }

  std::int64_t entries() const noexcept { return entries_; }
  const std::string& head() const noexcept { return last_hash_; }  ///< the hash of the last entry
  std::int64_t head_number() const noexcept { return last_; }
  /// "entry 7 was changed: ..."; empty: nothing is wrong.
  const std::vector<std::string>& faults() const noexcept { return faults_; }
  std::size_t fault_count() const noexcept { return fault_count_; }

 private:
  struct Expected {
    std::int64_t number = 0;
    std::string hash;
  };
  void add_fault(std::string fault);

  std::int64_t entries_ = 0, last_ = 0;
  std::string last_hash_;
  std::optional<Expected> expected_;
  std::vector<std::string> faults_;
  std::size_t fault_count_ = 0;
};

/// Entries with numbers above the given one, oldest first; none: there are no more.
using Pages = std::function<std::vector<AuditEntry>(std::int64_t after)>;
/// Calls `see` with every entry of a trail, a page in memory at a time.
void walk(const Pages& pages, const std::function<void(const AuditEntry&)>& see);

std::string csv_head();  ///< with its line end
/// RFC 4180. A field that a spreadsheet would take for a formula begins with an apostrophe.
std::string csv_line(const AuditEntry& entry);

}  // namespace lighterman::audit
