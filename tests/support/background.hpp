#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lighterman::support {

/// Looks again and again until `condition` holds; false when it still does not after `timeout`.
bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds timeout = std::chrono::seconds(15));

/// A TCP port on 127.0.0.1 that nobody listens on just now.
int free_port();
/// Whether somebody accepts connections on 127.0.0.1:port.
bool accepts(int port);

/// A program that runs beside the test, with a process group of its own. It dies with the thread
/// that started it, so start it on the test's own thread. What it prints goes to two files.
class Background {
 public:
  struct Start {
    std::vector<std::string> command;                     ///< program and arguments
    std::map<std::string, std::string> environment = {};  ///< added to the test's own
    std::filesystem::path folder = {};                    ///< empty: the test's own
    std::filesystem::path out, err;                       ///< appended to; may be the same file
  };
  explicit Background(const Start& start);  ///< throws Error(not_found) without the program
  ~Background();                            ///< SIGKILL to the whole group
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  pid_t pid() const noexcept { return pid_; }
  bool alive();
  void signal(int number) const;  ///< to the whole group
  /// The exit code (128 + signal), or empty when it still runs after `timeout`.
  std::optional<int> wait(std::chrono::milliseconds timeout);

 private:
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

}  // namespace lighterman::support
