#include "api/door.hpp"

#include <algorithm>

#include "api/server.hpp"
#include "api/sessions.hpp"
#include "core/text.hpp"
#include "metrics/meters.hpp"
#include "net/network.hpp"
#include "net/url.hpp"

namespace lighterman::api {
namespace {

/// The request that this thread serves: httplib's callbacks have no other way to it.
struct Served {
  Connection* connection = nullptr;
  const Head* head = nullptr;
  bool reached = false;  ///< httplib found it well formed
  std::string_view route = "none";
  std::function<void(std::unique_ptr<Connection>)> follow;
};
thread_local Served* served = nullptr;

constexpr std::string_view bearer = "bearer ";

/// The host of "host:port", "[v6]:port", "host".
std::string_view host_of(std::string_view authority) noexcept {
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

bool names_loopback(std::string_view host) {
  if (equal_without_case(host, "localhost") || host == "[::1]") return true;
  return host.starts_with("127.") &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

/// What proxies add to the requests of others.
constexpr std::string_view proxy_headers[] = {
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "via", "x-real-ip"};
constexpr std::string_view make_a_token =
    "make a token first, on this machine: lighterman token new NAME --role admin --config FILE";

/// Without tokens whoever reaches us is believed, so we make sure that it is somebody on this
/// machine: nobody behind a proxy, and no page of another site in a browser here, neither by a
/// name that was pointed at us, nor by a form.
void refuse_strangers(const Exchange& exchange) {
  for (const std::string_view name : proxy_headers) {
    if (exchange.head.find(name).empty()) continue;
    refuse(403, concat("without tokens this is for this machine only, and the header \"", name,
                       "\" says that a proxy passed the request on: ", make_a_token));
  }
  const std::string& url = exchange.snapshot->config->public_url;
  if (!url.empty() && !net::Url::parse(url).is_loopback()) {
    refuse(403, concat("without tokens this is for this machine only, and public_url \"", url,
                       "\" says that others reach it: ", make_a_token));
  }
  const std::string_view host = host_of(exchange.head.find("host"));
  if (!names_loopback(host)) {
    refuse(403, concat("without tokens in the configuration this is for loopback only, and \"",
                       shortened(valid_utf8(host), 80), "\" is not its name"));
  }
  const std::string_view origin = exchange.head.find("origin");
  const std::size_t scheme = origin.find("://");
  const bool from_here =
      scheme != std::string_view::npos && names_loopback(host_of(origin.substr(scheme + 3)));
  if ((!origin.empty() && !from_here) || exchange.head.find("sec-fetch-site") == "cross-site")
    refuse(403, "without tokens in the configuration other sites' pages may not call this");
}

bool is_open(Access access, const config::Config& config) noexcept {
  return access == Access::open || (access == Access::metrics && config.metrics_open) ||
         (access == Access::badge && config.open_badges);
}

/// The value of a cookie (RFC 6265, section 4.2); empty: it was not sent.
std::string_view cookie_of(std::string_view given, std::string_view name) {
  while (!given.empty()) {
    const std::string_view pair = trim(given.substr(0, given.find(';')));
    given.remove_prefix(std::min(given.size(), given.find(';')));
    if (!given.empty()) given.remove_prefix(1);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name)
      return pair.substr(equals + 1);
  }
  return {};
}

/// A browser sends its cookie along with whatever a page makes it ask. The cookie is SameSite, and
/// what changes something has to come with a header that no other site's page can add.
void refuse_forgeries(const Exchange& exchange) {
  if (exchange.request.method == "GET" || exchange.request.method == "HEAD") return;
  const std::string_view site = exchange.head.find("sec-fetch-site");
  if (exchange.head.find("x-lighterman").empty() || (!site.empty() && site != "same-origin"))
    refuse(403, "a browser's login changes things only from the daemon's own page");
}

Role role_for(Access access) noexcept {
  return access == Access::admin     ? Role::admin
         : access == Access::operate ? Role::operate
         : access == Access::trigger ? Role::trigger
                                     : Role::viewer;
}

/// Where the request comes from. Proxies add the address they were called from at the end; what
/// the first one that we do not trust was told by its client, anybody could have written.
void find_address(Exchange& exchange) {
  int port = 0;
  exchange.connection.get_remote_ip_and_port(exchange.address, port);
  exchange.proxied = exchange.snapshot->trusts(exchange.address);
  if (!exchange.proxied) return;
  std::vector<std::string> hops;
  for (const RawHeader& header : exchange.head.headers) {
    if (!equal_without_case(header.name, "x-forwarded-for")) continue;
    for (const std::string& hop : split(header.value, ',')) hops.emplace_back(trim(hop));
  }
  while (!hops.empty() && net::is_address(hops.back())) {
    exchange.address = hops.back();
    if (!exchange.snapshot->trusts(exchange.address)) return;
    hops.pop_back();
  }
}

std::ptrdiff_t count_headers(const Head& head, std::string_view name) {
  return std::ranges::count_if(
      head.headers, [&](const RawHeader& each) { return equal_without_case(each.name, name); });
}

/// Whom a trusted proxy says is there; empty: nobody, or we are to believe no proxy.
std::optional<Caller> find_vouched(const Exchange& exchange) {
  const auto& identity = exchange.snapshot->config->identity;
  if (!identity || !exchange.proxied) return {};
  // Of two headers one may be the client's own, and the proxy may have looked at the other.
  for (const std::string& header : {identity->user_header, identity->groups_header}) {
    if (count_headers(exchange.head, header) > 1)
      refuse(400, concat("the header \"", header, "\" is there twice"));
  }
  const std::string_view user = trim(exchange.head.find(lower(identity->user_header)));
  if (user.empty()) return {};
  std::optional<Role> role = identity->everybody;
  for (const std::string& each : split(exchange.head.find(lower(identity->groups_header)), ',')) {
    const auto found = identity->groups.find(std::string(trim(each)));
    if (found != identity->groups.end())
      role = std::max(role.value_or(found->second), found->second);
  }
  std::string name = shortened(valid_utf8(user), 100);
  if (!role)
    refuse(403, concat("user \"", name, "\" is in no group that has a role (`identity.roles`)"));
  return Caller{std::move(name), *role, {}, "", true};
}

}  // namespace

Door::Door(Room room, Snapshots& snapshots) : room_(room), snapshots_(snapshots) {
  // httplib stops writing when its own socket is closed; the front has ours.
  svr_sock_ = 0;
  set_default_headers({{"X-Content-Type-Options", "nosniff"},
                       {"Referrer-Policy", "no-referrer"},
                       {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"}});
  set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& reply) {
    receive(request, reply);
    return HandlerResponse::Handled;
  });
  set_expect_100_continue_handler([this](const httplib::Request&, httplib::Response& reply) {
    // Said before the body is on its way.
    if (served->head->length.value_or(0) <= room_.options.body_limit) return 100;
    const Problem problem =
        problem_of(413, concat("the body is larger than ", render_size(room_.options.body_limit)));
    reply.set_content(render(problem), problem_type);
    return reply.status = 413;
  });
  set_error_handler(Handler([](const httplib::Request&, httplib::Response& reply) {
    if (!reply.body.empty()) return;
    // httplib's own: it could not make sense of the request.
    const Problem problem = problem_of(
        reply.status, reply.status == 416 ? "the Range header is broken"
                                          : "the request's first line or a header is broken");
    reply.set_content(render(problem), problem_type);
  }));
  set_post_routing_handler(complete);
}

void Door::complete(const httplib::Request&, httplib::Response& reply) {
  Connection& connection = *served->connection;
  // What is left of a body would be taken for the next request.
  if (!served->reached || !connection.body_taken() || served->follow) connection.closing = true;
  reply.headers.erase("Keep-Alive");  // says nothing that is true of the front
  if (!connection.closing) return;
  reply.headers.erase("Connection");
  reply.set_header("Connection", "close");
}

void Door::serve(std::unique_ptr<Connection>& connection) {
  const Head& head = connection->begin_request();
  Served current;
  current.connection = connection.get();
  current.head = &head;
  if (!head.fault.empty()) {
    const std::string response =
        bare_response(problem_of(400, concat("the request has ", head.fault)));
    connection->write(response.data(), response.size());
    connection->closing = true;
  } else {
    served = &current;
    bool last = false;
    const bool written = process_request(*connection, false, last, [](httplib::Request& request) {
      // Ranges and encodings are ours to choose.
      request.ranges.clear();
      request.headers.erase("Accept-Encoding");
    });
    served = nullptr;
    connection->closing = connection->closing || last || !written;
  }
  connection->end_request();
  if (!connection->flush(connection->write_limit)) {
    connection.reset();
  } else if (current.follow) {
    current.follow(std::move(connection));
  }
}

void Door::receive(const httplib::Request& request, httplib::Response& reply) {
  served->reached = true;
  const auto begun = std::chrono::steady_clock::now();
  Exchange exchange{request, reply, *served->connection, *served->head, {}, {}, {}, {}, {}, {},
                    {},      {}};
  // The one door that catches: what leaves here is a response.
  try {
    exchange.snapshot = snapshots_.current();
    const std::string& configured = exchange.snapshot->config->public_url;
    exchange.public_url = !configured.empty()                 ? configured
                          : !room_.options.public_url.empty() ? room_.options.public_url
                                                              : address_.url;
    while (exchange.public_url.ends_with('/')) exchange.public_url.pop_back();
    find_address(exchange);
    perform(exchange);
  } catch (const Refused& refused) {
    answer(exchange, refused.problem());
  } catch (const Error& error) {
    answer(exchange, problem_from(error));
  } catch (const std::exception& error) {
    answer(exchange, problem_of(500, error.what()));
  }
  served->follow = std::move(exchange.follow);
  metrics::request_answered(request.method, served->route, reply.status,
                            std::chrono::steady_clock::now() - begun);
}

void Door::perform(Exchange& exchange) {
  Found found = find_route(exchange.request.method, exchange.request.path);
  if (found.methods.empty()) {
    refuse(404, concat("there is nothing at \"", shortened(valid_utf8(exchange.request.path), 200),
                       "\" (/api/v1/openapi.json says what there is)"));
  }
  if (found.route == nullptr) {
    Problem problem = problem_of(405, concat("the choices here are ", join(found.methods, ", ")));
    problem.headers["Allow"] = join(found.methods, ", ");
    throw Refused(std::move(problem));
  }
  served->route = found.route->path;
  exchange.names = std::move(found.names);
  if (!is_open(found.route->access, *exchange.snapshot->config)) {
    exchange.caller = authenticate(exchange);
    const Caller& caller = exchange.caller;
    if (const Role needed = role_for(found.route->access); caller.role < needed) {
      refuse(403, concat(render(caller), " has the role ", render(caller.role), ", and this needs ",
                         render(needed)));
    }
  }
  found.route->perform(room_, exchange);
}

/// Whose token the browser's login was with; empty: there is no login, or its token is gone.
std::optional<Caller> Door::find_session(Exchange& exchange) const {
  const std::string_view id = cookie_of(exchange.head.find("cookie"), session_cookie);
  if (id.empty()) return {};
  const auto token = room_.sessions.find(id, room_.options.clock());
  if (!token) return {};
  std::optional<Caller> caller = room_.callers.find_by_hash(*exchange.snapshot, *token);
  if (!caller) return {};
  refuse_forgeries(exchange);
  exchange.session = id;
  return caller;
}

Caller Door::authenticate(Exchange& exchange) const {
  const Snapshot& snapshot = *exchange.snapshot;
  const std::string_view given = exchange.head.find("authorization");
  const bool has_token =
      given.size() > bearer.size() && equal_without_case(given.substr(0, bearer.size()), bearer);
  // A proxy's own kind of login (Basic, for one) says nothing to us.
  if (!has_token) {
    if (std::optional<Caller> caller = find_session(exchange)) return *caller;
    if (std::optional<Caller> caller = find_vouched(exchange)) {
      // Proxies know whom they let in by a cookie, which any page can make a browser send.
      refuse_forgeries(exchange);
      return *caller;
    }
  }
  if (!snapshot.config->identity && !room_.callers.any(snapshot)) {
    if (!address_.only_loopback)
      refuse(403, "without tokens in the configuration this is for loopback only");
    refuse_strangers(exchange);
    return {"", Role::admin, {}, "", false};
  }
  if (!has_token) {
    Problem problem = problem_of(401, "a token is needed (Authorization: Bearer ...)");
    problem.headers["WWW-Authenticate"] = "Bearer realm=\"lighterman\"";
    throw Refused(std::move(problem));
  }
  return get_caller(room_, exchange, trim(given.substr(bearer.size())));
}

}  // namespace lighterman::api
