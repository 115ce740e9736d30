#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "api/description.hpp"
#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "api/server.hpp"
#include "core/text.hpp"

namespace lighterman::api {
namespace {

/// People do write passwords into clone URLs, and forges take tokens for the user as well; over ssh
/// the user is part of the way.
std::string without_password(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const std::size_t begin = scheme + 3;
  const std::size_t at = url.substr(0, url.find('/', begin)).rfind('@');
  if (at == std::string::npos || at < begin) return url;
  if (url.starts_with("http")) return concat(url.substr(0, begin), url.substr(at + 1));
  const std::size_t colon = url.find(':', begin);
  if (colon == std::string::npos || colon > at) return url;
  return concat(url.substr(0, colon), url.substr(at));
}

}  // namespace

void list_sources(Room&, Exchange& exchange) {
  expect_parameters(exchange, {});
  boost::json::array sources;
  for (const auto& [name, source] : exchange.snapshot->config->sources) {
    if (!exchange.caller.scope.covers(name)) continue;
    boost::json::array images;
    for (const auto& image : source.images) images.emplace_back(image.first);
    sources.push_back(boost::json::object{
        {"name", name}, {"url", without_password(source.url)}, {"images", std::move(images)}});
  }
  answer(exchange, boost::json::object{{"sources", std::move(sources)}});
}

void tell_health(Room&, Exchange& exchange) {
  answer(exchange, 200, boost::json::object{{"status", "ok"}});
}

void tell_readiness(Room& room, Exchange& exchange) {
  const Readiness readiness = room.readiness();
  if (!readiness.ready) refuse(503, concat("not ready: ", readiness.why));
  answer(exchange, 200, boost::json::object{{"status", "ready"}});
}

void tell_version(Room&, Exchange& exchange) {
  answer(exchange, boost::json::object{{"name", "lighterman"}, {"version", LIGHTERMAN_VERSION}});
}

void tell_description(Room&, Exchange& exchange) {
  static const std::string etag = etag_of(description());
  exchange.reply.set_header("Cache-Control", "no-cache");
  if (answered_unchanged(exchange, etag)) return;
  exchange.reply.status = 200;
  exchange.reply.set_content(description().data(), description().size(), "application/json");
}

}  // namespace lighterman::api
