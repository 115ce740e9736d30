#include <boost/json/object.hpp>

#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "api/server.hpp"
#include "api/sessions.hpp"
#include "core/json.hpp"
#include "core/text.hpp"

namespace lighterman::api {
namespace {

/// Whether the browser speaks https, as far as we know.
bool is_secure(const Exchange& exchange) {
  if (exchange.connection.is_encrypted()) return true;
  if (exchange.proxied &&
      equal_without_case(trim(exchange.head.find("x-forwarded-proto")), "https"))
    return true;
  constexpr std::string_view https = "https://";
  const std::string_view url = exchange.public_url;
  if (!url.starts_with(https)) return false;
  const std::string_view host = url.substr(https.size());
  return equal_without_case(host.substr(0, host.find('/')), exchange.head.find("host"));
}

void set_cookie(Exchange& exchange, std::string_view id, std::string_view more) {
  exchange.reply.set_header(
      "Set-Cookie", concat(session_cookie, "=", id, "; Path=/; HttpOnly", "; SameSite=Strict", more,
                           is_secure(exchange) ? "; Secure" : ""));
}

void answer_session(Exchange& exchange) {
  answer(exchange, 200,
         boost::json::object{{"caller", exchange.caller.name},
                             {"role", render(exchange.caller.role)},
                             {"sources", json_array(exchange.caller.scope.sources())},
                             {"tokens", !exchange.caller.sha256.empty()}});
}

}  // namespace

void begin_session(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  const boost::json::value body = body_of(exchange, {"token"});
  const std::string token = Fields(body, "body").text("token");
  const Instant now = room.options.clock();
  exchange.caller = get_caller(room, exchange, token);
  set_cookie(exchange, room.sessions.begin(exchange.caller.sha256, now), "");
  record(room, exchange, "login", "the page", "");
  answer_session(exchange);
}

void show_session(Room&, Exchange& exchange) {
  expect_parameters(exchange, {});
  answer_session(exchange);
}

void end_session(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  if (!exchange.session.empty()) room.sessions.end(exchange.session);
  set_cookie(exchange, "", "; Max-Age=0");
  exchange.reply.status = 204;
}

}  // namespace lighterman::api
