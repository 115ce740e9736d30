#include "api/exchange.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <limits>

#include "api/routes.hpp"
#include "api/server.hpp"
#include "api/sessions.hpp"
#include "audit/trail.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "store/store.hpp"

namespace lighterman::api {
namespace {

constexpr const char* json_type = "application/json";
constexpr std::uint64_t json_limit = 1 << 20;  ///< bytes of a request's JSON

/// RFC 9110, section 13.1.2: a weak comparison against a list.
bool names_etag(std::string_view list, std::string_view etag) {
  if (trim(list) == "*") return true;
  const auto bare = [](std::string_view tag) {
    tag = trim(tag);
    return tag.starts_with("W/") ? tag.substr(2) : tag;
  };
  return std::ranges::any_of(split(list, ','),
                             [&](const std::string& given) { return bare(given) == bare(etag); });
}

void refuse_unknown(std::string_view what, const std::string& given,
                    std::initializer_list<std::string_view> known) {
  if (std::ranges::find(known, given) != known.end()) return;
  const std::vector<std::string> names(known.begin(), known.end());
  refuse(400, concat("unknown ", what, " \"", shortened(valid_utf8(given), 80), "\"",
                     names.empty() ? concat(" (there are none)") : did_you_mean(given, names)));
}

}  // namespace

Caller get_caller(const Room& room, const Exchange& exchange, std::string_view token) {
  // Nobody guesses one that `token new` made: whoever has it may be a neighbour of who guesses.
  if (const auto made = room.callers.find_made(token)) return *made;
  const std::string network = network_of(exchange.address);
  const Instant now = room.options.clock();
  if (const auto wait = room.attempts.wait_of(network, now); wait > std::chrono::seconds(0)) {
    Problem problem = problem_of(429, "too many logins failed");
    problem.headers["Retry-After"] = std::to_string(wait.count());
    throw Refused(std::move(problem));
  }
  const std::optional<Caller> caller = room.callers.find(*exchange.snapshot, token);
  if (!caller) {
    room.attempts.add(network, token, now);
    Problem problem = problem_of(401, "the token is none of ours");
    problem.headers["WWW-Authenticate"] = R"(Bearer realm="lighterman", error="invalid_token")";
    throw Refused(std::move(problem));
  }
  return *caller;
}

bool answered_unchanged(Exchange& exchange, const std::string& etag) {
  exchange.reply.set_header("ETag", etag);
  const std::string_view known = exchange.head.find("if-none-match");
  if (known.empty() || !names_etag(known, etag)) return false;
  exchange.reply.status = 304;
  return true;
}

std::string etag_of(std::string_view body) {
  return concat("W/\"", os::sha256(body).hex().substr(0, 32), "\"");
}

void answer(Exchange& exchange, const boost::json::value& value) {
  const std::string body = boost::json::serialize(value);
  exchange.reply.set_header("Cache-Control", "no-cache");
  if (answered_unchanged(exchange, etag_of(body))) return;
  exchange.reply.status = 200;
  exchange.reply.set_content(body, json_type);
}

void answer(Exchange& exchange, int status, const boost::json::value& value) {
  exchange.reply.status = status;
  exchange.reply.set_header("Cache-Control", "no-store");
  exchange.reply.set_content(boost::json::serialize(value), json_type);
}

void answer(Exchange& exchange, const Problem& problem) {
  Problem told = problem;
  if (told.instance.empty()) told.instance = exchange.request.path;
  exchange.reply.status = told.status;
  exchange.reply.set_header("Cache-Control", "no-store");
  for (const auto& [name, value] : told.headers) exchange.reply.set_header(name, value);
  exchange.reply.set_content(render(told), problem_type);
}

boost::json::value body_of(Exchange& exchange, std::initializer_list<std::string_view> fields) {
  if (!exchange.head.has_body()) return boost::json::object{};
  const std::string_view type = exchange.head.find("content-type");
  // Also what keeps other sites' pages out: a browser asks us first before it sends this type.
  if (!equal_without_case(trim(type.substr(0, type.find(';'))), json_type)) {
    refuse(415, concat("the body is \"", shortened(valid_utf8(type), 80), "\" and not \"",
                       json_type, "\""));
  }
  const std::string body = exchange.connection.read_body(json_limit, std::chrono::seconds(10));
  boost::json::value value = parse_json(body, "body");
  if (!value.is_object()) refuse(400, "the body is not a JSON object");
  for (const auto& field : value.get_object())
    refuse_unknown("field", std::string(field.key()), fields);
  return value;
}

void expect_parameters(const Exchange& exchange, std::initializer_list<std::string_view> names) {
  for (const auto& parameter : exchange.request.params) {
    refuse_unknown("parameter", parameter.first, names);
    if (exchange.request.params.count(parameter.first) > 1)
      refuse(400, concat("parameter \"", parameter.first, "\" is given twice"));
  }
}

std::optional<std::string> find_parameter(const Exchange& exchange, const std::string& name) {
  const auto found = exchange.request.params.find(name);
  if (found == exchange.request.params.end()) return {};
  return found->second;
}

std::int64_t number_parameter(const Exchange& exchange, const std::string& name,
                              std::int64_t fallback, std::int64_t least, std::int64_t most) {
  const std::optional<std::string> given = find_parameter(exchange, name);
  if (!given) return fallback;
  std::int64_t number = 0;
  const char* end = given->data() + given->size();
  const auto [stopped, fault] = std::from_chars(given->data(), end, number);
  if (given->empty() || fault != std::errc() || stopped != end || number < least || number > most) {
    const std::string bounds = most == std::numeric_limits<std::int64_t>::max()
                                   ? concat(" of at least ", least)
                                   : concat(" from ", least, " to ", most);
    refuse(400, concat("parameter \"", name, "\": \"", shortened(valid_utf8(*given), 80),
                       "\" is not a whole number", bounds));
  }
  return number;
}

RunId run_of(const Exchange& exchange) {
  const std::string& text = exchange.names.front();
  RunId run = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), run);
  if (text.empty() || fault != std::errc() || end != text.data() + text.size() || run <= 0) {
    refuse(404, concat("\"", shortened(valid_utf8(text), 80),
                       "\" is not a run's number (GET /api/v1/runs lists them)"));
  }
  return run;
}

