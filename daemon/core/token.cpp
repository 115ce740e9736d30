#include "core/token.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"

namespace lighterman {

Scope::Scope(std::vector<std::string> sources) {
  for (std::string& source : sources)
    if (std::ranges::find(sources_, source) == sources_.end())
      sources_.push_back(std::move(source));
}

bool Scope::covers(std::string_view source) const noexcept {
  return is_all() || std::ranges::find(sources_, source) != sources_.end();
}

boost::json::object to_json(const TokenRecord& token, Instant now) {
  const std::string_view state = token.revoked      ? "revoked"
                                 : token.works(now) ? "active"
                                                    : "expired";
  return {{"name", token.name},
          {"role", render(token.role)},
          {"sources", json_array(token.scope.sources())},
          {"state", state},
          {"creator", token.creator},
          {"created", render_time(token.created)},
          {"expires", json_time(token.expires)},
          {"used", json_time(token.used)},
          {"revoked", json_time(token.revoked)}};
}

std::string terms_of(const TokenRecord& token) {
  std::string terms = concat("token ", token.name, ": ", render(token.role));
  if (!token.scope.is_all()) terms += concat(" for ", join(token.scope.sources(), ", "));
  if (token.expires) terms += concat(", until ", render_time(*token.expires));
  return terms;
}

void check_token_name(std::string_view name) {
  const bool good =
      !name.empty() && name.size() <= 100 && std::ranges::all_of(name, [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
               (letter >= '0' && letter <= '9') || letter == '.' || letter == '_' || letter == '-';
      });
  if (!good) {
    throw Error(ErrorKind::invalid,
                concat("name \"", shortened(valid_utf8(name), 80),
                       "\" is no good name: letters, digits, '.', '_' and '-', 100 of them at "
                       "most"));
  }
}

std::optional<Instant> expiry_of(std::string_view given, Instant now) {
  if (given.empty() || given == "never") return {};
  const bool is_time = given.find('T') != std::string_view::npos;
  const Instant expires =
      during("expires", [&] { return is_time ? parse_time(given) : now + parse_duration(given); });
  if (expires <= now)
    throw Error(ErrorKind::invalid, concat("expires: \"", given, "\" is over already"));
  return expires;
}

}  // namespace lighterman
