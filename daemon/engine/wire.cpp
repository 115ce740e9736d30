#include "engine/wire.hpp"

#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <charconv>
#include <compare>
#include <limits>

namespace lighterman::engine {
namespace {

namespace json = boost::json;

/// "1.41" as numbers: 1.9 comes before 1.10.
struct ApiVersion {
  unsigned major = 0, minor = 0;
  auto operator<=>(const ApiVersion&) const = default;
  std::string text() const { return concat(major, '.', minor); }
};

// 1.40 (Docker 19.03) has all the calls we make; 1.51 (Docker 28) is the newest we know.
constexpr ApiVersion oldest{1, 40};
constexpr ApiVersion newest{1, 51};

std::optional<ApiVersion> parse_version(std::string_view text) {
  ApiVersion version;
  const char* end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.major);
  if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') return std::nullopt;
  const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  if (minor.ec != std::errc{} || minor.ptr != end) return std::nullopt;
  return version;
}

}  // namespace

Query& Query::add(std::string_view name, std::string_view value) {
  text_.append(text_.empty() ? "?" : "&").append(name).append("=").append(render_url_part(value));
  return *this;
}

std::string render_name(std::string_view image) {
  std::string path;
  for (const std::string& part : split(image, '/')) {
    if (!path.empty()) path.push_back('/');
    path.append(render_url_part(part));
  }
  return path;
}

Wire::Wire(Options options) : options_(std::move(options)) {
  if (options_.host.empty()) {
    Options found = options_from_environment();
    options_.host = std::move(found.host);
    options_.tls = found.tls;
    options_.trust = std::move(found.trust);
  }
  address_ = during(concat("engine \"", options_.name, "\""),
                    [&] { return parse_address(options_.host, options_.tls); });
}

Wire::Greeting Wire::greet(const std::stop_token& stop) {
  const net::Response pong = perform(request("GET", {}, "/_ping"), stop);
  if (pong.status >= 500) {
    throw unreachable(concat("the ping was answered ", pong.status, ": ", message_of(pong)));
  }
  const std::string said = pong.headers.find("Api-Version").value_or("");
  const std::optional<ApiVersion> theirs = parse_version(said);
  if (pong.status != 200 || !theirs) {
    throw Error(ErrorKind::invalid, concat("engine \"", options_.name, "\" (", options_.host,
                                           "): what answers there is no Docker Engine (status ",
                                           pong.status, " and no Api-Version to a ping)"));
  }
  if (*theirs < oldest) {
    throw Error(ErrorKind::invalid,
                concat("engine \"", options_.name, "\" speaks API ", *theirs, ", at least ", oldest,
                       " (Docker 19.03) is needed: upgrade the engine"));
  }
  if (*theirs > newest) {
    // A newer engine may have dropped what we speak; only /version says so.
    const net::Response answer = perform(request("GET", {}, "/version"), stop);
    boost::system::error_code wrong;
    const json::value about = json::parse(answer.body, wrong);
    const json::value* minimum =
        !wrong && about.is_object() ? about.get_object().if_contains("MinAPIVersion") : nullptr;
    if (minimum && minimum->is_string()) {
      const std::optional<ApiVersion> least = parse_version(minimum->get_string());
      if (least && *least > newest) {
        throw Error(ErrorKind::invalid,
                    concat("engine \"", options_.name, "\" speaks API ", *least,
                           " or newer, this program up to ", newest, ": upgrade lighterman"));
      }
    }
  }
  return {std::min(*theirs, newest).text(), lower(pong.headers.find("Ostype").value_or("")),
          pong.headers.find("Builder-Version")};
}

net::Request Wire::request(std::string method, const Greeting& greeting,
                           std::string_view path) const {
  net::Request request;
  request.method = std::move(method);
  request.url = greeting.api.empty() ? concat(address_.url, path)
                                     : concat(address_.url, "/v", greeting.api, path);
  request.unix_socket = address_.socket;
  request.trust = options_.trust;
  request.connect_timeout = options_.connect_timeout;
  // An engine is a machine of ours; proxies are for the world outside.
  request.use_proxy = false;
  return request;
}

net::Response Wire::perform(const net::Request& request, const std::stop_token& stop) {
  return reaching([&] { return client_.perform(request, stop); });
}

net::Response Wire::stream(const net::Request& request, const Push& sink,
                           const std::stop_token& stop) {
  return reaching([&] { return client_.stream(request, sink, {}, stop); });
}

Error Wire::unreachable(std::string_view why) const {
  std::string hint;
  if (address_.socket.empty()) {
    hint = concat(
        "is the Docker Engine running there, listening on tcp, and let through by the "
        "firewall?",
        options_.tls ? "" : " does it want TLS?");
  } else if (::access(address_.socket.c_str(), F_OK) != 0 && errno == ENOENT) {
    hint = concat("there is no socket ", address_.socket,
                  ": start the Docker Engine (systemctl start docker), or set the engine's host");
  } else if (::access(address_.socket.c_str(), R_OK | W_OK) != 0 && errno == EACCES) {
    hint = concat("no permission to use ", address_.socket,
                  ": add the user this runs as to the docker group (usermod -aG docker USER) and "
                  "start it anew");
  } else {
    hint = "is the Docker Engine running? (systemctl status docker)";
  }
  return {ErrorKind::unavailable,
          concat("engine \"", options_.name, "\" (", options_.host, "): ", why, "; ", hint)};
}

std::string message_of(const net::Response& answer) {
  boost::system::error_code wrong;
  const json::value body = json::parse(answer.body, wrong);
  std::string text;
  if (!wrong && body.is_object()) {
    const json::value* message = body.get_object().if_contains("message");
    if (message && message->is_string()) text = message->get_string();
  }
  // Some refusals are plain text, those of proxies and of a wrong version among them.
  if (text.empty()) text = answer.body;
  text = valid_utf8(shortened(trim(text), 2000));
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text.empty() ? concat("status ", answer.status) : text;
}

json::object object_in(const net::Response& answer, std::string_view doing) {
  if (answer.status != 200) throw refusal(answer, doing);
  boost::system::error_code wrong;
  json::value value = json::parse(answer.body, wrong);
  if (wrong || !value.is_object()) {
    throw Error(ErrorKind::invalid, concat(doing, ": the engine's answer is no JSON object"));
  }
  return std::move(value.as_object());
}

Error refusal(const net::Response& answer, std::string_view doing) {
  const auto kind = [&] {
    switch (answer.status) {
      case 401:
      case 403:
        return ErrorKind::denied;
      case 404:
        return ErrorKind::not_found;
      case 409:
        return ErrorKind::conflict;
      // An engine that shuts down, and proxies before one that is gone.
      case 502:
      case 503:
      case 504:
        return ErrorKind::unavailable;
      default:
        return ErrorKind::invalid;
    }
  }();
  return {kind, concat(doing, ": the engine answered ", answer.status, ": ", message_of(answer))};
}

}  // namespace lighterman::engine
