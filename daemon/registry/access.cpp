#include "registry/access.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "net/retry.hpp"
#include "net/url.hpp"
#include "registry/credentials.hpp"
#include "registry/ecr.hpp"
#include "registry/product.hpp"

namespace lighterman::registry {
namespace {

constexpr std::chrono::seconds usual_life{60};  // token.md: "no expires_in" means 60 seconds
constexpr std::chrono::seconds credentials_life{60};

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

/// RFC 6750, 3.1: the token itself is no good to it.
bool says_invalid_token(const net::Response& answer) {
  return std::ranges::any_of(answer.headers.all("WWW-Authenticate"),
                             [](const std::string& challenge) {
                               return parameters_of(challenge)["error"] == "invalid_token";
                             });
}

}  // namespace

std::string pull_scope(const std::string& repository) {
  return concat("repository:", repository, ":pull");
}
std::string push_scope(const std::string& repository) {
  return concat("repository:", repository, ":pull,push");
}

Access::Access(const Options& options, net::Client& client)
    : options_(options), client_(client), trust_(trust_for(options)) {}

std::string Access::base(const std::stop_token& stop) {
  {
    const std::lock_guard lock(mutex_);
    if (!base_.empty()) return base_;
  }
  std::string found = find_base(stop);
  const std::lock_guard lock(mutex_);
  if (base_.empty()) base_ = std::move(found);
  return base_;
}

/// On loopback plain http is as usual as TLS, and the first question may as well find out which.
bool Access::may_guess() const {
  return !options_.plain_http && options_.host != "docker.io" &&
         net::Url::parse(concat("https://", options_.host)).is_loopback();
}

std::string Access::probable_base(const std::stop_token& stop) {
  {
    const std::lock_guard lock(mutex_);
    if (base_.empty() && may_guess()) return concat("http://", options_.host);
  }
  return base(stop);
}

/// Empty: it was no guess, or a wrong one; then the request is mended. No credentials are known yet
/// that could go out in the clear.
std::optional<net::Response> Access::find_answer_to_guess(net::Request& request,
                                                          const std::stop_token& stop) {
  const std::string guess = concat("http://", options_.host);
  {
    const std::lock_guard lock(mutex_);
    if (!base_.empty()) {
      if (base_ != guess && request.url.starts_with(guess + '/'))
        request.url.replace(0, guess.size(), base_);
      return {};
    }
  }
  if (!may_guess() || !request.url.starts_with(guess + '/') ||
      std::holds_alternative<net::Upload>(request.body))
    return {};
  try {
    net::Response answer = client_.perform(request, stop);
    // What speaks TLS answers so, or not at all.
    if (answer.status != 400 && answer.status != 426) {
      const std::lock_guard lock(mutex_);
      if (base_.empty()) base_ = guess;
      return answer;
    }
  } catch (const Error& error) {
    // Whether it speaks otherwise, base() finds out.
    if (error.kind() != ErrorKind::unavailable) throw;
  }
  request.url.replace(0, guess.size(), base(stop));
  return {};
}

std::string Access::find_base(const std::stop_token& stop) {
  const std::string host = options_.host == "docker.io" ? "registry-1.docker.io" : options_.host;
  const std::string secure = concat("https://", host);
  const std::string plain = concat("http://", host);
  if (options_.plain_http) return plain;
  if (!net::Url::parse(secure).is_loopback()) return secure;
  // On loopback both are usual, and what speaks TLS answers plain http with 400, or not at all.
  net::Request probe;
  probe.url = concat(plain, "/v2/");
  try {
    const int status = client_.perform(probe, stop).status;
    return status == 400 || status == 426 ? secure : plain;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unavailable) throw;
    probe.url = concat(secure, "/v2/");
    probe.trust = trust_;
    client_.perform(probe, stop);
    return secure;
  }
}

std::string Access::resolve(const std::string& asked, const std::string& location,
                            const std::stop_token& stop) {
  const net::Url own = net::Url::parse(base(stop));
  net::Url url = net::Url::parse(asked).resolve(location);
  // A registry behind a proxy that ends TLS often does not know that it is reached by https.
  if (url.host == own.host && own.scheme == "https" && url.scheme == "http") {
    url.scheme = own.scheme;
    url.port = own.port;
  }
  return url.text();
}

