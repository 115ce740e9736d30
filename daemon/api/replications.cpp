#include <boost/json.hpp>
#include <limits>

#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "api/server.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "store/store.hpp"

namespace lighterman::api {
namespace {

constexpr std::int64_t page_limit = 200;

std::int64_t id_of(const Exchange& exchange) { return run_of(exchange); }

Reference reference_in(const Fields& body, const std::string& name) {
  return during(concat("body.", name), [&] { return Reference::parse(body.text(name)); });
}

}  // namespace

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
  std::vector<Replication> found = room.store.replications(filter);
  const bool more = found.size() > limit;
  if (more) found.pop_back();
  boost::json::array list;
  for (const Replication& each : found) list.push_back(to_json(each));
  boost::json::object page{{"replications", std::move(list)}, {"next", nullptr}};
  if (more) page["next"] = std::to_string(found.back().id);
  answer(exchange, page);
}

void show_replication(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  answer(exchange, to_json(room.store.get_replication(id_of(exchange))));
}

void start_replication(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  const boost::json::value given =
      body_of(exchange, {"rule", "dry_run", "source", "target", "tags", "platforms", "referrers"});
  const Fields body(given, "body");
  ReplicateWish wish;
  wish.rule = body.text_or("rule", "");
  wish.dry_run = body.flag_or("dry_run", false);
  wish.who = exchange.caller.empty() ? "the API" : exchange.caller;
  if (wish.rule.empty()) {
    wish.source = reference_in(body, "source");
    wish.target = reference_in(body, "target");
    wish.tags = body.texts("tags");
    wish.terms.platforms = body.texts("platforms");
    wish.terms.referrers = body.flag_or("referrers", true);
  } else if (body.find("source") != nullptr || body.find("target") != nullptr) {
    refuse(400, "a rule knows what goes where: give `rule`, or `source` and `target`");
  }
  answer(exchange, wish.dry_run ? 200 : 202, room.deeds.replicate(wish));
}

void cancel_replication(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  body_of(exchange, {});
  const std::int64_t id = id_of(exchange);
  const std::string who = exchange.caller.empty() ? "by the API" : concat("by ", exchange.caller);
  if (!room.store.cancel_replication(id, concat("cancelled ", who)))
    refuse(409, concat("replication ", id, " has ended already (",
                       render(room.store.get_replication(id).state), ")"));
  answer(exchange, 202, to_json(room.store.get_replication(id)));
}

void apply_retention(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  const boost::json::value given = body_of(exchange, {"rule", "apply"});
  const Fields body(given, "body");
  answer(exchange, 200,
         boost::json::object{
             {"repositories", room.deeds.retain(body.text("rule"), body.flag_or("apply", false))}});
}

}  // namespace lighterman::api
