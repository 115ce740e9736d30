#include "engine/session.hpp"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>

#include <chrono>

#include "engine/agent_door.hpp"
#include "engine/file_sync.hpp"
#include "engine/token_authority.hpp"
#include "net/upgrade.hpp"
#include "os/hash.hpp"
#include "proto/auth.grpc.pb.h"
#include "proto/health.grpc.pb.h"
#include "proto/secrets.grpc.pb.h"

namespace lighterman::engine {
namespace {

namespace filesync = ::moby::filesync::v1;
namespace secrets = ::moby::buildkit::secrets::v1;
namespace health = ::grpc::health::v1;

// gRPC's names of methods are what they are.
// NOLINTBEGIN(readability-identifier-naming)

/// One door between gRPC and us: a failure becomes the answer, and the engine shows its text.
template <class Work>
::grpc::Status guarded(Work&& work) noexcept {
  try {
    return work();
  } catch (const std::exception& error) {
    return {::grpc::StatusCode::INTERNAL, error.what()};
  }
}

/// Engines ask for the Hub by the name of its server, everybody else calls it docker.io.
std::string host_of(const std::string& asked) {
  const bool hub = asked == "registry-1.docker.io" || asked == "index.docker.io" ||
                   asked == "https://index.docker.io/v1/";
  return hub ? "docker.io" : asked;
}

class Auth final : public filesync::Auth::Service {
 public:
  explicit Auth(const BuildRequest& build) : build_(build) {}

  ::grpc::Status Credentials(::grpc::ServerContext*, const filesync::CredentialsRequest* question,
                             filesync::CredentialsResponse* answer) override {
    return guarded([&] {
      // An empty answer means: nobody in particular.
      const std::optional<Login> login =
          build_.login ? build_.login(host_of(question->host())) : std::nullopt;
      if (login && !login->identity_token.empty()) {
        answer->set_secret(login->identity_token.reveal());
      } else if (login) {
        answer->set_username(login->username);
        answer->set_secret(login->password.reveal());
      }
      return ::grpc::Status::OK;
    });
  }
  ::grpc::Status GetTokenAuthority(::grpc::ServerContext*,
                                   const filesync::GetTokenAuthorityRequest* question,
                                   filesync::GetTokenAuthorityResponse* answer) override {
    return with_login(question->host(), [&](const std::string& host, const Login& login) {
      answer->set_publickey(token_authority(host, login, question->salt()).public_key());
    });
  }
  ::grpc::Status VerifyTokenAuthority(::grpc::ServerContext*,
                                      const filesync::VerifyTokenAuthorityRequest* question,
                                      filesync::VerifyTokenAuthorityResponse* answer) override {
    return with_login(question->host(), [&](const std::string& host, const Login& login) {
      // As NaCl has it: the payload behind its signature.
      const std::string& payload = question->payload();
      answer->set_signed_(token_authority(host, login, question->salt()).sign(payload) + payload);
    });
  }
  ::grpc::Status FetchToken(::grpc::ServerContext*, const filesync::FetchTokenRequest* question,
                            filesync::FetchTokenResponse* answer) override {
    return with_login(question->host(), [&](const std::string& host, const Login&) {
      const RegistryToken token =
          build_.token({host,
                        question->realm(),
                        question->service(),
                        {question->scopes().begin(), question->scopes().end()}});
      answer->set_token(token.value.reveal());
      answer->set_expiresin(token.life.count());
      answer->set_issuedat(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
    });
  }

 private:
  /// Where we have no login, the engine fetches tokens itself, as anybody may.
  template <class Work>
  ::grpc::Status with_login(const std::string& asked, Work&& work) noexcept {
    return guarded([&]() -> ::grpc::Status {
      const std::string host = host_of(asked);
      const std::optional<Login> login =
          build_.token && build_.login ? build_.login(host) : std::nullopt;
      if (!login) return {::grpc::StatusCode::UNAVAILABLE, "there is no login for this registry"};
      work(host, *login);
      return ::grpc::Status::OK;
    });
  }

  const BuildRequest& build_;
};

class Secrets final : public secrets::Secrets::Service {
 public:
  explicit Secrets(const BuildRequest& build) : build_(build) {}

