#include "core/audit.hpp"

#include "core/json.hpp"
#include "core/text.hpp"

namespace lighterman {

std::string canonical(const AuditEntry& entry) {
  std::string bytes = "lighterman-audit-1:";
  for (const std::string& field :
       {std::to_string(entry.number), std::to_string(entry.when.time_since_epoch().count()),
        entry.who, entry.deed, entry.subject, entry.why, entry.address, entry.previous})
    bytes += concat(field.size(), ':', field, ',');
  return bytes;
}

boost::json::object to_json(const AuditEntry& entry) {
  return {{"number", entry.number},   {"when", render_time(entry.when)}, {"who", entry.who},
          {"deed", entry.deed},       {"subject", entry.subject},        {"why", entry.why},
          {"address", entry.address}, {"previous", entry.previous},      {"hash", entry.hash}};
}

AuditEntry audit_entry_from(const boost::json::value& given) {
  const Fields fields(given, "audit entry");
  return {fields.integer("number"),      parse_time(fields.text("when")), fields.text("who"),
          fields.text("deed"),           fields.text_or("subject", ""),   fields.text_or("why", ""),
          fields.text_or("address", ""), fields.text_or("previous", ""),  fields.text("hash")};
}

}  // namespace lighterman
