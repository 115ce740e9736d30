#include "config/rows.hpp"
#include "core/error.hpp"

namespace lighterman::config {
namespace {

const Json role_schema{{"enum", {"viewer", "trigger", "operator", "admin"}}};

std::optional<Role> role_in(const Value& value) {
  try {
    if (const auto given = value.text()) return parse_role(*given);
  } catch (const Error& error) {
    value.refuse(error.what());
  }
  return {};
}

}  // namespace

const std::vector<Row<Token>>& token_rows() {
  static const std::vector<Row<Token>> rows{
      row("name", &Token::name, "Who holds it; shown as the author of runs"),
      row("sha256", &Token::sha256, "The token's SHA-256 in hex digits"),
      place("place", &Token::place, "Or where the token itself lies"),
      {"role",
       "viewer (looks), trigger (starts runs), operator (also allows what was denied) or admin "
       "(also makes tokens)",
       [](Token& to, const Value& value) { to.role = role_in(value).value_or(to.role); },
       [](const Token& from) { return Json(render(from.role)); }, role_schema},
      {"sources",
       "The only sources it sees and touches; default: all",
       [](Token& to, const Value& value) {
         read(to.sources, value);
         // Whoever counted on a list to be short does not mean all of them.
         if (to.sources.empty()) value.refuse("names none; leave it out for a token of all");
       },
       [](const Token& from) { return show(from.sources); },
       {{"type", "array"}, {"items", {{"type", "string"}}}, {"minItems", 1}}},
  };
  return rows;
}

const std::vector<Row<Tls>>& tls_rows() {
  static const std::vector<Row<Tls>> rows{
      row("cert", &Tls::certificate_file,
          "The certificate and its chain, a PEM file; read anew when it changes"),
      row("key", &Tls::key_file, "Its key, a PEM file"),
  };
  return rows;
}

const std::vector<Row<Identity>>& identity_rows() {
  static const std::vector<Row<Identity>> rows{
      row("user", &Identity::user_header, "The header that names who is there"),
      row("groups", &Identity::groups_header, "The header with the groups, between commas"),
      {"roles",
       "The role of each group; the best one of somebody's groups counts",
       [](Identity& to, const Value& value) {
         for (const auto& [group, inner] : value.pairs())
           if (const auto role = role_in(inner)) to.groups[group] = *role;
       },
       [](const Identity& from) {
         boost::json::object shown;
         for (const auto& [group, role] : from.groups) shown[group] = render(role);
         return shown.empty() ? Json() : Json(std::move(shown));
       },
       {{"type", "object"}, {"additionalProperties", role_schema}}},
      {"everybody", "The role of whoever is in none of them; default: none",
       [](Identity& to, const Value& value) { to.everybody = role_in(value); },
       [](const Identity& from) { return from.everybody ? Json(render(*from.everybody)) : Json(); },
       role_schema},
  };
  return rows;
}

}  // namespace lighterman::config
