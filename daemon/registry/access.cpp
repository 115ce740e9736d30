#include "registry/access.hpp"

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "net/retry.hpp"
#include "registry/credentials.hpp"

namespace lighterman::registry {
namespace {

constexpr std::chrono::seconds usual_life{60};  // token.md: "no expires_in" means 60 seconds
constexpr std::size_t longest_words = 300;

bool is_loopback(const std::string& host) {
  return host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
}

/// One challenge's parameters: `Bearer realm="...",service="...",scope="a,b"` (RFC 9110, 11.6.1).
std::map<std::string, std::string> parameters_of(std::string_view challenge) {
  std::map<std::string, std::string> parameters;
  std::size_t at = challenge.find(' ');
  while (at < challenge.size()) {
    const std::size_t equals = challenge.find('=', at);
    if (equals == std::string_view::npos) break;
    const std::string name = lower(trim(challenge.substr(at, equals - at)));
    std::string value;
    at = equals + 1;
    if (at < challenge.size() && challenge[at] == '"') {
      for (++at; at < challenge.size() && challenge[at] != '"'; ++at) {
        if (challenge[at] == '\\' && at + 1 < challenge.size()) ++at;
        value.push_back(challenge[at]);
      }
      ++at;
    } else {
      const std::size_t end = std::min(challenge.find(',', at), challenge.size());
      value = trim(challenge.substr(at, end - at));
      at = end;
    }
    parameters[name] = value;
    at = challenge.find_first_not_of(", ", at);
  }
  return parameters;
}

/// The registry's own words: "DENIED: requested access is denied".
std::string words_of(const net::Response& answer) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(answer.body, error);
  std::string words;
  const boost::json::value* const errors =
      !error && value.is_object() ? value.get_object().if_contains("errors") : nullptr;
  if (errors != nullptr && errors->is_array()) {
    for (const boost::json::value& entry : errors->get_array()) {
      if (!entry.is_object()) continue;
      const Fields fields(entry, "error");
      const auto text = [&](std::string_view name) {
        const boost::json::value* const found = fields.find(name);
        return found != nullptr && found->is_string() ? std::string(found->get_string())
                                                      : std::string();
      };
      words += concat(words.empty() ? "" : "; ", text("code"), ": ", text("message"));
    }
  }
  if (words.empty()) words = std::string(trim(answer.body.substr(0, answer.body.find('\n'))));
  return shortened(valid_utf8(words), longest_words);
}

}  // namespace

void refuse(const Options& options, const net::Response& answer, const std::string& doing) {
  const std::string words = words_of(answer);
  const std::string text = concat("registry ", options.host, ": ", doing, ": ", answer.status,
                                  words.empty() ? "" : " ", words);
  if (answer.status == 401) {
    throw Error(ErrorKind::denied,
                concat(text,
                       " (the registry does not accept our credentials: check registries in the "
                       "configuration, or docker login)"));
  }
  if (answer.status == 403)
    throw Error(ErrorKind::denied, concat(text, " (the account lacks this permission)"));
  if (answer.status == 404) throw Error(ErrorKind::not_found, text);
  if (answer.status == 429 || answer.status >= 500) {
    if (const auto wait = net::retry_after(answer)) throw net::Busy(text, *wait);
    throw Error(ErrorKind::unavailable, text);
  }
  throw Error(ErrorKind::invalid, text);
}

std::string pull_scope(const std::string& repository) {
  return concat("repository:", repository, ":pull");
}
std::string push_scope(const std::string& repository) {
  return concat("repository:", repository, ":pull,push");
}

Access::Access(const Options& options, net::Client& client)
    : options_(options), client_(client), trust_(trust_for(options)) {}

std::string Access::base(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  if (!base_.empty()) return base_;
  const std::string host = options_.host == "docker.io" ? "registry-1.docker.io" : options_.host;
  const std::string secure = concat("https://", host), plain = concat("http://", host);
  if (options_.plain_http) return base_ = plain;
  if (!is_loopback(host)) return base_ = secure;
  // On loopback both are usual. Whoever answers plain http sensibly does not speak TLS.
  net::Request probe;
  probe.url = concat(plain, "/v2/");
  probe.use_proxy = false;
  const int status = client_.perform(probe, stop).status;
  return base_ = status == 400 || status == 426 ? secure : plain;
}

std::string Access::resolve(const std::string& location, const std::stop_token& stop) {
  if (location.find("://") != std::string::npos) return location;
  return concat(base(stop), location.starts_with('/') ? "" : "/", location);
}

