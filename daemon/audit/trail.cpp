#include "audit/trail.hpp"

#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::audit {
namespace {

constexpr std::size_t field_limit = 1000;

std::string field_of(const std::string& text) {
  std::string line;
  for (const char letter : text) {
    const bool control = static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f;
    line += control ? ' ' : letter;
  }
  return shortened(valid_utf8(line), field_limit);
}

std::string csv_field(const std::string& text) {
  std::string field = "\"";
  if (!text.empty() && std::string_view("=+-@").find(text.front()) != std::string_view::npos)
    field += '\'';
  for (const char letter : text) {
    if (letter == '"') field += '"';
    field += letter;
  }
  return field + '"';
}

}  // namespace

std::string seal(const AuditEntry& entry) {
  return std::string(os::sha256(canonical(entry)).hex());
}

void Trail::put(AuditEntry entry, store::Ledger::Care care) {
  for (std::string* field : {&entry.who, &entry.deed, &entry.subject, &entry.why, &entry.address})
    *field = field_of(*field);
  ledger_.add(std::move(entry), seal, care);
}

void Check::add_fault(std::string fault) {
  if (++fault_count_ <= most_faults) faults_.push_back(std::move(fault));
}

void Check::see(const AuditEntry& entry) {
  const std::int64_t wanted = last_ + 1;
  if (entry.number > wanted) {
    const bool one = entry.number == wanted + 1;
    add_fault(one ? concat("entry ", wanted, " is missing")
                  : concat("entries ", wanted, " to ", entry.number - 1, " are missing"));
  } else if (entry.number < wanted) {
    add_fault(concat("entry ", entry.number, " stands behind entry ", last_));
  }
  if (seal(entry) != entry.hash) {
    add_fault(concat("entry ", entry.number, " was changed: its hash is of something else"));
  } else if (entry.number == wanted && entry.previous != last_hash_) {
    // Its own hash fits, so it is an entry of a trail, but not the one that followed here.
    add_fault(concat("entry ", entry.number, " does not follow entry ", last_,
                     ": one of them was moved or made anew"));
  }
  if (expected_ && expected_->number == entry.number && expected_->hash != entry.hash)
    add_fault(concat("entry ", entry.number, " is another one than the one that was written down"));
  ++entries_;
  last_ = std::max(last_, entry.number);
  last_hash_ = entry.hash;
}

void Check::end_at(std::int64_t number) {
  if (number == last_ + 1) add_fault(concat("entry ", number, ", the last one, is missing"));
  if (number > last_ + 1)
    add_fault(concat("entries ", last_ + 1, " to ", number, ", the last ones, are missing"));
  if (expected_ && expected_->number > last_)
    add_fault(concat("entry ", expected_->number, ", which was written down, is missing"));
}

void walk(const Pages& pages, const std::function<void(const AuditEntry&)>& see) {
  std::int64_t last = 0;
  for (;;) {
    const std::vector<AuditEntry> page = pages(last);
    for (const AuditEntry& entry : page) {
      see(entry);
      last = std::max(last, entry.number);
    }
    if (page.empty()) return;
  }
}

std::string csv_head() { return "number,when,who,deed,subject,why,address,previous,hash\r\n"; }

std::string csv_line(const AuditEntry& entry) {
  std::string line = concat(entry.number, ',', render_time(entry.when));
  for (const std::string& field :
       {entry.who, entry.deed, entry.subject, entry.why, entry.address, entry.previous, entry.hash})
    line += concat(',', csv_field(field));
  return line + "\r\n";
}

}  // namespace lighterman::audit