  ::grpc::Status GetSecret(::grpc::ServerContext*, const secrets::GetSecretRequest* question,
                           secrets::GetSecretResponse* answer) override {
    return guarded([&]() -> ::grpc::Status {
      // Newer engines also ask for credentials of the context's address by such names.
      const bool ours = !question->id().starts_with("HTTP_AUTH_");
      const std::optional<Secret> found =
          ours && build_.secret ? build_.secret(question->id()) : std::nullopt;
      if (!found) return {::grpc::StatusCode::NOT_FOUND, "not found"};
      answer->set_data(found->reveal());
      return ::grpc::Status::OK;
    });
  }

 private:
  const BuildRequest& build_;
};

class Health final : public health::Health::Service {
 public:
  ::grpc::Status Check(::grpc::ServerContext*, const health::HealthCheckRequest*,
                       health::HealthCheckResponse* answer) override {
    answer->set_status(health::HealthCheckResponse::SERVING);
    return ::grpc::Status::OK;
  }
};

// NOLINTEND(readability-identifier-naming)

}  // namespace

struct Session::Inside {
  explicit Inside(const BuildRequest& build)
      : auth(build), secrets(build), files(build), agents(build) {}

  std::string id = os::random_id();
  Health health;
  Auth auth;
  Secrets secrets;
  FileSync files;
  AgentDoor agents;
  // The connection ends after the server that speaks on it.
  std::optional<net::Upgraded> connection;
  std::unique_ptr<::grpc::Server> server;
};

Session::Session(net::Request open, const BuildRequest& build, const std::stop_token& stop)
    : inside_(std::make_unique<Inside>(build)) {
  ::grpc::ServerBuilder builder;
  builder.RegisterService(&inside_->health);
  builder.RegisterService(&inside_->auth);
  builder.RegisterService(&inside_->secrets);
  builder.RegisterService(&inside_->files);
  builder.RegisterService(&inside_->agents);
  // The engine asks little, so one queue and two threads are plenty.
  builder.SetSyncServerOption(::grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetSyncServerOption(::grpc::ServerBuilder::SyncServerOption::MIN_POLLERS, 1);
  builder.SetSyncServerOption(::grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
  inside_->server = builder.BuildAndStart();
  if (!inside_->server) {
    throw Error(ErrorKind::internal, "the build session's gRPC server did not start");
  }

  for (auto [name, value] : {std::pair("Connection", "Upgrade"), std::pair("Upgrade", "h2c"),
                             std::pair("X-Docker-Expose-Session-Name", "lighterman")}) {
    open.headers.add(name, value);
  }
  // All clients with an empty key would share what the engine keeps of their contexts.
  open.headers.add("X-Docker-Expose-Session-Sharedkey",
                   build.context_key.empty() ? inside_->id : build.context_key);
  open.headers.add("X-Docker-Expose-Session-Uuid", inside_->id);
  // The engine believes that a method it is not told of does not exist.
  for (const char* method :
       {"/grpc.health.v1.Health/Check", "/moby.filesync.v1.Auth/Credentials",
        "/moby.filesync.v1.Auth/FetchToken", "/moby.filesync.v1.Auth/GetTokenAuthority",
        "/moby.filesync.v1.Auth/VerifyTokenAuthority",
        "/moby.buildkit.secrets.v1.Secrets/GetSecret", "/moby.filesync.v1.FileSync/DiffCopy",
        "/moby.sshforward.v1.SSH/CheckAgent", "/moby.sshforward.v1.SSH/ForwardAgent"}) {
    open.headers.add("X-Docker-Expose-Session-Grpc-Method", method);
  }
  inside_->connection.emplace(net::Upgraded::open(open, stop));
  ::grpc::AddInsecureChannelFromFd(inside_->server.get(), inside_->connection->take_descriptor());
}

Session::~Session() {
  // Calls that wait for nothing but the engine are ended at once.
  if (inside_->server) inside_->server->Shutdown(std::chrono::system_clock::now());
}

const std::string& Session::id() const noexcept { return inside_->id; }
const FileSync& Session::files() const noexcept { return inside_->files; }

}  // namespace lighterman::engine
