#include "engine/agent_door.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "core/text.hpp"

namespace lighterman::engine {
namespace {

::grpc::Status not_found(const std::string& id) {
  return {::grpc::StatusCode::NOT_FOUND,
          concat("the configuration gives this image no ssh key \"", id, '"')};
}

/// A connection to a Unix socket; -1: nobody listens there.
class Connection {
 public:
  explicit Connection(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return;
    std::copy(path.begin(), path.end(), address.sun_path);
    descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return;
    ::close(descriptor_);
    descriptor_ = -1;
  }
  ~Connection() {
    if (is_open()) ::close(descriptor_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool is_open() const noexcept { return descriptor_ >= 0; }
  bool put(std::string_view bytes) const noexcept {
    while (!bytes.empty()) {
      const ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  /// How many bytes came; 0: the end.
  std::size_t get(char* into, std::size_t room) const noexcept {
    const ssize_t count = ::recv(descriptor_, into, room, 0);
    return count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  void end_writing() const noexcept { ::shutdown(descriptor_, SHUT_WR); }
  void end() const noexcept { ::shutdown(descriptor_, SHUT_RDWR); }

 private:
  int descriptor_ = -1;
};

}  // namespace

// NOLINTBEGIN(readability-identifier-naming)

std::string AgentDoor::socket_of(const std::string& id) const {
  return build_.ssh_agent ? build_.ssh_agent(id.empty() ? "default" : id) : std::string();
}

::grpc::Status AgentDoor::CheckAgent(::grpc::ServerContext*,
                                     const ::moby::sshforward::v1::CheckAgentRequest* question,
                                     ::moby::sshforward::v1::CheckAgentResponse*) {
  try {
    return socket_of(question->id()).empty() ? not_found(question->id()) : ::grpc::Status::OK;
  } catch (const std::exception& error) {
    // gRPC's door: the failure becomes the answer.
    return {::grpc::StatusCode::INTERNAL, error.what()};
  }
}

::grpc::Status AgentDoor::ForwardAgent(::grpc::ServerContext* context, Stream* stream) {
  try {
    const auto& metadata = context->client_metadata();
    const auto given = metadata.find("buildkit.ssh.id");
    const std::string id =
        given == metadata.end() ? "" : std::string(given->second.data(), given->second.size());
    const std::string socket = socket_of(id);
    if (socket.empty()) return not_found(id);
    const Connection agent(socket);
    if (!agent.is_open()) {
      return {::grpc::StatusCode::UNAVAILABLE,
              concat("the SSH agent of \"", id, "\" does not answer: does it run?")};
    }
    std::atomic<bool> asked_all = false;
    const std::jthread reader([&] {
      Message message;
      while (stream->Read(&message) && agent.put(message.data())) {
      }
      // The build is done with it, or gone.
      asked_all = true;
      agent.end_writing();
    });
    char buffer[16384];
    Message message;
    while (const std::size_t count = agent.get(buffer, sizeof buffer)) {
      message.set_data(buffer, count);
      if (!stream->Write(message)) break;
    }
    agent.end();
    // The agent hung up, and the reader still waits for the engine.
    if (!asked_all) context->TryCancel();
    return ::grpc::Status::OK;
  } catch (const std::exception& error) {
    // gRPC's door: the failure becomes the answer.
    return {::grpc::StatusCode::INTERNAL, error.what()};
  }
}

// NOLINTEND(readability-identifier-naming)

}  // namespace lighterman::engine
