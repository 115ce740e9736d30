#include "core/push_event.hpp"

#include <algorithm>

#include "core/choices.hpp"
#include "core/json.hpp"

namespace lighterman {
namespace {

constexpr std::string_view branch_prefix = "refs/heads/";
constexpr std::string_view tag_prefix = "refs/tags/";

constexpr Choice<Origin> origins[] = {{Origin::webhook, "webhook"},   {Origin::api, "api"},
                                      {Origin::schedule, "schedule"}, {Origin::poll, "poll"},
                                      {Origin::catch_up, "catch_up"}, {Origin::retry, "retry"}};

/// An object id goes into paths and requests further on, so it must be nothing else.
std::string object_id_in(const Fields& fields, std::string_view name) {
  std::string id = fields.text_or(name, "");
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (!id.empty() &&
      ((id.size() != 40 && id.size() != 64) || !std::all_of(id.begin(), id.end(), is_hex)))
    fields.refuse(name, concat("\"", shortened(id, 80),
                               "\" is not a commit (expected 40 or 64 lower-case hex digits)"));
  return id;
}

}  // namespace

std::string_view render(Origin origin) noexcept { return name_of(origins, origin); }
Origin parse_origin(std::string_view given) { return choice_of(origins, given, "origin"); }

std::optional<std::string> PushEvent::branch() const {
  if (!ref.starts_with(branch_prefix)) return {};
  return ref.substr(branch_prefix.size());
}

std::optional<std::string> PushEvent::tag() const {
  if (!ref.starts_with(tag_prefix)) return {};
  return ref.substr(tag_prefix.size());
}

boost::json::value to_json(const PushEvent& event) {
  boost::json::object object{{"source", event.source},
                             {"origin", std::string(render(event.origin))},
                             {"delivery", event.delivery},
                             {"ref", event.ref},
                             {"commit", event.commit},
                             {"before", event.before},
                             {"forge", event.forge},
                             {"author", event.author},
                             {"message", event.message},
                             {"reason", event.reason},
                             {"images", json_array(event.images)},
                             {"args", json_object(event.args)},
                             {"no_cache", event.no_cache},
                             {"pull", event.pull},
                             {"received", render_time(event.received)}};
  object["changed_paths"] = event.changed_paths
                                ? boost::json::value(json_array(*event.changed_paths))
                                : boost::json::value(nullptr);
  return object;
}

PushEvent push_event_from(const boost::json::value& given) {
  const Fields fields(given, "push event");
  PushEvent event;
  event.source = fields.text("source");
  if (event.source.empty()) fields.refuse("source", "it must not be empty");
  event.origin = during(fields.path("origin"), [&] { return parse_origin(fields.text("origin")); });
  event.delivery = fields.text_or("delivery", "");
  event.ref = fields.text_or("ref", "");
  event.commit = object_id_in(fields, "commit");
  event.before = object_id_in(fields, "before");
  event.forge = fields.text_or("forge", "");
  event.author = fields.text_or("author", "");
  event.message = fields.text_or("message", "");
  event.reason = fields.text_or("reason", "");
  if (fields.find("changed_paths") != nullptr) event.changed_paths = fields.texts("changed_paths");
  event.images = fields.texts("images");
  event.args = fields.text_map("args");
  event.no_cache = fields.flag_or("no_cache", false);
  event.pull = fields.flag_or("pull", false);
  event.received = fields.time_or("received", Instant{});
  return event;
}

}  // namespace lighterman
