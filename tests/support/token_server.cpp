#include "support/token_server.hpp"

#include <httplib.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <boost/json.hpp>
#include <thread>

#include "core/error.hpp"
#include "core/text.hpp"
#include "core/time.hpp"
#include "os/hash.hpp"
#include "os/program.hpp"

namespace lighterman::support {
namespace json = boost::json;
namespace {

constexpr const char* service = "registry of a test";
constexpr const char* issuer = "tokens of a test";

std::string signature_of(const std::filesystem::path& key_file, const std::string& text) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(key_file.c_str(), "r"),
                                                             &std::fclose);
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
      PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   &EVP_MD_CTX_free);
  std::size_t size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get());
  EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size());
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     bytes, text.size()) != 1)
    throw Error(ErrorKind::internal, "cannot sign a token");
  signature.resize(size);
  return signature;
}

std::string unpadded(const std::string& bytes) {
  std::string text = render_base64url(bytes);
  while (text.ends_with('=')) text.pop_back();
  return text;
}

}  // namespace

struct TokenServer::Inside {
  Inside(std::string name, std::string word) : user(std::move(name)), password(std::move(word)) {
    const os::Outcome made = os::perform(
        {.name = "openssl",
         .arguments = {"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem",
                       "-out", "certificate.pem", "-days", "2", "-subj", "/CN=Tokens"},
         .folder = folder.path()});
    if (made.exit_code != 0)
      throw Error(ErrorKind::internal, concat("openssl failed: ", made.errors));
    server.Get("/token", [this](const httplib::Request& request, httplib::Response& reply) {
      answer(request, reply);
    });
    port = server.bind_to_any_port("127.0.0.1");
    thread = std::thread([this] { server.listen_after_bind(); });
    while (!server.is_running()) std::this_thread::yield();
  }
  ~Inside() {
    server.stop();
    thread.join();
  }

  void answer(const httplib::Request& request, httplib::Response& reply) {
    const std::string wanted = concat("Basic ", render_base64(concat(user, ':', password)));
    if (request.get_header_value("Authorization") != wanted ||
        request.get_param_value("service") != service) {
      reply.status = 401;
      return;
    }
    json::array access;
    const std::lock_guard lock(mutex);
    callers.insert(request.get_header_value("User-Agent"));
    for (const auto& [name, value] : request.params)
      if (name == "scope") grant(value, access);
    reply.set_content(json::serialize(json::object{{"token", token(access)}, {"expires_in", 300}}),
                      "application/json");
  }
  /// "repository:acme/shop:pull,push"
  void grant(const std::string& scope, json::array& access) {
    scopes.push_back(scope);
    const auto parts = split(scope, ':');
    if (parts.size() != 3) return;
    json::array actions;
    for (const std::string& action : split(parts[2], ','))
      if (action == "pull" || !protected_names.contains(parts[1])) actions.emplace_back(action);
    access.push_back({{"type", parts[0]}, {"name", parts[1]}, {"actions", std::move(actions)}});
  }
  std::string token(const json::array& access) const {
    std::string certificate = os::read_file(folder.path() / "certificate.pem");
    const std::string head = "-----BEGIN CERTIFICATE-----";
    certificate = certificate.substr(certificate.find(head) + head.size());
    certificate = certificate.substr(0, certificate.find("-----END"));
    std::erase(certificate, '\n');
    const std::int64_t now =
        std::chrono::duration_cast<std::chrono::seconds>(system_now().time_since_epoch()).count();
    const json::object header{
        {"typ", "JWT"}, {"alg", "RS256"}, {"x5c", json::array{json::string(certificate)}}};
    const json::object claims{{"iss", issuer},          {"sub", user},     {"aud", service},
                              {"exp", now + 300},       {"nbf", now - 10}, {"iat", now},
                              {"jti", os::random_id()}, {"access", access}};
    const std::string text =
        concat(unpadded(json::serialize(header)), '.', unpadded(json::serialize(claims)));
    return concat(text, '.', unpadded(signature_of(folder.path() / "key.pem", text)));
  }

  const std::string user, password;
  os::ScratchFolder folder;
  std::mutex mutex;
  std::set<std::string> protected_names;
  std::vector<std::string> scopes;
  std::set<std::string> callers;
  httplib::Server server;
  int port = 0;
  std::thread thread;
};

TokenServer::TokenServer(std::string user, std::string password)
    : inside_(std::make_unique<Inside>(std::move(user), std::move(password))) {}
TokenServer::~TokenServer() = default;

RealRegistry::Options::Tokens TokenServer::for_registry() const {
  return {concat("http://127.0.0.1:", inside_->port, "/token"), service, issuer,
          inside_->folder.path() / "certificate.pem"};
}
void TokenServer::protect(const std::string& repository) {
  const std::lock_guard lock(inside_->mutex);
  inside_->protected_names.insert(repository);
}
std::vector<std::string> TokenServer::scopes() const {
  const std::lock_guard lock(inside_->mutex);
  return inside_->scopes;
}
std::set<std::string> TokenServer::callers() const {
  const std::lock_guard lock(inside_->mutex);
  return inside_->callers;
}

}  // namespace lighterman::support
