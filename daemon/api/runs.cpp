#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <limits>

#include "api/exchange.hpp"
#include "api/followers.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "api/wish.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::api {
namespace {

constexpr std::int64_t page_limit = 200;

/// Who asks, for people to read.
std::string caller_of(const Exchange& exchange) {
  return exchange.caller.name.empty() ? "over the API" : concat("by ", render(exchange.caller));
}

void answer_accepted(Exchange& exchange, const Run& run) {
  exchange.reply.set_header("Location", url_of(exchange, run.id));
  answer(exchange, 202, json_of(exchange, run));
}

std::string name_of(RunId run) { return concat("run ", run); }

/// Answers with events that the followers go on sending.
void follow(Room& room, Exchange& exchange, RunId run, std::int64_t after) {
  exchange.reply.status = 200;
  exchange.reply.set_header("Cache-Control", "no-store");
  exchange.reply.set_header("X-Accel-Buffering", "no");  // nginx would gather the events
  // The body goes on until the connection ends; nothing of it is sent by httplib.
  exchange.reply.set_content_provider("text/event-stream",
                                      [](std::size_t, httplib::DataSink& sink) {
                                        sink.done();
                                        return true;
                                      });
  if (exchange.request.method == "HEAD") return;
  // Shared by the copies that std::function makes; they are one follower. The client may be gone
  // before there is one, and the place must not be lost with it.
  auto place = std::make_shared<Followers::Place>(room.followers.enter());
  if (!*place) {
    Problem problem = problem_of(503, "too many live logs are open");
    problem.headers["Retry-After"] = "30";
    throw Refused(std::move(problem));
  }
  Permit permit{exchange.caller.scope, [] { return true; }};
  if (!exchange.caller.sha256.empty()) {
    permit.holds = [&callers = room.callers, token = exchange.caller.sha256] {
      return callers.still(token);
    };
  }
  exchange.follow = [&followers = room.followers, place, run, after,
                     permit = std::move(permit)](std::unique_ptr<Connection> connection) {
    followers.add(std::move(*place), std::move(connection), run, after, permit);
  };
}

}  // namespace

void start_run(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  const boost::json::value body =
      body_of(exchange, {"source", "ref", "commit", "images", "args", "reason", "no_cache"});
  PushEvent event = wish_from(body, *exchange.snapshot->config, exchange.caller.scope);
  event.author = exchange.caller.name;
  event.received = room.options.clock();
  const std::string key(exchange.head.find("idempotency-key"));
  event.delivery = delivery_of(exchange.caller.name, key);
  if (!key.empty()) refuse_other_source(room.store, *exchange.snapshot->config, event);

  // A commit that somebody asked for by name may be older than what is queued for its branch.
  const store::Store::Supersede supersede =
      event.commit.empty() ? supersede_of(exchange.snapshot->config->source(event.source))
                           : store::Store::Supersede::no;
  const store::Added added = room.store.add(event, supersede);
  const Run run = room.store.get(added.run);
  if (added.duplicate) {
    refuse_other_wish(run.event, event);
    exchange.reply.set_header("Idempotency-Replayed", "true");
  } else {
    record(room, exchange, "run", concat(name_of(run.id), " of ", event.source), event.reason);
  }
  answer_accepted(exchange, run);
}

void list_runs(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"source", "branch", "commit", "state", "limit", "cursor"});
  store::RunFilter filter;
  filter.source = find_parameter(exchange, "source").value_or("");
  filter.branch = find_parameter(exchange, "branch").value_or("");
  filter.commit = lower(find_parameter(exchange, "commit").value_or(""));
  if (const auto state = find_parameter(exchange, "state"))
    filter.state = during("parameter \"state\"", [&] { return parse_run_state(*state); });
  if (const auto cursor = find_parameter(exchange, "cursor")) filter.before = place_behind(*cursor);
  const auto limit =
      static_cast<std::size_t>(number_parameter(exchange, "limit", 50, 1, page_limit));
  std::vector<Run> found = list_in_scope(
      exchange, filter, limit, [&](const auto& wanted) { return room.store.list(wanted); },
      &Run::id);
  const bool more = found.size() > limit;
  if (more) found.resize(limit);
  boost::json::array runs;
  for (const Run& run : found) runs.push_back(json_of(exchange, run));
  boost::json::object page{{"runs", std::move(runs)}, {"next", nullptr}};
  if (more) page["next"] = std::to_string(found.back().id);
  answer(exchange, page);
}

