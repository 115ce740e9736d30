#include "engine/agent_door.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
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

/// Cuts what a build says to an agent into messages (draft-miller-ssh-agent, section 3), and knows
/// which of them a build may send: it asks for keys and for signatures, and changes nothing.
class AgentQuestions {
 public:
  void write(std::string_view bytes) { waiting_ += bytes; }
  /// The next whole message with its length; empty: there is none yet. Error(invalid) for one that
  /// no agent would take.
  std::string next() {
    if (waiting_.size() < 5) return {};
    std::uint32_t length = 0;
    for (int at = 0; at < 4; ++at) {
      length = length << 8 | static_cast<unsigned char>(waiting_[static_cast<std::size_t>(at)]);
    }
    constexpr std::uint32_t longest = 256 << 10;
    if (length == 0 || length > longest) {
      throw Error(ErrorKind::invalid, "the build sent the SSH agent what is no message");
    }
    if (waiting_.size() < 4 + length) return {};
    std::string message = waiting_.substr(0, 4 + length);
    waiting_.erase(0, message.size());
    return message;
  }
  static bool may_pass(const std::string& message) {
    constexpr char request_identities = 11, sign_request = 13;
    return message[4] == request_identities || message[4] == sign_request;
  }
  static constexpr std::string_view failure{"\0\0\0\1\5", 5};  ///< SSH_AGENT_FAILURE

 private:
  std::string waiting_;
};

/// Several threads answer on one stream.
class Answers {
 public:
  explicit Answers(AgentDoor::Stream& stream) : stream_(stream) {}
  bool write(std::string_view bytes) {
    AgentDoor::Message message;
    message.set_data(bytes.data(), bytes.size());
    const std::lock_guard lock(mutex_);
    return stream_.Write(message);
  }

 private:
  AgentDoor::Stream& stream_;
  std::mutex mutex_;
};

/// Until the build is done with the agent, or gone.
void pass_on(AgentDoor::Stream& stream, const Connection& agent, Answers& answers) {
  AgentQuestions questions;
  for (AgentDoor::Message message; stream.Read(&message);) {
    questions.write(message.data());
    for (std::string next = questions.next(); !next.empty(); next = questions.next()) {
      const bool passed =
          AgentQuestions::may_pass(next) ? agent.put(next) : answers.write(AgentQuestions::failure);
      if (!passed) return;
    }
  }
}

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
    Answers answers(*stream);
    std::atomic<bool> asked_all = false;
    const std::jthread reader([&] {
      try {
        pass_on(*stream, agent, answers);
      } catch (const std::exception&) {
        // A thread's door: whoever speaks like that is not listened to any more.
        agent.end();
      }
      asked_all = true;
      // An agent that waits for its owner's consent must not keep a build that is over.
      if (context->IsCancelled()) {
        agent.end();
      } else {
        agent.end_writing();
      }
    });
    char buffer[16384];
    while (const std::size_t count = agent.get(buffer, sizeof buffer)) {
      if (!answers.write({buffer, count})) break;
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
