#include "store/tokens.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <limits>
#include <mutex>

#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "api/server.hpp"
#include "api/sessions.hpp"
#include "audit/trail.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "store/ledger.hpp"

namespace lighterman::api {
namespace {

constexpr std::int64_t page_limit = 1000;

void expect_known(const Exchange& exchange, const std::vector<std::string>& sources) {
  for (const std::string& source : sources) {
    try {
      exchange.snapshot->config->source(source);
    } catch (const Error& error) {
      refuse(422, "unknown-source", "Unknown source", error.what());
    }
  }
}

std::string reason_in(const Fields& body) {
  return shortened(valid_utf8(trim(body.text_or("reason", ""))), 500);
}

}  // namespace

void list_tokens(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  expect_all_sources(exchange);
  boost::json::array tokens;
  for (const config::Token& each : exchange.snapshot->config->tokens) {
    TokenRecord token;
    token.name = each.name;
    token.role = each.role;
    token.scope = Scope(each.sources);
    token.creator = "the configuration";
    boost::json::object shown = to_json(token, room.options.clock());
    shown["created"] = nullptr;
    tokens.push_back(std::move(shown));
  }
  const Instant now = room.options.clock();
  for (const TokenRecord& token : store::Tokens(room.store).list())
    tokens.push_back(to_json(token, now));
  answer(exchange, boost::json::object{{"tokens", std::move(tokens)}});
}

void make_token(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  expect_all_sources(exchange);
  const boost::json::value given =
      body_of(exchange, {"name", "role", "sources", "expires", "reason"});
  const Fields body(given, "body");
  TokenRecord token;
  token.name = body.text("name");
  check_token_name(token.name);
  token.role = parse_role(body.text("role"));
  token.scope = Scope(body.texts("sources"));
  // Whoever counted on a list to be short does not mean all of them.
  if (body.find("sources") != nullptr && token.scope.is_all())
    refuse(422, "sources: there are none in the list; leave `sources` out for a token of all");
  token.created = room.options.clock();
  token.expires = expiry_of(body.text_or("expires", ""), token.created);
  token.creator = render(exchange.caller);
  expect_known(exchange, token.scope.sources());
  const auto& configured = exchange.snapshot->config->tokens;
  if (std::ranges::find(configured, token.name, &config::Token::name) != configured.end())
    refuse(409, concat("the configuration has a token \"", token.name, '"'));
  // From the first one on nobody comes in without a token, and so nobody could make another.
  if (!room.callers.any(*exchange.snapshot) && exchange.caller.name.empty() &&
      (token.role != Role::admin || !token.scope.is_all() || token.expires)) {
    refuse(409,
           "the first token must be an admin's, for all sources and without end: with it the time "
           "without tokens is over");
  }
  const std::string value = os::random_token();
  store::Tokens(room.store).add(token, std::string(os::sha256(value).hex()));
  record(room, exchange, "token new", terms_of(token), reason_in(body));
  boost::json::object made = to_json(token, token.created);
  made["token"] = value;
  answer(exchange, 201, made);
}

void revoke_token(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  expect_all_sources(exchange);
  const boost::json::value given = body_of(exchange, {"reason"});
  const std::string& name = exchange.names.front();
  const auto& configured = exchange.snapshot->config->tokens;
  if (std::ranges::find(configured, name, &config::Token::name) != configured.end())
    refuse(409, concat("token \"", name, "\" is the configuration's: remove it there"));
  const TokenRecord token = store::Tokens(room.store).revoke(name);
  record(room, exchange, "token revoke", concat("token ", name), reason_in(Fields(given, "body")));
  answer(exchange, 200, to_json(token, room.options.clock()));
}

void list_audit(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"who", "deed", "since", "after", "limit", "cursor"});
  expect_all_sources(exchange);
  room.attempts.write_down(room.store, room.options.clock(), Attempts::Due::all);
  const store::Ledger ledger(room.store);
  const auto limit =
      static_cast<std::size_t>(number_parameter(exchange, "limit", 50, 1, page_limit));
  std::vector<AuditEntry> found;
  bool more = false;
  if (find_parameter(exchange, "after")) {
    for (const char* other : {"who", "deed", "since", "cursor"})
      if (find_parameter(exchange, other))
        refuse(400, concat("parameter \"after\" gives all entries; leave out \"", other, '"'));
    found = ledger.after(
        number_parameter(exchange, "after", 0, 0, std::numeric_limits<std::int64_t>::max()), limit);
  } else {
    store::LedgerFilter filter;
    filter.who = find_parameter(exchange, "who").value_or("");
    filter.deed = find_parameter(exchange, "deed").value_or("");
    if (const auto since = find_parameter(exchange, "since"))
      filter.since = during("parameter \"since\"", [&] { return parse_time(*since); });
    if (const auto cursor = find_parameter(exchange, "cursor"))
      filter.before = place_behind(*cursor);
    filter.limit = limit + 1;  // one more says whether there is a next page
    found = ledger.list(filter);
    more = found.size() > limit;
    if (more) found.pop_back();
  }
  boost::json::array entries;
  for (const AuditEntry& entry : found) entries.push_back(to_json(entry));
  boost::json::object page{
      {"entries", std::move(entries)}, {"next", nullptr}, {"last_given", ledger.last_given()}};
  if (more) page["next"] = std::to_string(found.back().number);
  answer(exchange, page);
}

void verify_audit(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  expect_all_sources(exchange);
  const std::unique_lock alone(room.verifying, std::try_to_lock);
  if (!alone)
    refuse(409, "the audit trail is being verified for somebody else: wait until that is done");
  const store::Ledger ledger(room.store);
  audit::Check check;
  // Asked before the entries are read: those that come meanwhile are more, and not too many.
  const std::int64_t last = ledger.last_given();
  audit::walk([&](std::int64_t after) { return ledger.after(after, page_limit); },
              [&](const AuditEntry& entry) { check.see(entry); });
  check.end_at(last);
  answer(exchange, boost::json::object{{"entries", check.entries()},
                                       {"head", concat(check.head_number(), ':', check.head())},
                                       {"faults", json_array(check.faults())},
                                       {"fault_count", check.fault_count()}});
}

}  // namespace lighterman::api
