#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "os/file.hpp"
#include "support/background.hpp"

namespace lighterman::support {

/// A real, private Docker Engine: its own data, socket and process namespace, no bridge and no
/// firewall rules; builds need network "none" or "host". It needs root. It is up when the
/// constructor returns; processes, mounts, cgroups and files are gone when this ends, also when the
/// test fails or crashes. Throws when a program is not installed.
class RealEngine {
 public:
  explicit RealEngine(std::vector<std::string> extra_arguments = {},
                      std::string program = "dockerd");
  ~RealEngine();

  void start();
  void stop();  ///< as systemd would: it ends its containers and says goodbye
  void kill();  ///< all of its processes at once, as a power cut would
  void restart() { stop(), start(); }

  std::string socket() const;   ///< path of its Unix socket
  std::string address() const;  ///< "unix:///path", for DOCKER_HOST
  std::filesystem::path data_folder() const { return folder_.path() / "data"; }
  std::string log() const;

  /// An image with a shell and busybox's applets, to build FROM without any registry.
  void import_busybox(const std::string& reference = "busybox:latest");
  /// Runs the docker program against this engine; its output without the last line end. Throws
  /// Error(internal) with its messages when it fails.
  std::string docker(std::vector<std::string> arguments,
                     std::chrono::milliseconds timeout = std::chrono::minutes(2)) const;

 private:
  void remove_cgroups() const noexcept;

  std::vector<std::string> extra_arguments_;
  std::string dockerd_;
  os::ScratchFolder folder_;
  std::string cgroup_;
  std::unique_ptr<Background> program_;
};

/// What an HTTP/1.0 request over a Unix socket was answered; status 0: nobody answered.
struct SocketAnswer {
  int status = 0;
  std::string text;  ///< head and body
};
SocketAnswer ask_socket(const std::string& socket, const std::string& method,
                        const std::string& path, std::string_view body = {});

}  // namespace lighterman::support
