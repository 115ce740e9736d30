#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "api/server.hpp"
#include "core/text.hpp"
#include "store/store.hpp"

namespace lighterman::api {
namespace {

constexpr std::int64_t page_limit = 200;

/// "2026-11-23" (its end, UTC) or RFC 3339.
Instant moment_of(const std::string& name, const std::string& given) {
  return during(concat("parameter \"", name, '"'), [&] {
    return given.size() == 10
               ? parse_time(given + "T00:00:00Z") + std::chrono::hours(24) - Instant::duration(1)
               : parse_time(given);
  });
}

bool flag_of(const std::string& name, const std::string& given) {
  if (given != "true" && given != "false")
    refuse(400, concat("parameter \"", name, "\" must be true or false"));
  return given == "true";
}

}  // namespace

void list_images(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"source", "image", "clean", "clean_on", "gone", "limit", "cursor"});
  store::PublicationFilter filter;
  filter.source = find_parameter(exchange, "source").value_or("");
  filter.image = find_parameter(exchange, "image").value_or("");
  if (const auto clean = find_parameter(exchange, "clean")) filter.clean = flag_of("clean", *clean);
  if (const auto moment = find_parameter(exchange, "clean_on"))
    filter.clean_at = moment_of("clean_on", *moment);
  if (const auto gone = find_parameter(exchange, "gone")) filter.gone = flag_of("gone", *gone);
  if (const auto cursor = find_parameter(exchange, "cursor")) filter.before = place_behind(*cursor);
  const auto limit =
      static_cast<std::size_t>(number_parameter(exchange, "limit", 50, 1, page_limit));
  std::vector<store::ScannedPublication> found = list_in_scope(
      exchange, filter, limit, [&](const auto& wanted) { return room.store.publications(wanted); },
      [](const store::ScannedPublication& each) { return each.publication.id; });
  const bool more = found.size() > limit;
  if (more) found.pop_back();
  boost::json::array images;
  for (const store::ScannedPublication& each : found) {
    boost::json::object image = to_json(each.publication);
    image["url"] = url_of(exchange, each.publication.run);
    image["scan"] = each.last ? boost::json::value(to_json(*each.last)) : nullptr;
    images.push_back(std::move(image));
  }
  boost::json::object page{{"images", std::move(images)}, {"next", nullptr}};
  if (more) page["next"] = std::to_string(found.back().publication.id);
  answer(exchange, page);
}

void start_rescan(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {});
  expect_all_sources(exchange);
  body_of(exchange, {});
  if (!exchange.snapshot->config->scan) refuse(409, "the configuration has no scanner (scan: {})");
  room.deeds.rescan();
  record(room, exchange, "rescan", "what is published", "");
  answer(exchange, 202, boost::json::object{{"status", "begun"}});
}

}  // namespace lighterman::api
