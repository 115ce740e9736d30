#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "api/server.hpp"
#include "api/wish.hpp"
#include "audit/trail.hpp"
#include "core/text.hpp"
#include "intake/signature.hpp"
#include "metrics/meters.hpp"

namespace lighterman::api {
namespace {

const Snapshot::Door& door_of(const Exchange& exchange) {
  const std::string& name = exchange.names.at(0);
  const auto found = exchange.snapshot->doors.find(name);
  // Anybody may ask here, so nobody is told which names are near.
  if (found == exchange.snapshot->doors.end())
    refuse(404, concat("there is no source \"", shortened(valid_utf8(name), 80), '"'));
  const Snapshot::Door& door = found->second;
  if (!door.fault.empty()) {
    refuse(503, concat("the webhook secret of source \"", name, "\" cannot be read; the daemon's ",
                       "log says why"));
  }
  if (door.secret.empty()) {
    refuse(401, concat("source \"", name, "\" has no webhook secret, so no webhook is believed; ",
                       "set sources.", name, ".secret"));
  }
  return door;
}

/// Why no run of this source concerns the ref; empty: one may.
std::string why_not(const PushEvent& event, const config::Source& source) {
  const auto branch = event.branch();
  const std::string name = branch ? *branch : event.tag().value_or("");
  const std::vector<std::string>& globs = branch ? source.branches : source.git_tags;
  const bool wanted =
      std::ranges::any_of(globs, [&](const std::string& glob) { return matches_glob(glob, name); });
  if (wanted) return {};
  return concat(branch ? "branch \"" : "tag \"", name, "\" is not among the source's ",
                branch ? "branches" : "git_tags");
}

void note_push(Room& room, const Exchange& exchange, const PushEvent& event, RunId run) {
  // The run itself is on disk, with all this, before the forge is answered.
  audit::Trail(room.store)
      .note({.who = concat("webhook \"", event.source, '"'),
             .deed = "run",
             .subject = concat("run ", run, " of ", event.source),
             .why = concat(event.ref, " is ", event.commit, event.author.empty() ? "" : ", by ",
                           event.author),
             .address = exchange.address});
}

/// Returns what came of it, as metrics call it.
std::string_view answer_delivery(Room& room, Exchange& exchange, const Snapshot::Door& door,
                                 const intake::Delivery& delivery) {
  const intake::HookOptions options{door.source->name, door.source->forge, door.secret};
  Reading reading = intake::read_hook(delivery, options, room.options.clock());
  if (const auto* rejected = std::get_if<Rejected>(&reading)) refuse(401, rejected->why);
  if (const auto* ignored = std::get_if<Ignored>(&reading)) {
    answer(exchange, 200, boost::json::object{{"ignored", ignored->why}});
    return "ignored";
  }

  std::string ignored;
  std::optional<RunId> first;
  boost::json::array runs;
  bool duplicate = true;
  for (const PushEvent& event : std::get<std::vector<PushEvent>>(reading)) {
    if (const std::string why = why_not(event, *door.source); !why.empty()) {
      ignored = why;
      continue;
    }
    const store::Added added = room.store.add(event, supersede_of(*door.source));
    if (!added.duplicate) note_push(room, exchange, event, added.run);
    if (!first) first = added.run;
    duplicate = duplicate && added.duplicate;
    runs.emplace_back(added.run);
  }
  if (!first) {
    answer(exchange, 200, boost::json::object{{"ignored", ignored}});
    return "ignored";
  }
  const std::string url = url_of(exchange, *first);
  exchange.reply.set_header("Location", url);
  answer(exchange, 202,
         boost::json::object{
             {"run", *first}, {"url", url}, {"duplicate", duplicate}, {"runs", std::move(runs)}});
  return duplicate ? "duplicate" : "accepted";
}

}  // namespace

void receive_hook(Room& room, Exchange& exchange) {
  const Snapshot::Door& door = door_of(exchange);
  const std::string body =
      exchange.connection.read_body(room.options.body_limit, room.options.request_limit);
  const intake::Delivery delivery{
      [&](std::string_view name) { return std::string(exchange.head.find(lower(name))); }, body};
  const std::string_view forge = render(intake::forge_of(delivery, door.source->forge));
  try {
    metrics::hook_answered(forge, answer_delivery(room, exchange, door, delivery));
  } catch (const Refused&) {
    metrics::hook_answered(forge, "rejected");
    throw;
  } catch (const Error&) {
    metrics::hook_answered(forge, "broken");
    throw;
  }
}

}  // namespace lighterman::api