Run get_run(const Room& room, const Exchange& exchange) {
  Run run = room.store.get(run_of(exchange));
  if (!exchange.caller.scope.covers(run.event.source))
    refuse(404, concat("run ", run.id, " does not exist"));
  return run;
}

bool is_seen(const Room& room, const Exchange& exchange, RunId run) {
  const Scope& scope = exchange.caller.scope;
  if (scope.is_all()) return true;
  if (run == 0) return false;
  try {
    return scope.covers(room.store.get(run).event.source);
  } catch (const Error&) {
    // The run is gone, and nothing says any more whose it was.
    return false;
  }
}

void expect_all_sources(const Exchange& exchange) {
  if (exchange.caller.scope.is_all()) return;
  refuse(403, concat(render(exchange.caller), " is for the sources ",
                     join(exchange.caller.scope.sources(), ", "), ", and this concerns all"));
}

void record(Room& room, const Exchange& exchange, const std::string& deed,
            const std::string& subject, const std::string& why) {
  audit::Trail(room.store)
      .add({.who = render(exchange.caller),
            .deed = deed,
            .subject = subject,
            .why = why,
            .address = exchange.address});
}

std::string url_of(const Exchange& exchange, RunId run) {
  return concat(exchange.public_url, "/api/v1/runs/", run);
}

boost::json::object json_of(const Exchange& exchange, const Run& run) {
  boost::json::object object = to_json(run).as_object();
  object["url"] = url_of(exchange, run.id);
  return object;
}

std::int64_t place_behind(const std::string& cursor) {
  std::int64_t place = 0;
  const char* end = cursor.data() + cursor.size();
  const auto [stopped, fault] = std::from_chars(cursor.data(), end, place);
  if (fault != std::errc() || stopped != end || place <= 0) {
    refuse(400, concat("parameter \"cursor\": \"", shortened(valid_utf8(cursor), 80),
                       "\" is not the \"next\" of an earlier page"));
  }
  return place;
}

}  // namespace lighterman::api
