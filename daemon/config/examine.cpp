#include <unistd.h>

#include <boost/json/serialize.hpp>

#include "config/rows.hpp"
#include "config/status.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "net/network.hpp"
#include "net/url.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "os/program.hpp"

namespace lighterman::config {
namespace {

using Weight = Finding::Weight;

/// Collects findings under the path of what is examined.
class Findings {
 public:
  explicit Findings(std::string file) : file_(std::move(file)) {}

  void add(Weight weight, std::string_view path, std::string text) {
    found_.push_back({weight, concat(file_, ": ", path), std::move(text)});
  }
  void need_secret(const std::string& path, const std::string& place) {
    if (place.empty()) return;
    try {
      os::read_secret(place);
    } catch (const Error& error) {
      add(Weight::error, path, error.what());
    }
  }
  void need_file(const std::string& path, const std::filesystem::path& file) {
    if (!file.empty() && access(file.c_str(), R_OK) != 0)
      add(Weight::error, path,
          concat('"', file.string(), "\" cannot be read (does it exist, and may this user?)"));
  }
  void need_vex(const std::string& file) {
    try {
      scan::waivers_from_openvex({scan::read_vex(file)}, {{}, os::sha256("")});
    } catch (const Error& error) {
      add(Weight::error, "scan.vex", error.what());
    }
  }
  void need_files(const std::string& path, const net::Trust& trust) {
    need_file(path + ".ca", trust.ca_file);
    need_file(path + ".cert", trust.client_certificate_file);
    need_file(path + ".key", trust.client_key_file);
  }
  std::vector<Finding> take() { return std::move(found_); }

 private:
  std::string file_;
  std::vector<Finding> found_;
};

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address.starts_with("localhost:") ||
         address.starts_with("[::1]:");
}

void examine_status(const Source& source, Findings& findings) {
  const std::string path = concat("sources.", source.name, ".status");
  findings.need_secret(path + ".token", source.status->token_place);
  const net::Url api = net::Url::parse(status_place(source).api);
  if (api.scheme == "http" && !api.is_loopback())
    findings.add(Weight::warning, path + ".api",
                 "is http, so that the token can be read on its way; use https");
}

void examine_source(const Source& source, Findings& findings) {
  const std::string path = concat("sources.", source.name);
  findings.need_secret(path + ".secret", source.secret_place);
  findings.need_secret(path + ".password", source.password_place);
  findings.need_secret(path + ".ssh_passphrase", source.ssh_passphrase_place);
  findings.need_file(path + ".ssh_key", source.ssh_key_file);
  findings.need_file(path + ".known_hosts", source.known_hosts_file);
  findings.need_file(path + ".ca", source.ca_file);
  if (source.status) examine_status(source, findings);
  if (source.secret_place.empty() && !source.poll && source.schedules.empty())
    findings.add(Weight::warning, path,
                 "has neither `secret` (webhooks) nor `every` or `schedules`; it is built by the "
                 "API and by catching up only");
  for (const auto& [name, image] : source.images) {
    for (const auto& [id, place] : image.secrets)
      findings.need_secret(concat(path, ".images.", name, ".secrets.", id), place);
    for (const auto& [id, place] : image.ssh)
      findings.need_file(concat(path, ".images.", name, ".ssh.", id),
                         place.substr(place.find(':') + 1));
  }
}

void examine_trivy(const Scan& scan, Findings& findings) {
  const std::string& program = scan.trivy.program;
  if (program.find('/') != std::string::npos) return findings.need_file("scan.program", program);
  if (os::find_program(program).empty())
    findings.add(
        scan.deny_unscanned ? Weight::error : Weight::warning, "scan.program",
        concat("there is no program \"", program, "\" in PATH: install Trivy, or say where it is"));
}

void examine_bases(const Config& config, Findings& findings) {
  const std::filesystem::path folder = config.file.parent_path();
  std::vector<std::string> known;
  for (const auto& [name, file] : config.bases->keys) {
    findings.need_file(concat("bases.keys.", name), folder / file);
    known.push_back(name);
  }
  for (const std::string& name : config.bases->signed_by) {
    if (std::ranges::find(known, name) != known.end()) continue;
    if (config.keys && std::filesystem::exists(config.keys->folder / concat(name, ".pub")))
      continue;
    findings.add(
        Weight::error, "bases.signed_by",
        concat("no key is called \"", name, "\": name its public part in bases.keys",
               config.keys ? ", or make it in keys.folder" : "", did_you_mean(name, known)));
  }
}

/// JSON as the YAML that says the same.
void write(YAML::Emitter& out, const Json& value) {
  if (value.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [key, inner] : value.get_object()) {
      out << YAML::Key << std::string(key) << YAML::Value;
      write(out, inner);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    out << YAML::BeginSeq;
    for (const Json& inner : value.get_array()) write(out, inner);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    const std::string text(value.get_string());
    if (!plain_scalar(text).is_string()) out << YAML::DoubleQuoted;
    out << text;
  } else {
    out << YAML::Load(boost::json::serialize(value));
  }
}

}  // namespace

