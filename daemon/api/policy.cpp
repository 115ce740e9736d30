#include <boost/json.hpp>
#include <semaphore>

#include "api/exchange.hpp"
#include "api/routes.hpp"
#include "api/server.hpp"
#include "api/wish.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "store/store.hpp"

namespace lighterman::api {
namespace {

constexpr std::int64_t page_limit = 100;

/// Planning fetches from git; those who plan must not take every thread from the webhooks.
class Turn {
 public:
  explicit Turn(std::counting_semaphore<>& places) : places_(places) {
    if (!places_.try_acquire()) refuse(503, "others are planning; ask again in a moment");
  }
  ~Turn() { places_.release(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::counting_semaphore<>& places_;
};

}  // namespace

void plan_push(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  const boost::json::value body = body_of(exchange, {"source", "ref", "commit", "images", "args"});
  PushEvent event = wish_from(body, *exchange.snapshot->config, exchange.caller.scope);
  event.author = exchange.caller.name;
  event.received = room.options.clock();
  const Turn turn(room.planner.places);
  answer(exchange, 200, room.planner.plan(event));
}

void list_questions(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"source", "image", "hook", "limit", "cursor"});
  store::HookFilter filter;
  filter.source = find_parameter(exchange, "source").value_or("");
  filter.image = find_parameter(exchange, "image").value_or("");
  filter.hook = find_parameter(exchange, "hook").value_or("");
  if (const auto cursor = find_parameter(exchange, "cursor")) filter.before = place_behind(*cursor);
  const auto limit =
      static_cast<std::size_t>(number_parameter(exchange, "limit", 20, 1, page_limit));
  std::vector<HookRecord> found = list_in_scope(
      exchange, filter, limit, [&](const auto& wanted) { return room.store.hooks(wanted); },
      &HookRecord::id);
  const bool more = found.size() > limit;
  if (more) found.resize(limit);
  boost::json::array questions;
  for (const HookRecord& record : found) questions.push_back(to_json(record));
  boost::json::object page{{"questions", std::move(questions)}, {"next", nullptr}};
  if (more) page["next"] = std::to_string(found.back().id);
  answer(exchange, page);
}

}  // namespace lighterman::api
