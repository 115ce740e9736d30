#include "scan/waivers.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "scan/purl.hpp"

namespace lighterman::scan {
namespace {

namespace json = boost::json;

constexpr std::uint64_t largest_vex = 16 << 20;

bool names_package(const Waiver& waiver, const Finding& finding) {
  if (!waiver.package.empty() && !matches_glob(waiver.package, finding.package)) return false;
  if (waiver.purls.empty()) return true;
  const std::optional<Purl> package = Purl::parse(finding.purl);
  return package && std::any_of(waiver.purls.begin(), waiver.purls.end(), [&](const auto& text) {
           const std::optional<Purl> product = Purl::parse(text);
           return product && product->covers(*package);
         });
}

std::string words_of(const Waiver& waiver) {
  const std::string package = !waiver.package.empty() ? waiver.package : join(waiver.purls, ", ");
  return concat("waiver of ", waiver.vulnerability, package.empty() ? "" : " in ", package, " by ",
                waiver.who);
}

/// "x" or {"@id": "x", "identifiers": {"purl": "x"}}: every name it goes by.
std::vector<std::string> names_of(const json::value& given) {
  if (given.is_string()) return {std::string(std::string_view(given.get_string()))};
  const Fields component(given, "openvex.products");
  std::vector<std::string> names;
  if (const auto id = component.find_text("@id")) names.push_back(*id);
  if (component.find("identifiers"))
    if (const auto purl =
            Fields(component.get("identifiers"), "openvex.identifiers").find_text("purl"))
      names.push_back(*purl);
  return names;
}

/// OCI purls (purl-spec, "oci") have the digest as version, and the place as repository_url.
bool is_image(const std::string& name, const VexSubject& subject) {
  const std::string& digest = subject.image.text();
  if (name == digest) return true;
  const std::optional<Purl> purl = Purl::parse(name);
  if (purl && purl->type == "oci" && !purl->version.empty()) return purl->version == digest;
  return std::ranges::any_of(subject.repositories, [&](const std::string& repository) {
    if (name == repository || name == concat(repository, '@', digest)) return true;
    if (!purl || purl->type != "oci") return false;
    return purl->repository_url.empty()
               ? purl->name == lower(repository.substr(repository.rfind('/') + 1))
               : purl->repository_url == repository;
  });
}

struct Statement {
  std::vector<std::string> ids;  ///< the vulnerability and its aliases
  std::vector<std::string> purls;
  bool whole_image = false;
  std::string status, reason, who;
  Instant when{};

