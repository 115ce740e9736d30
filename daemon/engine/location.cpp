#include "engine/location.hpp"

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>

#include "os/file.hpp"
#include "os/hash.hpp"

namespace lighterman::engine {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* default_host = "unix:///var/run/docker.sock";

json::object read_object(const fs::path& file) {
  boost::system::error_code wrong;
  json::value value = json::parse(os::read_file(file), wrong);
  if (wrong || !value.is_object()) {
    throw Error(ErrorKind::invalid, concat(file.string(), ": not a JSON object"));
  }
  return std::move(value.as_object());
}

std::string text_in(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found && found->is_string() ? std::string(found->as_string()) : std::string();
}

/// The files the docker CLI looks for in a folder of certificates; missing ones stay out.
bool take_certificates(const fs::path& folder, net::Trust& trust) {
  const auto present = [&](const char* name) {
    const fs::path file = folder / name;
    return fs::exists(file) ? file.string() : std::string();
  };
  trust.ca_file = present("ca.pem");
  trust.client_certificate_file = present("cert.pem");
  trust.client_key_file = present("key.pem");
  return !trust.ca_file.empty() || !trust.client_certificate_file.empty();
}

fs::path docker_folder(const Variable& variable) {
  if (const std::string folder = variable("DOCKER_CONFIG"); !folder.empty()) return folder;
  const std::string home = variable("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".docker";
}

std::string current_context(const Variable& variable, const fs::path& folder) {
  if (std::string name = variable("DOCKER_CONTEXT"); !name.empty()) return name;
  const fs::path file = folder / "config.json";
  if (folder.empty() || !fs::exists(file)) return {};
  return text_in(read_object(file), "currentContext");
}

/// A context of the docker CLI: contexts/meta and contexts/tls, by the SHA-256 of its name.
Options options_of_context(const std::string& name, const fs::path& folder) {
  const std::string id(os::sha256(name).hex());
  const fs::path file = folder / "contexts" / "meta" / id / "meta.json";
  if (!fs::exists(file)) {
    throw Error(ErrorKind::invalid,
                concat("docker context \"", name, "\": there is no ", file.string(),
                       " (`docker context ls` shows what exists; DOCKER_CONTEXT or "
                       "\"currentContext\" in config.json chose it)"));
  }
  return during(concat("docker context \"", name, "\""), [&] {
    const json::object meta = read_object(file);
    const json::value* endpoints = meta.if_contains("Endpoints");
    const json::value* docker = endpoints && endpoints->is_object()
                                    ? endpoints->get_object().if_contains("docker")
                                    : nullptr;
    if (!docker || !docker->is_object()) {
      throw Error(ErrorKind::invalid, concat(file.string(), ": names no docker endpoint"));
    }
    Options options;
    options.host = text_in(docker->get_object(), "Host");
    if (options.host.empty()) options.host = default_host;
    const json::value* skip = docker->get_object().if_contains("SkipTLSVerify");
    options.trust.verify = !(skip && skip->is_bool() && skip->get_bool());
    options.tls = take_certificates(folder / "contexts" / "tls" / id / "docker", options.trust) ||
                  !options.trust.verify;
    parse_address(options.host, options.tls);
    return options;
  });
}

}  // namespace

Address parse_address(const std::string& host, bool tls) {
  constexpr std::string_view unix_scheme = "unix://", tcp_scheme = "tcp://";
  if (host.starts_with(unix_scheme)) {
    std::string path = host.substr(unix_scheme.size());
    if (!path.starts_with('/')) {
      throw Error(ErrorKind::invalid, concat("engine host \"", host,
                                             "\": a socket needs its whole path, as in "
                                             "unix:///var/run/docker.sock"));
    }
    return {"http://docker", std::move(path)};
  }
  if (host.starts_with(tcp_scheme)) {
    std::string rest = host.substr(tcp_scheme.size());
    while (rest.ends_with('/')) rest.pop_back();
    if (rest.empty() || rest.find_first_of("/@?# ") != std::string::npos) {
      throw Error(ErrorKind::invalid,
                  concat("engine host \"", host, "\": expected tcp://host:port, nothing more"));
    }
    // A port stands after the last ':', unless that belongs to a bracketed IPv6 address.
    const std::size_t colon = rest.rfind(':');
    const bool port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
    if (!port) rest.append(tls ? ":2376" : ":2375");
    return {concat(tls ? "https://" : "http://", rest), {}};
  }
  throw Error(ErrorKind::invalid,
              concat("engine host \"", host,
                     "\": only unix:///path and tcp://host:port are possible (instead of ssh://, "
                     "forward the socket: ssh -NL /run/engine.sock:/var/run/docker.sock HOST)"));
}

Options options_from(const Variable& variable) {
  const fs::path folder = docker_folder(variable);
  Options options;
  options.host = variable("DOCKER_HOST");
  if (options.host.empty()) {
    const std::string context = current_context(variable, folder);
    if (!context.empty() && context != "default") return options_of_context(context, folder);
    options.host = default_host;
    return options;
  }
  const bool verify = !variable("DOCKER_TLS_VERIFY").empty();
  if (verify || !variable("DOCKER_TLS").empty()) {
    options.tls = true;
    options.trust.verify = verify;
    const std::string certificates = variable("DOCKER_CERT_PATH");
    take_certificates(certificates.empty() ? folder : fs::path(certificates), options.trust);
  }
  parse_address(options.host, options.tls);
  return options;
}

Options options_from_environment() {
  return options_from([](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return std::string(value ? value : "");
  });
}

}  // namespace lighterman::engine
