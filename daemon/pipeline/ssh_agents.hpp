#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "os/file.hpp"

namespace lighterman::pipeline {

/// The SSH agents that one build may use. A key gets an agent of its own (ssh-agent(1)) when it is
/// first asked for, which ends with this, or after `limit`. Any thread.
class SshAgents {
 public:
  /// `places`: id -> "file:PATH" of a private key or "agent:SOCKET".
  SshAgents(const std::map<std::string, std::string>& places, std::chrono::milliseconds limit)
      : places_(places), limit_(limit) {}
  SshAgents(const SshAgents&) = delete;
  SshAgents& operator=(const SshAgents&) = delete;

  /// The agent's socket; empty: there is no such id. Error(invalid or not_found) with ssh's words
  /// when the key cannot be used or ssh-agent is not installed.
  std::string socket(const std::string& id);

 private:
  struct Agent {
    os::ScratchFolder folder;
    std::string socket;
    std::jthread program;
  };

  const std::map<std::string, std::string>& places_;
  const std::chrono::milliseconds limit_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Agent>> agents_;
};

}  // namespace lighterman::pipeline