std::vector<Finding> examine(const Config& config) {
  Findings findings(config.file.string());
  for (const Token& token : config.tokens)
    findings.need_secret(concat("tokens.", token.name), token.place);
  if (config.tokens.empty() && !config.identity && !is_loopback(config.listen))
    findings.add(Weight::warning, "tokens",
                 concat("there are none, so the API answers nobody on ", config.listen,
                        " but the tokens of `lighterman token new`; webhooks work"));
  // By the widest network that holds it too: 0.0.0.0/0.
  const bool trusts_this_machine =
      std::ranges::any_of(config.trusted_proxies, [](const std::string& each) {
        const net::Network network = net::Network::parse(each);
        return network.contains("127.0.0.1") || network.contains("::1");
      });
  if (config.identity && trusts_this_machine)
    findings.add(Weight::warning, "trusted_proxies",
                 "has this machine's own addresses, so with `identity` every local program may say "
                 "that it is anybody; let the proxy come from an address of its own");
  if (config.tokens.empty() && !config.identity && is_loopback(config.listen) &&
      !config.public_url.empty() && !net::Url::parse(config.public_url).is_loopback())
    findings.add(Weight::warning, "tokens",
                 "there are none, and `public_url` says that others reach the API, so it answers "
                 "nobody but the tokens of `lighterman token new`; webhooks work");
  if (config.tls) {
    findings.need_file("tls.cert", config.tls->certificate_file);
    findings.need_file("tls.key", config.tls->key_file);
  }
  for (const engine::Options& each : config.engines)
    findings.need_files(concat("engines.", each.name), each.trust);
  for (const auto& [host, options] : config.registries) {
    findings.need_secret(concat("registries.", host, ".password"), options.password_place);
    findings.need_files(concat("registries.", host), options.trust);
  }
  if (config.keys) {
    findings.need_file("keys.folder", config.keys->folder);
    findings.need_secret("keys.password", config.keys->password_place);
  }
  if (config.bases) examine_bases(config, findings);
  if (config.scan) {
    findings.need_secret("scan.server_token", config.scan->server_token_place);
    if (config.scan->by != ScanBy::harbor) examine_trivy(*config.scan, findings);
    for (const std::string& file : config.scan->vex)
      if (file.starts_with('/')) findings.need_vex(file);
  }
  for (const auto& [name, place] : config.secrets)
    findings.need_secret(concat("secrets.", name), place);
  for (const auto& folder : config.plugin_folders) findings.need_file("plugin_folders", folder);
  if (config.sources.empty())
    findings.add(Weight::warning, "sources", "there are none, so there is nothing to build");
  if (config.public_url.empty() && std::ranges::any_of(config.sources, [](const auto& source) {
        return source.second.status.has_value();
      }))
    findings.add(Weight::warning, "public_url",
                 concat("is not set, so the links of commit statuses lead to ", config.base_url()));
  for (const auto& [name, source] : config.sources) examine_source(source, findings);
  return findings.take();
}

std::string render(const Config& config) {
  YAML::Emitter out;
  write(out, show_object(config, config_rows()));
  return concat(out.c_str(), '\n');
}

boost::json::value schema() {
  Json described = object_schema(config_rows());
  boost::json::object schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                             {"title", "lighterman.yml"}};
  for (const auto& [key, value] : described.as_object()) schema[key] = value;
  return schema;
}

}  // namespace lighterman::config
