#pragma once

#include "engine/engine.hpp"
#include "proto/ssh.grpc.pb.h"

namespace lighterman::engine {

/// Lets RUN --mount=type=ssh speak with an SSH agent of ours (moby/buildkit, session/sshforward).
/// Calls come on gRPC's threads, several at once.
// gRPC's names of methods are what they are.
// NOLINTBEGIN(readability-identifier-naming)
class AgentDoor final : public ::moby::sshforward::v1::SSH::Service {
 public:
  using Message = ::moby::sshforward::v1::BytesMessage;
  using Stream = ::grpc::ServerReaderWriter<Message, Message>;

  explicit AgentDoor(const BuildRequest& build) : build_(build) {}

  ::grpc::Status CheckAgent(::grpc::ServerContext*,
                            const ::moby::sshforward::v1::CheckAgentRequest* question,
                            ::moby::sshforward::v1::CheckAgentResponse*) override;
  ::grpc::Status ForwardAgent(::grpc::ServerContext* context, Stream* stream) override;

 private:
  std::string socket_of(const std::string& id) const;

  const BuildRequest& build_;
};
// NOLINTEND(readability-identifier-naming)

}  // namespace lighterman::engine
