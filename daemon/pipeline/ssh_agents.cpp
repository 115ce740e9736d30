#include "pipeline/ssh_agents.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/program.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::chrono::milliseconds between_looks{20};
constexpr int looks = 250;

void require(const std::string& program) {
  if (!os::find_program(program).empty()) return;
  throw Error(ErrorKind::not_found,
              concat("an ssh key needs the program ", program,
                     " (package openssh-client); or give the socket of an agent: agent:SOCKET"));
}

/// ssh-agent runs beside a program and ends with it.
void run_agent(const std::string& socket, std::chrono::seconds limit, const std::stop_token& stop) {
  try {
    os::perform({.name = "ssh-agent",
                 .arguments = {"-a", socket, "sleep", std::to_string(limit.count())},
                 .timeout = limit + std::chrono::minutes(1)},
                stop);
  } catch (const Error&) {
    // Stopped, or it did not start: whoever waits for the socket sees it.
  }
}

}  // namespace

std::string SshAgents::socket(const std::string& id) {
  const auto place = places_.find(id);
  if (place == places_.end()) return {};
  const std::size_t colon = place->second.find(':');
  const std::string path = place->second.substr(colon + 1);
  if (place->second.starts_with("agent:")) return path;

  const std::lock_guard lock(mutex_);
  const auto known = agents_.find(id);
  if (known != agents_.end()) return known->second->socket;
  require("ssh-agent");
  require("ssh-add");
  auto agent = std::make_unique<Agent>();
  const std::string socket = (agent->folder.path() / "agent").native();
  const auto limit =
      std::chrono::ceil<std::chrono::seconds>(limit_.count() > 0 ? limit_ : std::chrono::hours(24));
  agent->program = std::jthread(
      [socket, limit](const std::stop_token& stop) { run_agent(socket, limit, stop); });
  for (int look = 0; look < looks && !std::filesystem::exists(socket); ++look) {
    std::this_thread::sleep_for(between_looks);
  }
  const os::Outcome added = os::perform(
      {.name = "ssh-add", .arguments = {"-q", path}, .environment = {{"SSH_AUTH_SOCK", socket}}});
  if (added.exit_code != 0) {
    throw Error(ErrorKind::invalid,
                concat("ssh key \"", id, "\": ", trim(concat(added.errors, added.output)),
                       "; a key with a passphrase needs an agent of yours: agent:SOCKET"));
  }
  agent->socket = socket;
  agents_[id] = std::move(agent);
  return socket;
}

}  // namespace lighterman::pipeline