bool Access::is_own(const std::string& url, const std::stop_token& stop) {
  const std::string own = base(stop);
  return url.starts_with(own) && (url.size() == own.size() || url[own.size()] == '/');
}

void Access::prepare(net::Request& request, const std::string& scope, const std::stop_token& stop) {
  request.trust = trust_;
  request.use_proxy = !is_loopback(options_.host);
  // A Location may lead to a store elsewhere, which must not see our credentials.
  if (is_own(request.url, stop)) add_credentials(request, scope, stop);
}

void Access::add_credentials(net::Request& request, const std::string& scope,
                             const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (kind_ == Kind::basic) {
    lock.unlock();
    request.basic = find_credentials(options_);
    return;
  }
  if (kind_ != Kind::bearer) return;
  const auto known = tokens_.find(scope);
  if (known != tokens_.end() && known->second.renew > std::chrono::steady_clock::now()) {
    request.bearer = known->second.value;
    return;
  }
  const std::string realm = realm_, service = service_;
  lock.unlock();
  Token token = fetch_token(realm, service, scope, stop);
  request.bearer = token.value;
  lock.lock();
  tokens_[scope] = std::move(token);
}

void Access::learn(const net::Response& answer, const std::string& scope) {
  const std::lock_guard lock(mutex_);
  tokens_.erase(scope);
  for (const std::string& challenge : answer.headers.all("WWW-Authenticate")) {
    const std::string scheme = lower(challenge.substr(0, challenge.find(' ')));
    if (scheme == "bearer") {
      const auto parameters = parameters_of(challenge);
      const auto value = [&](const char* name) {
        const auto found = parameters.find(name);
        return found == parameters.end() ? std::string() : found->second;
      };
      if (value("realm").empty()) continue;
      if (base_.starts_with("https://") && !value("realm").starts_with("https://")) {
        throw Error(ErrorKind::denied,
                    concat("registry ", options_.host, ": it wants our credentials sent to ",
                           value("realm"), ", which is not https"));
      }
      kind_ = Kind::bearer;
      realm_ = value("realm");
      service_ = value("service");
      return;
    }
    if (scheme == "basic") kind_ = Kind::basic;
  }
}

net::Response Access::perform(net::Request request, const std::string& scope,
                              const std::stop_token& stop) {
  prepare(request, scope, stop);
  net::Response answer = client_.perform(request, stop);
  if (answer.status != 401 || !is_own(request.url, stop)) return answer;
  learn(answer, scope);
  if (std::holds_alternative<net::Upload>(request.body)) return answer;
  request.basic.reset();
  request.bearer = {};
  add_credentials(request, scope, stop);
  if (!request.basic && request.bearer.empty()) return answer;
  return client_.perform(request, stop);
}

Access::Token Access::fetch_token(const std::string& realm, const std::string& service,
                                  const std::string& scope, const std::stop_token& stop) {
  const auto credentials = find_credentials(options_);
  net::Request request;
  request.trust = trust_;
  request.url = realm;
  const std::string query = concat("service=", render_url_part(service),
                                   scope.empty() ? "" : "&scope=", render_url_part(scope));
  if (credentials && credentials->first == "<token>") {
    request.method = "POST";
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.body = concat("grant_type=refresh_token&client_id=lighterman&", query,
                          "&refresh_token=", render_url_part(credentials->second.reveal()));
  } else {
    request.url += concat(realm.find('?') == std::string::npos ? '?' : '&', query);
    request.basic = credentials;
  }
  const net::Response answer = client_.perform(request, stop);
  const std::string doing = concat("getting a token for ", scope.empty() ? "the registry" : scope);
  if (answer.status != 200) refuse(options_, answer, doing);
  const boost::json::value value = parse_json(answer.body, "the token service's answer");
  const Fields fields(value, "the token service's answer");
  std::string token = fields.text_or("token", "");
  if (token.empty()) token = fields.text_or("access_token", "");
  if (token.empty())
    throw Error(ErrorKind::invalid,
                concat("registry ", options_.host, ": ", doing, ": no token in the answer"));
  const std::chrono::seconds life(
      fields.natural_or("expires_in", static_cast<std::uint64_t>(usual_life.count())));
  // Renewed early, so that a token does not end while a request is under way.
  return {Secret(std::move(token)),
          std::chrono::steady_clock::now() + life -
              std::min<std::chrono::seconds>(life / 4, std::chrono::seconds(30))};
}

}  // namespace lighterman::registry
