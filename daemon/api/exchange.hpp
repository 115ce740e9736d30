#pragma once

#include <httplib.h>

#include <algorithm>
#include <boost/json/value.hpp>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/callers.hpp"
#include "api/connection.hpp"
#include "api/problem.hpp"
#include "api/snapshot.hpp"
#include "core/replication.hpp"
#include "core/run.hpp"

namespace lighterman::api {

struct Room;

/// One request and the response to it.
struct Exchange {
  const httplib::Request& request;
  httplib::Response& reply;
  Connection& connection;
  const Head& head;
  std::shared_ptr<const Snapshot> snapshot;  ///< shared with the other requests under it
  std::string public_url;
  std::vector<std::string> names;  ///< what stands for the path's {...}
  Caller caller;                   ///< who asks, where somebody had to
  std::string address;   ///< the client's: the peer's, or what a trusted proxy says; empty: unknown
  bool proxied = false;  ///< the peer is a trusted proxy
  /// Set by a handler that goes on sending after the head: gets the connection, which then closes.
  std::function<void(std::unique_ptr<Connection>)> follow;
  std::string session;  ///< the id of the browser's login; empty: not by one
};

inline constexpr std::string_view session_cookie = "lighterman";

/// A body that changes rarely or not at all while it is looked at: with an ETag, and 304 for those
/// who have it already.
void answer(Exchange& exchange, const boost::json::value& value);
void answer(Exchange& exchange, int status, const boost::json::value& value);
void answer(Exchange& exchange, const Problem& problem);
/// True (and answered 304) when the client has this already.
bool answered_unchanged(Exchange& exchange, const std::string& etag);
std::string etag_of(std::string_view body);  ///< by its content

/// The request's JSON object; an empty body is an empty object. Refuses other media types, unknown
/// fields (did you mean ...?), and what is not an object.
boost::json::value body_of(Exchange& exchange, std::initializer_list<std::string_view> fields);
/// Refuses query parameters that are not among these.
void expect_parameters(const Exchange& exchange, std::initializer_list<std::string_view> names);
std::optional<std::string> find_parameter(const Exchange& exchange, const std::string& name);
/// A whole number within bounds; refuses others with the bounds.
std::int64_t number_parameter(const Exchange& exchange, const std::string& name,
                              std::int64_t fallback, std::int64_t least, std::int64_t most);
/// The id below which a cursor's page lies; clients need not know that. Refuses what is no cursor.
std::int64_t place_behind(const std::string& cursor);
RunId run_of(const Exchange& exchange);  ///< of "/runs/{id}"; refuses what is no number
/// That run, where it is one of the caller's sources; to others it does not exist.
Run get_run(const Room& room, const Exchange& exchange);
/// Whether the run is one of the caller's sources; one that is gone is seen by those of all alone.
bool is_seen(const Room& room, const Exchange& exchange, RunId run);
/// A replication is seen by those who see the run that published its image.
bool is_seen(const Room& room, const Exchange& exchange, const Replication& replication);
/// Refuses (403) whoever is for some sources only: this concerns all.
void expect_all_sources(const Exchange& exchange);
/// Whose the token is. Refuses what is none of ours (401), and an address that showed too many
/// wrong ones (429).
Caller get_caller(const Room& room, const Exchange& exchange, std::string_view token);
/// In the audit trail: the caller did this.
void record(Room& room, const Exchange& exchange, const std::string& deed,
            const std::string& subject, const std::string& why);
/// A page of `filter`, over the caller's sources; `list(filter)` gives the newest first, and
/// `id_of(item)` its place. There is one more than `limit` where there is a next page.
template <class Filter, class List, class IdOf>
auto list_in_scope(const Exchange& exchange, Filter filter, std::size_t limit, const List& list,
                   const IdOf& id_of) {
  filter.limit = limit + 1;
  const Scope& scope = exchange.caller.scope;
  decltype(list(filter)) found;
  if (scope.is_all()) {
    found = list(filter);
  } else if (!filter.source.empty()) {
    if (scope.covers(filter.source)) found = list(filter);
  } else {
    // Each source has its index; merging a page of each is cheaper than a look at every run.
    for (const std::string& source : scope.sources()) {
      filter.source = source;
      auto some = list(filter);
      std::move(some.begin(), some.end(), std::back_inserter(found));
    }
    std::ranges::sort(found, std::greater<>(), id_of);
    if (found.size() > filter.limit)
      found.erase(found.begin() + static_cast<std::ptrdiff_t>(filter.limit), found.end());
  }
  return found;
}

std::string url_of(const Exchange& exchange, RunId run);
boost::json::object json_of(const Exchange& exchange, const Run& run);  ///< with its url

}  // namespace lighterman::api