  bool waives() const { return status == "not_affected" || status == "fixed"; }
};

std::vector<std::string> ids_of(const Fields& statement) {
  const json::value& given = statement.get("vulnerability");
  if (given.is_string()) return {std::string(std::string_view(given.get_string()))};
  const Fields vulnerability(given, "openvex.vulnerability");
  std::vector<std::string> ids = vulnerability.texts("aliases");
  ids.insert(ids.begin(), vulnerability.text("name"));
  return ids;
}

/// Empty: the statement is about something else.
std::optional<Statement> statement_from(const Fields& given, const VexSubject& subject) {
  Statement statement;
  statement.ids = ids_of(given);
  statement.status = given.text("status");
  constexpr std::string_view statuses[] = {"not_affected", "fixed", "affected",
                                           "under_investigation"};
  if (std::find(std::begin(statuses), std::end(statuses), statement.status) == std::end(statuses))
    given.refuse("status", concat("unknown status \"", shortened(statement.status, 40), '"'));
  const std::string justification = given.text_or("justification", ""),
                    impact = given.text_or("impact_statement", "");
  if (statement.status == "not_affected" && justification.empty() && impact.empty())
    given.refuse("justification", "\"not_affected\" needs a justification or an impact_statement");
  statement.reason =
      concat(justification, justification.empty() || impact.empty() ? "" : ": ", impact);
  if (statement.reason.empty()) statement.reason = statement.status;
  if (given.list("products").empty())
    given.refuse("products", "what the statement is about is missing");
  for (const json::value& product : given.list("products")) {
    const std::vector<std::string> names = names_of(product);
    const bool ours = std::any_of(names.begin(), names.end(),
                                  [&](const std::string& name) { return is_image(name, subject); });
    const auto parts = product.is_object()
                           ? Fields(product, "openvex.products").list("subcomponents")
                           : std::span<const json::value>();
    if (ours && parts.empty()) statement.whole_image = true;
    if (ours)
      for (const json::value& part : parts)
        for (std::string& name : names_of(part))
          if (Purl::parse(name)) statement.purls.push_back(std::move(name));
    // A package may itself be the product, in whatever image it is.
    if (!ours && parts.empty())
      for (const std::string& name : names)
        if (const auto purl = Purl::parse(name); purl && purl->type != "oci")
          statement.purls.push_back(name);
  }
  if (!statement.whole_image && statement.purls.empty()) return {};
  return statement;
}

/// A waiver that holds until somebody says otherwise.
struct Said {
  const Statement* by;
  Waiver waiver;
};

/// Whether what was said earlier no longer holds: the same was said anew, or somebody sees the
/// vulnerability in a part of what was waived; when in doubt it counts.
bool takes_back(const Statement& statement, const Said& said) {
  const bool same_vulnerability = std::ranges::any_of(statement.ids, [&](const auto& id) {
    return std::ranges::find(said.by->ids, id) != said.by->ids.end();
  });
  if (!same_vulnerability) return false;
  if (statement.whole_image) return true;
  if (said.waiver.purls.empty()) return !statement.waives();
  const auto earlier = Purl::parse(said.waiver.purls.front());
  return std::ranges::any_of(statement.purls, [&](const std::string& text) {
    const auto now = Purl::parse(text);
    return text == said.waiver.purls.front() ||
           (!statement.waives() && (now->covers(*earlier) || earlier->covers(*now)));
  });
}

void add_statements(std::vector<Statement>& statements, const json::value& document,
                    const VexSubject& subject) {
  const Fields top(document, "openvex");
  if (!top.text("@context").starts_with("https://openvex.dev/ns"))
    top.refuse("@context", "an OpenVEX document is expected");
  const std::string author = top.text_or("author", "an OpenVEX document");
  const Instant written = top.time_or("timestamp", {});
  std::size_t number = 0;
  top.get("statements");
  for (const json::value& entry : top.list("statements")) {
    const Fields given(entry, concat("openvex.statements[", number++, ']'));
    std::optional<Statement> statement = statement_from(given, subject);
    if (!statement) continue;
    statement->when = given.time_or("timestamp", written);
    statement->who = given.text_or("supplier", author);
    statements.push_back(std::move(*statement));
  }
}

}  // namespace

Instant parse_until(std::string_view given) {
  if (given.size() != 10) return parse_time(given);
  return parse_time(concat(given, "T00:00:00Z")) + std::chrono::hours(24);
}

VexDocument parse_vex(const std::string& text, const std::string& name) {
  return {name, parse_json(text, name)};
}

VexDocument read_vex(const std::filesystem::path& file) {
  return parse_vex(os::read_file(file, largest_vex), file.string());
}

std::vector<Waiver> waivers_from_openvex(const std::vector<VexDocument>& documents,
                                         const VexSubject& subject) {
  std::vector<Statement> statements;
  for (const VexDocument& document : documents)
    during(document.name, [&] { add_statements(statements, document.content, subject); });
  std::stable_sort(statements.begin(), statements.end(),
                   [](const Statement& a, const Statement& b) { return a.when < b.when; });
  std::vector<Said> held;
  for (const Statement& statement : statements) {
    std::erase_if(held, [&](const Said& said) { return takes_back(statement, said); });
    if (!statement.waives()) continue;
    std::vector<std::string> purls = statement.purls;
    if (statement.whole_image) purls = {""};
    for (const std::string& id : statement.ids)
      for (const std::string& purl : purls) {
        Waiver waiver{.vulnerability = id, .reason = statement.reason, .who = statement.who};
        if (!purl.empty()) waiver.purls = {purl};
        held.push_back({&statement, std::move(waiver)});
      }
  }
  std::vector<Waiver> waivers;
  waivers.reserve(held.size());
  for (Said& said : held) waivers.push_back(std::move(said.waiver));
  return waivers;
}

WaiverUse apply(const std::vector<Waiver>& waivers, Findings& findings, Instant now) {
  WaiverUse use;
  for (Finding& finding : findings.list) finding.waived.reset();
  for (const Waiver& waiver : waivers) {
    const bool expired = waiver.until && now >= *waiver.until;
    bool used = false;
    for (Finding& finding : findings.list) {
      if (finding.id != waiver.vulnerability || !names_package(waiver, finding)) continue;
      used = true;
      if (!expired && !finding.waived)
        finding.waived = Waived{waiver.reason, waiver.who, waiver.until};
    }
    if (!used) use.unused.push_back(concat(words_of(waiver), " matches nothing"));
    if (used && expired)
      use.expired.push_back(concat(words_of(waiver), " ended at ", render_time(*waiver.until),
                                   " and no longer counts"));
  }
  return use;
}

}  // namespace lighterman::scan
