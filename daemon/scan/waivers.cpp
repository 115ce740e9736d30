#include "scan/waivers.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "scan/purl.hpp"

namespace lighterman::scan {
namespace {

namespace json = boost::json;

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

/// Whether a product is this image: an OCI purl's version is the digest (purl-spec, "oci"), its
/// repository_url the place; both may be left out.
bool is_image(const std::string& name, std::string_view repository, const Digest& image) {
  const std::string& known = image.text();
  if (name == known || name == repository || name == concat(repository, '@', known)) return true;
  const std::optional<Purl> purl = Purl::parse(name);
  if (!purl || purl->type != "oci") return false;
  if (!purl->version.empty()) return purl->version == known;
  const std::size_t slash = repository.rfind('/');
  return purl->name == repository.substr(slash == std::string_view::npos ? 0 : slash + 1);
}

struct Statement {
  std::vector<std::string> ids;  ///< the vulnerability and its aliases
  std::vector<std::string> purls;
  bool whole_image = false;
  std::string status, reason, who;
  Instant when{};
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
std::optional<Statement> statement_from(const Fields& given, std::string_view repository,
                                        const Digest& image) {
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
  statement.reason = justification.empty() ? impact : justification;
  if (statement.reason.empty()) statement.reason = statement.status;
  for (const json::value& product : given.list("products")) {
    const std::vector<std::string> names = names_of(product);
    const bool ours = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return is_image(name, repository, image);
    });
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

}  // namespace

Instant parse_until(std::string_view given) {
  if (given.size() != 10) return parse_time(given);
  return parse_time(concat(given, "T00:00:00Z")) + std::chrono::hours(24);
}

std::vector<Waiver> waivers_from_openvex(const json::value& document, std::string_view repository,
                                         const Digest& image) {
  const Fields top(document, "openvex");
  if (!top.text("@context").starts_with("https://openvex.dev/ns"))
    top.refuse("@context", "an OpenVEX document is expected");
  const std::string author = top.text_or("author", "an OpenVEX document");
  const Instant written = top.time_or("timestamp", {});
  std::vector<Statement> statements;
  for (const json::value& entry : top.list("statements")) {
    const Fields given(entry, "openvex.statements");
    std::optional<Statement> statement = statement_from(given, repository, image);
    if (!statement) continue;
    statement->when = given.time_or("timestamp", written);
    statement->who = given.text_or("supplier", author);
    statements.push_back(std::move(*statement));
  }
  std::stable_sort(statements.begin(), statements.end(),
                   [](const Statement& a, const Statement& b) { return a.when < b.when; });
  // What was said last of a vulnerability in a product holds; an empty product is all of the image.
  std::map<std::pair<std::string, std::string>, std::optional<Waiver>> latest;
  for (const Statement& statement : statements) {
    const bool waives = statement.status == "not_affected" || statement.status == "fixed";
    for (const std::string& id : statement.ids) {
      const auto say = [&](const std::string& purl) {
        latest[{id, purl}] =
            waives ? std::optional(Waiver{
                         .vulnerability = id,
                         .purls = purl.empty() ? std::vector<std::string>() : std::vector{purl},
                         .reason = statement.reason,
                         .who = statement.who})
                   : std::nullopt;
      };
      if (statement.whole_image) {
        // Said of all of it, this overrides what was said of its parts before.
        std::erase_if(latest, [&id](const auto& one) { return one.first.first == id; });
        say("");
      }
      for (const std::string& purl : statement.purls) {
        // "affected" said later of a part takes the word for the whole back: when in doubt it
        // counts.
        if (!waives) latest.erase({id, ""});
        say(purl);
      }
    }
  }
  std::vector<Waiver> waivers;
  for (auto& [key, waiver] : latest)
    if (waiver) waivers.push_back(std::move(*waiver));
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
