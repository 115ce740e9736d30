#include "registry/ecr.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "net/retry.hpp"
#include "net/url.hpp"
#include "os/file.hpp"

namespace lighterman::registry {
namespace json = boost::json;
namespace {

constexpr std::string_view target = "AmazonEC2ContainerRegistry_V20150921.";
constexpr std::size_t longest_words = 300;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_account(std::string_view text) {
  return text.size() == 12 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::filesystem::path shared_credentials() {
  if (const std::string named = environment("AWS_SHARED_CREDENTIALS_FILE"); !named.empty())
    return named;
  const std::string home = environment("HOME");
  return home.empty() ? std::filesystem::path()
                      : std::filesystem::path(home) / ".aws" / "credentials";
}

/// A profile of an INI file: "[name]", then "key = value" lines.
std::optional<AwsKeys> from_file(const std::filesystem::path& file, const std::string& profile) {
  AwsKeys keys;
  bool inside = false;
  for (const std::string& line : split(os::read_file(file), '\n')) {
    const std::string_view given = trim(line);
    if (given.empty() || given.front() == '#' || given.front() == ';') continue;
    if (given.front() == '[') {
      inside = trim(given.substr(1, given.find(']') - 1)) == profile;
      continue;
    }
    const std::size_t equals = given.find('=');
    if (!inside || equals == std::string_view::npos) continue;
    const std::string name = lower(trim(given.substr(0, equals)));
    const std::string value(trim(given.substr(equals + 1)));
    if (name == "aws_access_key_id") keys.id = value;
    if (name == "aws_secret_access_key") keys.secret = Secret(value);
    if (name == "aws_session_token") keys.session = Secret(value);
  }
  if (keys.id.empty() || keys.secret.empty()) return {};
  return keys;
}

EcrPlace place_of(const Options& options) {
  EcrPlace place;
  if (auto known = ecr_place(options.host)) place = *std::move(known);
  if (!options.api.empty()) place.api = options.api;
  if (place.region.empty()) place.region = environment("AWS_REGION");
  if (place.region.empty()) place.region = environment("AWS_DEFAULT_REGION");
  if (place.region.empty() || place.api.empty())
    throw Error(ErrorKind::invalid,
                concat("registry ", options.host,
                       ": its name tells no AWS region: set AWS_REGION and the registry's `api`"));
  return place;
}

/// "AccessDeniedException" of an answer's "__type", which may have a namespace before it.
std::string type_of(const Fields& problem) {
  const std::string type = problem.text_or("__type", "");
  return type.substr(type.find('#') == std::string::npos ? 0 : type.find('#') + 1);
}

json::value body_of(const net::Response& answer) {
  boost::system::error_code error;
  json::value value = json::parse(answer.body, error);
  return !error && value.is_object() ? value : json::value(json::object());
}

}  // namespace

std::optional<EcrPlace> ecr_place(const std::string& host) {
  const std::vector<std::string> parts = split(host, '.');
  if (parts.size() < 5 || !is_account(parts[0])) return {};
  // "ACCOUNT.dkr.ecr[-fips].REGION.amazonaws.com[.cn]" or "ACCOUNT.dkr-ecr[-fips].REGION.on.aws".
  const bool dual = parts[1] == "dkr-ecr" || parts[1] == "dkr-ecr-fips";
  const bool usual = parts[1] == "dkr" && (parts[2] == "ecr" || parts[2] == "ecr-fips");
  if (!dual && !usual) return {};
  const std::string& region = parts[dual ? 2 : 3];
  const std::size_t domain = dual ? 3 : 4;
  const std::string rest = join(std::span(parts).subspan(std::min(domain, parts.size())), ".");
  const bool known =
      dual ? rest == "on.aws" : rest == "amazonaws.com" || rest == "amazonaws.com.cn";
  if (!known) return {};
  const bool fips = parts[1].ends_with("-fips") || parts[2].ends_with("-fips");
  return EcrPlace{parts[0], region,
                  concat("https://", fips ? "ecr-fips." : "api.ecr.", region, '.',
                         dual ? "amazonaws.com" : rest)};
}

bool is_aws_key_id(const std::string& name) {
  return name.size() >= 16 && (name.starts_with("AKIA") || name.starts_with("ASIA"));
}

std::optional<AwsKeys> find_aws_keys(const Options& options) {
  if (is_aws_key_id(options.username))
    return AwsKeys{options.username, os::read_secret(options.password_place), {}};
  AwsKeys keys{environment("AWS_ACCESS_KEY_ID"), Secret(environment("AWS_SECRET_ACCESS_KEY")),
               Secret(environment("AWS_SESSION_TOKEN"))};
  if (!keys.id.empty() && !keys.secret.empty()) return keys;
  const std::filesystem::path file = shared_credentials();
  std::error_code error;
  if (file.empty() || !std::filesystem::exists(file, error)) return {};
  const std::string profile = environment("AWS_PROFILE");
  return from_file(file, profile.empty() ? "default" : profile);
}

Ecr::Ecr(const Options& options, Clock clock) : options_(options), clock_(std::move(clock)) {}

net::Response Ecr::ask(const std::string& action, const std::string& body,
                       const std::stop_token& stop) {
  const EcrPlace place = place_of(options_);
  const auto keys = find_aws_keys(options_);
  if (!keys)
    throw Error(ErrorKind::denied,
                concat("registry ", options_.host, ": ", action,
                       ": no AWS keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or have a "
                       "profile in ~/.aws/credentials (AWS_PROFILE names it)"));
  return net::retried(options_.retry, stop, [&] {
    AwsRequest signing;
    signing.body = body;
    signing.headers = {{"content-type", "application/x-amz-json-1.1"},
                       {"host", net::Url::parse(place.api).authority()},
                       {"x-amz-date", render_aws_time(clock_())},
                       {"x-amz-target", concat(target, action)}};
    if (!keys->session.empty()) signing.headers["x-amz-security-token"] = keys->session.reveal();
    net::Request request;
    request.method = "POST";
    request.url = concat(place.api, place.api.ends_with('/') ? "" : "/");
    for (const auto& [name, value] : signing.headers)
      if (name != "host") request.headers.add(name, value);
    request.headers.add("Authorization", sign_v4(signing, *keys, place.region, "ecr"));
    request.body = body;
    request.trust = options_.trust;
    net::Response answer = http_.perform(request, stop);
    const json::value value = body_of(answer);
    const std::string type = type_of(Fields(value, "AWS's answer"));
    if (answer.status == 429 || answer.status >= 500 || type == "ThrottlingException")
      throw Error(ErrorKind::unavailable,
                  concat("registry ", options_.host, ": ", action, ": ", answer.status, ' ', type));
    return answer;
  });
}

void Ecr::refused(const net::Response& answer, const std::string& action,
                  const std::string& doing) const {
  const json::value value = body_of(answer);
  const Fields fields(value, "AWS's answer");
  const std::string type = type_of(fields);
  // AWS itself writes it both ways.
  const std::string words = fields.text_or("message", fields.text_or("Message", ""));
  const std::string text =
      concat("registry ", options_.host, ": ", doing, ": ", answer.status, ' ', type,
             words.empty() ? "" : ": ", shortened(valid_utf8(words), longest_words));
  if (type == "AccessDeniedException" || answer.status == 403)
    throw Error(ErrorKind::denied, concat(text, " (allow the IAM identity ecr:", action, ")"));
  if (type == "UnrecognizedClientException" || type == "ExpiredTokenException" ||
      type == "InvalidSignatureException" || type == "MissingAuthenticationTokenException")
    throw Error(ErrorKind::denied,
                concat(text, " (look at the AWS keys, and at this machine's clock)"));
  throw Error(ErrorKind::invalid, text);
}

Ecr::Login Ecr::log_in(const std::stop_token& stop) {
  const net::Response answer = ask("GetAuthorizationToken", "{}", stop);
  if (answer.status != 200) refused(answer, "GetAuthorizationToken", "getting a password");
  const json::value value = parse_json(answer.body, "AWS's answer");
  const Fields fields(value, "AWS's answer");
  for (const json::value& each : fields.list("authorizationData")) {
    const Fields entry(each, "authorizationData");
    const auto plain = parse_base64(entry.text("authorizationToken"));
    const std::size_t colon = plain ? plain->find(':') : std::string::npos;
    if (colon == std::string::npos) break;
    // The time is a number of seconds, often with a fraction.
    const double end = entry.number_or("expiresAt", 0);
    return {{plain->substr(0, colon), Secret(plain->substr(colon + 1))},
            Instant(std::chrono::milliseconds(static_cast<std::int64_t>(end * 1000)))};
  }
  throw Error(ErrorKind::invalid,
              concat("registry ", options_.host, ": getting a password: none in the answer"));
}

bool Ecr::make_repository(const Reference& repository, const std::stop_token& stop) {
  json::object wanted{{"repositoryName", repository.repository()}};
  if (const auto place = ecr_place(options_.host)) wanted["registryId"] = place->account;
  const net::Response answer = ask("CreateRepository", json::serialize(wanted), stop);
  if (answer.status == 200) return true;
  const json::value value = body_of(answer);
  if (type_of(Fields(value, "AWS's answer")) == "RepositoryAlreadyExistsException") return false;
  refused(answer, "CreateRepository", concat("creating repository ", repository.repository()));
}

}  // namespace lighterman::registry
