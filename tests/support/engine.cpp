#include "support/engine.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "core/error.hpp"
#include "os/hash.hpp"
#include "os/program.hpp"
#include "os/tar.hpp"

namespace lighterman::support {
namespace fs = std::filesystem;

RealEngine::RealEngine(std::vector<std::string> extra_arguments, std::string program)
    : extra_arguments_(std::move(extra_arguments)),
      dockerd_(std::move(program)),
      cgroup_(concat("lighterman-test-", os::random_id())) {
  if (::geteuid() != 0)
    throw Error(ErrorKind::denied, "the test starts a Docker Engine and must run as root");
  for (const std::string& needed : {dockerd_, std::string("containerd"), std::string("runc")})
    if (os::find_program(needed).empty())
      throw Error(ErrorKind::not_found, concat("the test needs the program ", needed));
  start();
}

RealEngine::~RealEngine() {
  stop();
  remove_cgroups();
}

void RealEngine::start() {
  const fs::path& folder = folder_.path();
  // Numbers of the processes that were killed mean others now.
  std::error_code ignored;
  fs::remove(folder / "pid", ignored);
  fs::remove(folder / "docker.sock", ignored);
  fs::remove_all(folder / "exec", ignored);
  // In namespaces of its own, so that its end takes every container and every mount along.
  std::vector<std::string> command{"unshare",
                                   "--pid",
                                   "--mount",
                                   "--fork",
                                   "--kill-child=SIGKILL",
                                   "--mount-proc",
                                   dockerd_,
                                   "--data-root=" + (folder / "data").native(),
                                   "--exec-root=" + (folder / "exec").native(),
                                   "--host=" + address(),
                                   "--pidfile=" + (folder / "pid").native(),
                                   "--cgroup-parent=/" + cgroup_,
                                   "--iptables=false",
                                   "--ip6tables=false",
                                   "--bridge=none"};
  command.insert(command.end(), extra_arguments_.begin(), extra_arguments_.end());
  program_ = std::make_unique<Background>(Background::Start{.command = command,
                                                            .environment = {},
                                                            .folder = folder,
                                                            .out = folder / "log",
                                                            .err = folder / "log"});
  const auto answers = [&] { return ask_socket(socket(), "GET", "/_ping").status == 200; };
  eventually([&] { return answers() || !program_->alive(); }, std::chrono::seconds(60));
  if (!program_->alive() || !answers())
    throw Error(ErrorKind::internal, concat("dockerd did not start: ", log()));
}

void RealEngine::stop() {
  if (!program_) return;
  program_->signal(SIGTERM);
  program_->wait(std::chrono::seconds(20));
  program_.reset();
}

void RealEngine::kill() { program_.reset(); }

std::string RealEngine::socket() const { return (folder_.path() / "docker.sock").native(); }
std::string RealEngine::address() const { return concat("unix://", socket()); }
std::string RealEngine::log() const {
  const fs::path file = folder_.path() / "log";
  return fs::exists(file) ? os::read_file(file, std::uint64_t{64} << 20) : std::string();
}

void RealEngine::remove_cgroups() const noexcept {
  std::error_code ignored;
  std::vector<fs::path> roots{fs::path("/sys/fs/cgroup") / cgroup_};
  for (const auto& entry : fs::directory_iterator("/sys/fs/cgroup", ignored))
    roots.push_back(entry.path() / cgroup_);
  for (const fs::path& root : roots) {
    std::vector<fs::path> groups;
    for (auto at = fs::recursive_directory_iterator(root, ignored);
         !ignored && at != fs::recursive_directory_iterator(); at.increment(ignored))
      if (at->is_directory(ignored)) groups.push_back(at->path());
    // Only empty groups can be removed, the innermost first.
    std::sort(groups.rbegin(), groups.rend());
    for (const fs::path& group : groups) ::rmdir(group.c_str());
    ::rmdir(root.c_str());
  }
}

void RealEngine::import_busybox(const std::string& reference) {
  constexpr const char* program = "/bin/busybox";
  if (!fs::exists(program))
    throw Error(ErrorKind::not_found, "the test needs /bin/busybox (package busybox-static)");
  using Type = os::TarEntry::Type;
  std::string image;
  os::TarWriter tar([&](std::string_view bytes) { image += bytes; });
  for (const char* folder : {"bin", "etc", "root"})
    tar.add({.path = folder, .type = Type::folder, .mode = 0755});
  tar.add({.path = "tmp", .type = Type::folder, .mode = 01777});
  const std::string bytes = os::read_file(program, 64 << 20);
  tar.add({.path = "bin/busybox", .mode = 0755, .size = bytes.size()}, bytes);
  const os::Outcome applets = os::perform({.name = program, .arguments = {"--list"}});
  for (const std::string& applet : split(trim(applets.output), '\n'))
    if (applet != "busybox")
      tar.add(
          {.path = concat("bin/", applet), .type = Type::symlink, .mode = 0777, .link = "busybox"});
  const std::string passwd = "root:x:0:0:root:/root:/bin/sh\n", group = "root:x:0:\n";
  tar.add({.path = "etc/passwd", .size = passwd.size()}, passwd);
  tar.add({.path = "etc/group", .size = group.size()}, group);
  tar.finish();
  const std::size_t colon = reference.rfind(':');
  const SocketAnswer answer = ask_socket(
      socket(), "POST",
      concat("/images/create?fromSrc=-&repo=", render_url_part(reference.substr(0, colon)),
             "&tag=", colon == std::string::npos ? "latest" : reference.substr(colon + 1),
             "&changes=", render_url_part("CMD [\"/bin/sh\"]"),
             "&changes=", render_url_part("ENV PATH=/bin")),
      image);
  if (answer.status != 200 || answer.text.find("\"error\"") != std::string::npos)
    throw Error(ErrorKind::internal, concat("importing ", reference, ": ", answer.text));
}

std::string RealEngine::docker(std::vector<std::string> arguments,
                               std::chrono::milliseconds timeout) const {
  const std::string doing = concat("docker ", join(arguments, " "));
  const os::Outcome outcome =
      os::perform({.name = "docker",
                   .arguments = std::move(arguments),
                   .environment = {{"DOCKER_HOST", address()}, {"HOME", folder_.path().native()}},
                   .folder = {},
                   .input = {},
                   .timeout = timeout,
                   .output_limit = std::uint64_t{64} << 20});
  if (outcome.exit_code != 0)
    throw Error(ErrorKind::internal, concat(doing, ": ", outcome.output, outcome.errors));
  return std::string(trim(outcome.output));
}

SocketAnswer ask_socket(const std::string& socket, const std::string& method,
                        const std::string& path, std::string_view body) {
  SocketAnswer answer;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) return answer;
  std::copy(socket.begin(), socket.end(), address.sun_path);
  const int connection = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string head = concat(method, " ", path, " HTTP/1.0\r\nHost: engine\r\n",
                                    "Content-Length: ", body.size(), "\r\n\r\n");
    for (std::string_view rest : {std::string_view(head), body})
      while (!rest.empty()) {
        const ssize_t put = ::send(connection, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (put <= 0) break;
        rest.remove_prefix(static_cast<std::size_t>(put));
      }
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(connection, buffer, sizeof buffer, 0)) > 0;)
      answer.text.append(buffer, static_cast<std::size_t>(got));
    if (answer.text.starts_with("HTTP/1.") && answer.text.size() > 12)
      answer.status = std::atoi(answer.text.c_str() + 9);
  }
  ::close(connection);
  return answer;
}

}  // namespace lighterman::support