bool Access::is_own(const std::string& url, const std::stop_token& stop) {
  return net::Url::parse(url).origin() == net::Url::parse(base(stop)).origin();
}

/// One asks at a time for the same; the others wait, and find what it got.
class Access::Turn {
 public:
  Turn(Access& access, const std::string& name, const std::stop_token& stop)
      : access_(access), name_(name) {
    std::unique_lock lock(access_.mutex_);
    if (!access_.asked_.wait(lock, stop, [&] { return !access_.asking_.contains(name_); }))
      throw Error(ErrorKind::cancelled, "stopped while another logged in");
    access_.asking_.insert(name_);
  }
  ~Turn() {
    {
      const std::lock_guard lock(access_.mutex_);
      access_.asking_.erase(name_);
    }
    access_.asked_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Access& access_;
  const std::string name_;
};

std::optional<Credentials> Access::credentials(const std::stop_token& stop) {
  const Turn turn(*this, "credentials", stop);
  {
    const std::lock_guard lock(mutex_);
    if (std::chrono::steady_clock::now() < credentials_end_) return credentials_;
  }
  std::optional<Credentials> found = find_credentials(options_);
  auto end = std::chrono::steady_clock::now() + credentials_life;
  const bool ecr = options_.product == Product::ecr || ecr_place(options_.host);
  // ECR knows AWS's keys by the passwords alone that they get there.
  if (ecr && (!found || is_aws_key_id(found->first)) && find_aws_keys(options_)) {
    const Ecr::Login login = Ecr(options_).log_in(stop);
    found = login.credentials;
    end = std::max(end, std::chrono::steady_clock::now() + (login.end - system_now()) / 2);
  }
  const std::lock_guard lock(mutex_);
  credentials_ = found;
  credentials_end_ = end;
  return found;
}

/// What the options say of how to believe the registry holds for its host alone: others see no
/// certificate of ours, and have to show a good one.
net::Trust Access::trust_to(const std::string& url, const std::stop_token& stop) {
  const net::Url own = net::Url::parse(base(stop)), asked = net::Url::parse(url);
  net::Trust trust = trust_;
  if (asked.origin() != own.origin()) {
    trust.client_certificate_file.clear();
    trust.client_key_file.clear();
  }
  if (asked.host != own.host) trust.verify = true;
  return trust;
}

void Access::prepare(net::Request& request, const std::string& scope, const std::stop_token& stop) {
  request.trust = trust_to(request.url, stop);
  // A Location may lead to a store elsewhere, which must not see our credentials.
  if (is_own(request.url, stop)) add_credentials(request, scope, stop);
}

bool Access::add_known_token(net::Request& request, const std::string& scope) const {
  const auto known = tokens_.find(scope);
  if (known == tokens_.end() || known->second.renew <= std::chrono::steady_clock::now())
    return false;
  request.bearer = known->second.value;
  return true;
}

void Access::add_credentials(net::Request& request, const std::string& scope,
                             const std::stop_token& stop) {
  Kind kind{};
  {
    const std::lock_guard lock(mutex_);
    kind = kind_;
    if (kind == Kind::unknown || (kind == Kind::bearer && add_known_token(request, scope))) return;
  }
  if (kind == Kind::basic) {
    request.basic = credentials(stop);
  } else {
    add_new_token(request, scope, stop);
  }
}

void Access::add_new_token(net::Request& request, const std::string& scope,
                           const std::stop_token& stop) {
  const Turn turn(*this, scope, stop);
  std::string realm, service;
  {
    const std::lock_guard lock(mutex_);
    if (add_known_token(request, scope)) return;
    realm = realm_;
    service = service_;
  }
  const Client::FreshToken token = get_token(realm, service, scope, stop);
  request.bearer = token.value;
  // Renewed early, so that a token does not end while a request is under way.
  const auto early = std::min<std::chrono::seconds>(token.life / 4, std::chrono::seconds(30));
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  std::erase_if(tokens_, [&](const auto& entry) { return entry.second.renew <= now; });
  tokens_[scope] = {token.value, now + token.life - early};
}

void Access::require_safe(const std::string& realm) const {
  if (!base_.starts_with("https://") || realm.starts_with("https://")) return;
  throw Error(ErrorKind::denied,
              concat("registry ", options_.host, ": it wants our credentials sent to ", realm,
                     ", which is not https"));
}

/// Only what the request carried was refused: others may have got something newer since.
void Access::forget_refused(const net::Request& request, const std::string& scope) {
  const auto known = tokens_.find(scope);
  if (known != tokens_.end() && known->second.value == request.bearer) {
    tokens_.erase(known);
    credentials_end_ = {};
  }
  if (request.basic && request.basic == credentials_) credentials_end_ = {};
}

void Access::learn(const net::Response& answer, const net::Request& request,
                   const std::string& scope) {
  const std::lock_guard lock(mutex_);
  forget_refused(request, scope);
  for (const std::string& challenge : answer.headers.all("WWW-Authenticate")) {
    const std::string scheme = lower(challenge.substr(0, challenge.find(' ')));
    if (scheme == "bearer") {
      const auto parameters = parameters_of(challenge);
      const auto value = [&](const char* name) {
        const auto found = parameters.find(name);
        return found == parameters.end() ? std::string() : found->second;
      };
      if (value("realm").empty()) continue;
      require_safe(value("realm"));
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
  std::optional<net::Response> guessed = find_answer_to_guess(request, stop);
  if (!guessed) prepare(request, scope, stop);
  net::Response answer = guessed ? *std::move(guessed) : client_.perform(request, stop);
  // Who the registry sent us on to has no say in where our credentials go.
  if (answer.status != 401 || !is_own(answer.url, stop)) return answer;
  learn(answer, request, scope);
  if (std::holds_alternative<net::Upload>(request.body)) return answer;
  request.basic.reset();
  request.bearer = {};
  add_credentials(request, scope, stop);
  if (!request.basic && request.bearer.empty()) return answer;
  answer = client_.perform(request, stop);
  // The token service knew us: Docker Hub, ACR and Quay answer so where the permission is missing.
  if (answer.status == 401 && !request.bearer.empty() && !scope.empty() &&
      !says_invalid_token(answer) && credentials(stop))
    answer.status = 403;
  return answer;
}

Client::FreshToken Access::get_token(const std::string& realm, const std::string& service,
                                     const std::string& scope, const std::stop_token& stop) {
  base(stop);
  {
    const std::lock_guard lock(mutex_);
    require_safe(realm);
  }
  const auto known = credentials(stop);
  net::Request request;
  request.url = realm;
  request.trust = trust_to(realm, stop);
  std::string query = concat("service=", render_url_part(service));
  if (known && known->first == "<token>") {
    if (!scope.empty()) query += concat("&scope=", render_url_part(scope));
    request.method = "POST";
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.body = concat("grant_type=refresh_token&client_id=lighterman&", query,
                          "&refresh_token=", render_url_part(known->second.reveal()));
  } else {
    // By GET each scope is a parameter of its own (token.md, "Requesting a Token").
    for (const std::string& part : split(scope, ' ')) {
      if (!part.empty()) query += concat("&scope=", render_url_part(part));
    }
    request.url += concat(realm.find('?') == std::string::npos ? '?' : '&', query);
    request.basic = known;
  }
  const net::Response answer = client_.perform(request, stop);
  const std::string doing = concat("getting a token for ", scope.empty() ? "the registry" : scope);
  if (answer.status != 200) refuse(options_, answer, doing, scope.empty() ? "log in" : scope);
  const boost::json::value value = parse_json(answer.body, "the token service's answer");
  const Fields fields(value, "the token service's answer");
  std::string token = fields.text_or("token", "");
  if (token.empty()) token = fields.text_or("access_token", "");
  if (token.empty())
    throw Error(ErrorKind::invalid,
                concat("registry ", options_.host, ": ", doing, ": no token in the answer"));
  const std::chrono::seconds life(
      fields.natural_or("expires_in", static_cast<std::uint64_t>(usual_life.count())));
  return {Secret(std::move(token)), life};
}

}  // namespace lighterman::registry
