#include "support/registry.hpp"

#include <unistd.h>

#include "core/error.hpp"
#include "os/program.hpp"

namespace lighterman::support {
namespace {

constexpr std::uint64_t log_limit = std::uint64_t{256} << 20;

std::string must(os::Program program) {
  program.timeout = std::chrono::seconds(30);
  const os::Outcome outcome = os::perform(program);
  if (outcome.exit_code != 0)
    throw Error(ErrorKind::internal, concat(program.name, " failed: ", outcome.errors));
  return outcome.output;
}

void openssl(const std::filesystem::path& folder, std::vector<std::string> arguments) {
  must({.name = "openssl", .arguments = std::move(arguments), .folder = folder});
}

std::string text_of(const std::filesystem::path& file) {
  return std::filesystem::exists(file) ? os::read_file(file, log_limit) : std::string();
}

}  // namespace

RealRegistry::RealRegistry(Options options) : options_(std::move(options)), port_(free_port()) {
  if (options_.tls) make_certificates();
  if (options_.user)
    os::replace_file(folder_.path() / "htpasswd",
                     must({.name = "htpasswd",
                           .arguments = {"-Bbn", options_.user->first, options_.user->second}}));
  write_configuration();
  start();
}

RealRegistry::~RealRegistry() = default;

void RealRegistry::make_certificates() {
  const std::filesystem::path& folder = folder_.path();
  openssl(folder,
          {"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
           "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority"});
  openssl(folder, {"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                   "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"});
  os::replace_file(folder / "server.ext", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  openssl(folder,
          {"x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
           "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "server.ext"});
  openssl(folder, {"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                   "-keyout", "client.key", "-out", "client.csr", "-subj", "/CN=client"});
  openssl(folder, {"x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                   "-CAcreateserial", "-out", "client.pem", "-days", "2"});
}

void RealRegistry::write_configuration() {
  const std::string folder = folder_.path().native();
  // Without a lasting secret, uploads that were under way would be lost with the restart.
  std::string text = concat(
      "version: 0.1\n"
      "log: {accesslog: {disabled: false}, level: warn}\n"
      "storage:\n"
      "  filesystem: {rootdirectory: ",
      folder,
      "/data}\n"
      "  delete: {enabled: ",
      options_.deletes ? "true" : "false",
      "}\n"
      "  maintenance: {uploadpurging: {enabled: false}}\n"
      "http:\n"
      "  addr: 127.0.0.1:",
      port_,
      "\n"
      "  secret: the-same-after-a-restart\n");
  if (options_.tls)
    text += concat("  tls: {certificate: ", folder, "/server.pem, key: ", folder, "/server.key",
                   options_.client_certificate ? concat(", clientcas: [", folder, "/ca.pem]") : "",
                   "}\n");
  if (options_.user)
    text += concat("auth:\n  htpasswd: {realm: test, path: ", folder, "/htpasswd}\n");
  if (options_.tokens)
    text += concat("auth:\n  token: {realm: \"", options_.tokens->realm, "\", service: \"",
                   options_.tokens->service, "\", issuer: \"", options_.tokens->issuer,
                   "\", rootcertbundle: ", options_.tokens->certificates.native(), "}\n");
  if (!options_.mirror_of.empty())
    text += concat("proxy: {remoteurl: \"", options_.mirror_of, "\"}\n");
  os::replace_file(folder_.path() / "config.yml", text);
}

void RealRegistry::stop() { program_.reset(); }

void RealRegistry::start() {
  program_ = std::make_unique<Background>(Background::Start{
      .command = {"docker-registry", "serve", (folder_.path() / "config.yml").native()},
      .environment = {{"OTEL_TRACES_EXPORTER", "none"}},
      .folder = folder_.path(),
      .out = folder_.path() / "access.log",
      .err = folder_.path() / "registry.log"});
  eventually([&] { return accepts(port_) || !program_->alive(); }, std::chrono::seconds(30));
  if (!program_->alive() || !accepts(port_))
    throw Error(ErrorKind::internal, concat("docker-registry did not start: ", log()));
}

std::string RealRegistry::host() const { return concat("127.0.0.1:", port_); }
std::string RealRegistry::url() const {
  return concat(options_.tls ? "https://" : "http://", host());
}
std::filesystem::path RealRegistry::ca_file() const { return folder_.path() / "ca.pem"; }

std::filesystem::path RealRegistry::client_certificate_file() const {
  return folder_.path() / "client.pem";
}
std::filesystem::path RealRegistry::client_key_file() const {
  return folder_.path() / "client.key";
}

std::string RealRegistry::access_log() const { return text_of(folder_.path() / "access.log"); }

std::size_t RealRegistry::count_requests(const std::string& method, const std::string& path) const {
  std::size_t count = 0;
  for (const std::string& line : split(access_log(), '\n')) {
    const std::size_t at = line.find(concat("\"", method, " "));
    if (at != std::string::npos && line.find(path, at) != std::string::npos) ++count;
  }
  return count;
}

void RealRegistry::clear_access_log() {
  // The registry appends, so it goes on at the new end.
  if (::truncate((folder_.path() / "access.log").c_str(), 0) != 0)
    throw Error(ErrorKind::internal, "cannot empty the registry's access log");
}

void RealRegistry::lose_blob(const std::string& digest) {
  const std::string hex = digest.substr(digest.find(':') + 1);
  if (std::filesystem::remove_all(folder_.path() / "data/docker/registry/v2/blobs/sha256" /
                                  hex.substr(0, 2) / hex) == 0)
    throw Error(ErrorKind::not_found, concat("the registry has no blob ", digest));
}

std::string RealRegistry::log() const { return text_of(folder_.path() / "registry.log"); }

}  // namespace lighterman::support
