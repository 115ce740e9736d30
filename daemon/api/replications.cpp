#include <boost/json.hpp>
#include <limits>

#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "api/server.hpp"
#include "api/wish.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "store/store.hpp"

namespace lighterman::api {
namespace {

constexpr std::int64_t page_limit = 200;

/// Pages that one request looks at; the next goes on. So a long list takes no thread for long.
constexpr int most_looks = 20;

Replication get_replication(const Room& room, const Exchange& exchange) {
  Replication found = room.store.get_replication(run_of(exchange));
  if (!is_seen(room, exchange, found))
    refuse(404, concat("replication ", found.id, " does not exist"));
  return found;
}

Reference reference_in(const Fields& body, const std::string& name) {
  return during(concat("body.", name), [&] { return Reference::parse(body.text(name)); });
}

}  // namespace

bool is_seen(const Room& room, const Exchange& exchange, const Replication& replication) {
  return is_seen(room, exchange, replication.run);
}

void list_replications(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"run", "rule", "state", "limit", "cursor"});
  store::ReplicationFilter filter;
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  if (find_parameter(exchange, "run")) filter.run = number_parameter(exchange, "run", 0, 1, most);
  filter.rule = find_parameter(exchange, "rule").value_or("");
  if (const auto state = find_parameter(exchange, "state"))
    filter.state = parse_replication_state(*state);
  if (const auto cursor = find_parameter(exchange, "cursor")) filter.before = place_behind(*cursor);
  const auto limit =
      static_cast<std::size_t>(number_parameter(exchange, "limit", 50, 1, page_limit));
  filter.limit = limit + 1;  // one more says whether there is a next page
  boost::json::array list;
  std::optional<std::int64_t> next;
  for (int look = 0; look < most_looks && !next; ++look) {
    const std::vector<Replication> found = room.store.replications(filter);
    for (const Replication& each : found) {
      if (list.size() == limit) {
        next = filter.before;
        break;
      }
      filter.before = each.id;
      if (is_seen(room, exchange, each)) list.push_back(to_json(each));
    }
    if (found.size() <= limit) break;
    if (look + 1 == most_looks) next = filter.before;
  }
  boost::json::object page{{"replications", std::move(list)}, {"next", nullptr}};
  if (next) page["next"] = std::to_string(*next);
  answer(exchange, page);
}

void show_replication(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  answer(exchange, to_json(get_replication(room, exchange)));
}

void start_replication(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  expect_all_sources(exchange);
  const boost::json::value given = body_of(exchange, {"rule", "dry_run", "source", "target", "tags",
                                                      "platforms", "referrers", "reason"});
  const Fields body(given, "body");
  const std::string reason = one_line(body.text_or("reason", ""));
  ReplicateWish wish;
  wish.rule = body.text_or("rule", "");
  wish.dry_run = body.flag_or("dry_run", false);
  wish.who = exchange.caller.name.empty() ? "the API" : exchange.caller.name;
  if (wish.rule.empty()) {
    wish.source = reference_in(body, "source");
    wish.target = reference_in(body, "target");
    wish.tags = body.texts("tags");
    wish.terms.platforms = body.texts("platforms");
    wish.terms.referrers = body.flag_or("referrers", true);
  } else if (body.find("source") != nullptr || body.find("target") != nullptr) {
    refuse(400, "a rule knows what goes where: give `rule`, or `source` and `target`");
  }
  // First, so that nothing happens of which there is no word.
  if (!wish.dry_run && wish.rule.empty()) {
    record(room, exchange, wish.tags.empty() ? "replicate" : "promote", wish.source->text(),
           concat("to ", *wish.target, wish.tags.empty() ? "" : " as ", join(wish.tags, ", "),
                  reason.empty() ? "" : ": ", reason));
  } else if (!wish.dry_run) {
    record(room, exchange, "replicate", concat("rule ", wish.rule), reason);
  }
  const boost::json::value outcome = room.deeds.replicate(wish);
  answer(exchange, wish.dry_run ? 200 : 202, outcome);
}

void cancel_replication(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  body_of(exchange, {});
  const std::int64_t id = get_replication(room, exchange).id;
  const std::string who =
      exchange.caller.name.empty() ? "by the API" : concat("by ", exchange.caller.name);
  if (!room.store.cancel_replication(id, concat("cancelled ", who)))
    refuse(409, concat("replication ", id, " has ended already (",
                       render(room.store.get_replication(id).state), ")"));
  record(room, exchange, "cancel", concat("replication ", id), "");
  answer(exchange, 202, to_json(room.store.get_replication(id)));
}

void apply_retention(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  expect_all_sources(exchange);
  const boost::json::value given = body_of(exchange, {"rule", "apply"});
  const Fields body(given, "body");
  const std::string rule = body.text("rule");
  const bool apply = body.flag_or("apply", false);
  // First, so that nothing is deleted of which there is no word.
  if (apply) record(room, exchange, "retain", concat("rule ", rule), "");
  boost::json::value repositories = room.deeds.retain(rule, apply);
  answer(exchange, 200, boost::json::object{{"repositories", std::move(repositories)}});
}

}  // namespace lighterman::api
