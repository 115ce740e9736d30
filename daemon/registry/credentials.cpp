#include "registry/credentials.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/program.hpp"

namespace lighterman::registry {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest_words = 300;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

fs::path docker_config() {
  const std::string folder = environment("DOCKER_CONFIG");
  if (!folder.empty()) return fs::path(folder) / "config.json";
  const std::string home = environment("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".docker" / "config.json";
}

/// Under which names docker keeps a host's credentials.
std::vector<std::string> keys_of(const std::string& host) {
  if (host == "docker.io") {
    return {"https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"};
  }
  return {host,
          concat("https://", host),
          concat("https://", host, "/"),
          concat("http://", host),
          concat("https://", host, "/v1/"),
          concat("https://", host, "/v2/")};
}

/// docker-credential-helpers, "credentials/error.go": these words are how they say that they have
/// none.
bool says_none(const std::string& words) {
  return words.find("credentials not found in native keychain") != std::string::npos;
}

std::optional<Credentials> from_helper(const std::string& helper, const std::string& host) {
  // The helper's name becomes a program's name: nothing but a plain word may.
  const bool plain = !helper.empty() && std::all_of(helper.begin(), helper.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  if (!plain)
    throw Error(ErrorKind::invalid,
                concat("credential helper \"", helper, "\" is not a plain name"));
  os::Program program;
  program.name = concat("docker-credential-", helper);
  program.arguments = {"get"};
  program.input = keys_of(host).front();
  // Clouds' helpers are told by it who they are, the desktop's where the keyring is.
  program.environment = os::own_environment();
  const os::Outcome outcome =
      during(concat("asking ", program.name, " for ", host), [&] { return os::perform(program); });
  if (outcome.exit_code != 0) {
    if (says_none(outcome.output) || says_none(outcome.errors)) return {};
    // Its standard output may hold a secret, so only its other words are told.
    const std::string words(trim(outcome.errors));
    throw Error(ErrorKind::denied,
                concat("asking ", program.name, " for ", host, ": it ended with ",
                       outcome.exit_code, words.empty() ? "" : ": ",
                       shortened(valid_utf8(words), longest_words), " (see what `echo ",
                       program.input, " | ", program.name, " get` says to the daemon's user)"));
  }
  const boost::json::value answer = parse_json(outcome.output, concat("answer of ", program.name));
  const Fields fields(answer, concat("answer of ", program.name));
  return Credentials{fields.text("Username"), Secret(fields.text("Secret"))};
}

std::optional<Credentials> from_entry(const boost::json::value& entry, const std::string& where) {
  const Fields fields(entry, where);
  if (const auto token = fields.find_text("identitytoken"); token && !token->empty()) {
    return Credentials{"<token>", Secret(*token)};
  }
  if (const auto auth = fields.find_text("auth"); auth && !auth->empty()) {
    const auto plain = parse_base64(*auth);
    const std::size_t colon = plain ? plain->find(':') : std::string::npos;
    if (colon == std::string::npos)
      throw Error(ErrorKind::invalid, concat(where, ".auth: not user:password in base64"));
    std::string password = plain->substr(colon + 1);
    while (password.ends_with('\0')) password.pop_back();
    return Credentials{plain->substr(0, colon), Secret(std::move(password))};
  }
  const auto user = fields.find_text("username");
  const auto password = fields.find_text("password");
  if (!user || !password) return {};
  return Credentials{*user, Secret(*password)};
}

std::optional<Credentials> from_docker(const std::string& host) {
  const fs::path path = docker_config();
  std::error_code error;
  if (path.empty() || !fs::exists(path, error)) return {};
  const boost::json::value value = parse_json(os::read_file(path), path.string());
  const Fields config(value, path.string());
  if (const boost::json::value* helpers = config.find("credHelpers")) {
    const Fields by_host(*helpers, config.path("credHelpers"));
    for (const std::string& key : keys_of(host)) {
      if (const auto helper = by_host.find_text(key)) return from_helper(*helper, host);
    }
  }
  if (const boost::json::value* auths = config.find("auths")) {
    const Fields by_host(*auths, config.path("auths"));
    for (const std::string& key : keys_of(host)) {
      const boost::json::value* const entry = by_host.find(key);
      if (entry == nullptr) continue;
      if (auto found = from_entry(*entry, by_host.path(key))) return found;
    }
  }
  const auto store = config.find_text("credsStore");
  return store && !store->empty() ? from_helper(*store, host) : std::nullopt;
}

}  // namespace

std::optional<Credentials> find_credentials(const Options& options) {
  if (!options.username.empty() || !options.password_place.empty()) {
    return during(concat("credentials of registry ", options.host), [&] {
      return Credentials{options.username, os::read_secret(options.password_place)};
    });
  }
  return options.use_docker_config ? from_docker(options.host) : std::nullopt;
}

net::Trust trust_for(const Options& options, const fs::path& folder) {
  net::Trust trust = options.trust;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / options.host, error)) {
    const fs::path& path = entry.path();
    if (path.extension() == ".crt" && trust.ca_file.empty()) trust.ca_file = path;
    if (path.extension() != ".cert" || !trust.client_certificate_file.empty()) continue;
    const fs::path key = fs::path(path).replace_extension(".key");
    if (!fs::exists(key, error)) continue;
    trust.client_certificate_file = path;
    trust.client_key_file = key;
  }
  return trust;
}

}  // namespace lighterman::registry
