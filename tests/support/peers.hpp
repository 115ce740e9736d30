#pragma once

#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "os/program.hpp"

namespace lighterman::support {

/// Runs a tool as other people have it: cosign2, cosign3, oras, crane, trivy; a newer dockerd is
/// there as well. scripts/peers gets them where they are not here yet. They see a home that is
/// `home`, so that nothing of ours is theirs.
class Peers {
 public:
  explicit Peers(std::filesystem::path home) : home_(std::move(home)) { get(); }

  static void get() {
    const bool all = std::filesystem::exists(folder() / "trivy") &&
                     std::filesystem::exists(folder() / "dockerd");
    if (all) return;
    os::Program get{.name = LIGHTERMAN_TREE "/scripts/peers", .timeout = std::chrono::minutes(5)};
    for (char** entry = environ; *entry; ++entry) {
      const std::string setting = *entry;
      const std::size_t equals = setting.find('=');
      get.environment[setting.substr(0, equals)] = setting.substr(equals + 1);
    }
    const os::Outcome outcome = os::perform(get);
    if (outcome.exit_code != 0)
      throw Error(ErrorKind::internal, concat("scripts/peers: ", outcome.output, outcome.errors));
  }

  static std::filesystem::path folder() { return LIGHTERMAN_TREE "/build/peers/bin"; }

  os::Outcome run(const std::string& name, std::vector<std::string> arguments,
                  const std::string& input = {}) const {
    os::Program program{.name = folder() / name,
                        .arguments = std::move(arguments),
                        .environment = {{"HOME", home_.native()},
                                        {"COSIGN_PASSWORD", password},
                                        // Keyed signatures need no transparency log's keys; a
                                        // mirror that is not there must fail at once.
                                        {"TUF_MIRROR", "http://127.0.0.1:9"}},
                        .folder = home_,
                        .input = input,
                        .timeout = std::chrono::minutes(2),
                        .output_limit = 64 << 20};
    return os::perform(program);
  }
  /// Its output; throws what it said when it fails.
  std::string must(const std::string& name, std::vector<std::string> arguments) const {
    const std::string what = concat(name, ' ', join(arguments, " "));
    const os::Outcome outcome = run(name, std::move(arguments));
    if (outcome.exit_code != 0)
      throw Error(ErrorKind::internal, concat(what, ": ", outcome.output, outcome.errors));
    return outcome.output;
  }

  std::string password = "s3cret";  ///< of the keys that cosign opens or makes

 private:
  std::filesystem::path home_;
};

}  // namespace lighterman::support
