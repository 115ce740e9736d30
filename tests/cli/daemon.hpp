#pragma once

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "os/file.hpp"
#include "support/background.hpp"
#include "support/engine.hpp"
#include "support/git.hpp"
#include "support/registry.hpp"

namespace lighterman::cli {

/// What a program said and how it ended.
struct Said {
  int code = -1;
  std::string out, err;
};

/// The program itself as a user has it: a configuration, a daemon, and the command line that asks
/// it, over a real engine, a real registry and a real repository.
class Harbour {
 public:
  Harbour();

  void start();               ///< and waits until it is ready
  void kill();                ///< as a power cut would
  int stop(int signal = 15);  ///< its exit code; -1: it did not end
  void signal(int number) { daemon_->signal(number); }

  /// Runs `lighterman WORDS...` against the daemon.
  Said say(const std::vector<std::string>& words) const;
  boost::json::value json(std::vector<std::string> words) const;
  /// POST as a forge does it; the answer's body, empty when nobody answered.
  std::string push_hook(const std::string& ref, const std::string& before,
                        const std::string& after) const;
  std::string daemon_log() const;
  void write_config(const std::string& more = "");
  std::filesystem::path file(const std::string& name) const { return folder_.path() / name; }
  std::string image() const;  ///< registry/repository
  bool published(const std::string& tag) const;

  support::GitRepository git;
  std::map<std::string, std::string> environment;  ///< of the command line
  std::filesystem::path workplace = "/";           ///< the daemon's; nothing may depend on it

 private:
  os::ScratchFolder folder_;
  std::string port_, staging_port_, repository_;
  std::unique_ptr<support::Background> daemon_;
};

support::RealEngine& the_engine();
support::RealRegistry& the_registry();

}  // namespace lighterman::cli
