#include "support/background.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>
#include <thread>

#include "core/error.hpp"
#include "os/program.hpp"

namespace lighterman::support {

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  const bool good = ::bind(socket, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                    ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  ::close(socket);
  if (!good) throw Error(ErrorKind::internal, "no free port on 127.0.0.1");
  return ntohs(address.sin_port);
}

bool accepts(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool good =
      ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return good;
}

Background::Background(const Start& start) {
  for (const std::string& needed : {std::string("setpriv"), start.command.at(0)})
    if (os::find_program(needed).empty())
      throw Error(ErrorKind::not_found, concat("the test needs the program ", needed));

  // A test that crashes runs no destructor; the kernel then ends what it started.
  std::vector<std::string> words{"setpriv", "--pdeathsig", "KILL", "--"};
  words.insert(words.end(), start.command.begin(), start.command.end());
  std::vector<std::string> settings;
  for (char** entry = environ; *entry; ++entry)
    if (!start.environment.contains(split(*entry, '=').front())) settings.emplace_back(*entry);
  for (const auto& [name, value] : start.environment) settings.push_back(concat(name, "=", value));
  std::vector<char*> arguments, environment;
  for (std::string& word : words) arguments.push_back(word.data());
  for (std::string& setting : settings) environment.push_back(setting.data());
  arguments.push_back(nullptr);
  environment.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  constexpr int append = O_WRONLY | O_CREAT | O_APPEND;
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, start.out.c_str(), append, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, start.err.c_str(), append, 0600);
  if (!start.folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, start.folder.c_str());
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  const int reason =
      posix_spawnp(&pid_, "setpriv", &actions, &attributes, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (reason != 0)
    throw Error(ErrorKind::internal, concat("starting ", start.command.front(), ": ",
                                            std::generic_category().message(reason)));
}

Background::~Background() {
  if (exit_code_) return;
  signal(SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool Background::alive() { return !wait(std::chrono::milliseconds(0)); }

void Background::signal(int number) const {
  if (!exit_code_) ::kill(-pid_, number);
}

std::optional<int> Background::wait(std::chrono::milliseconds timeout) {
  eventually(
      [&] {
        int status = 0;
        if (!exit_code_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
          exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return exit_code_.has_value();
      },
      timeout);
  return exit_code_;
}

}  // namespace lighterman::support