void show_run(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  const Run run = get_run(room, exchange);
  boost::json::object object = json_of(exchange, run);
  boost::json::array stages;
  for (const Stage& stage : room.store.stages(run.id)) stages.push_back(to_json(stage));
  object["stages"] = std::move(stages);
  boost::json::array actions;
  for (const ActionRecord& action : room.store.actions(run.id)) actions.push_back(to_json(action));
  object["actions"] = std::move(actions);
  answer(exchange, object);
}

void cancel_run(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  const RunId run = get_run(room, exchange).id;
  const boost::json::value body = body_of(exchange, {"reason"});
  const std::string reason = one_line(Fields(body, "body").text_or("reason", ""));
  std::string why = concat("cancelled ", caller_of(exchange));
  if (!reason.empty()) why += concat(": ", reason);
  if (!room.store.request_cancel(run, why)) {
    refuse(409,
           concat("run ", run, " has ended already (", render(room.store.get(run).state), ")"));
  }
  record(room, exchange, "cancel", name_of(run), reason);
  answer_accepted(exchange, room.store.get(run));
}

void allow_run(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  const RunId run = get_run(room, exchange).id;
  const boost::json::value body = body_of(exchange, {"reason"});
  const Allowance allowance{exchange.caller.name.empty() ? "the API" : exchange.caller.name,
                            one_line(Fields(body, "body").text_or("reason", "")),
                            room.options.clock()};
  if (trim(allowance.reason).empty())
    refuse(422, "a reason is needed: whoever looks at the image later wants to know it");
  room.store.allow(run, allowance);
  JournalLine line;
  line.when = allowance.when;
  line.stage = "gate";
  line.kind = "warn";
  line.text = concat("allowed ", caller_of(exchange), ": ", allowance.reason);
  room.store.append(run, {line});
  record(room, exchange, "allow", name_of(run), allowance.reason);
  answer_accepted(exchange, room.store.get(run));
}

void retry_run(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  const Run former = get_run(room, exchange);
  const RunId id = former.id;
  const boost::json::value body = body_of(exchange, {"reason"});
  const std::string reason = one_line(Fields(body, "body").text_or("reason", ""));
  if (!is_final(former.state)) {
    refuse(409, concat("run ", id, " is still ", render(former.state),
                       " (cancel it first, or wait for its end)"));
  }
  exchange.snapshot->config->source(former.event.source);  // it may be configured no more
  PushEvent event = former.event;
  event.origin = Origin::retry;
  event.reason = concat("retry of run ", id, " ", caller_of(exchange));
  if (!reason.empty()) event.reason += concat(": ", reason);
  event.received = room.options.clock();
  // The same again, also when its branch has moved on.
  if (!former.commit.empty()) event.commit = former.commit;
  const std::string key(exchange.head.find("idempotency-key"));
  event.delivery = key.empty() ? delivery_of("", "")
                               : delivery_of(concat(exchange.caller.name, "\nretry ", id), key);
  const store::Added added = room.store.add(event, store::Store::Supersede::no, id);
  if (added.duplicate) {
    exchange.reply.set_header("Idempotency-Replayed", "true");
  } else {
    record(room, exchange, "retry", concat(name_of(id), " as ", name_of(added.run)), reason);
  }
  answer_accepted(exchange, room.store.get(added.run));
}

void follow_run(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"after"});
  const Run run = get_run(room, exchange);
  std::int64_t after =
      number_parameter(exchange, "after", 0, 0, std::numeric_limits<std::int64_t>::max());
  if (const std::string_view last = exchange.head.find("last-event-id"); !last.empty()) {
    const auto [end, fault] = std::from_chars(last.data(), last.data() + last.size(), after);
    if (fault != std::errc() || end != last.data() + last.size() || after < 0)
      refuse(400, "Last-Event-ID is not a line's number");
  }
  follow(room, exchange, run.id, after);
}

void follow_runs(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  follow(room, exchange, 0, 0);
}

}  // namespace lighterman::api
