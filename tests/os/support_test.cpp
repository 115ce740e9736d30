#include <gtest/gtest.h>

#include "core/text.hpp"
#include "os/program.hpp"
#include "support/engine.hpp"
#include "support/git.hpp"
#include "support/registry.hpp"

namespace lighterman::support {
namespace {

os::Outcome curl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--silent", "--show-error", "--max-time", "20"});
  return os::perform({.name = "curl", .arguments = std::move(arguments)});
}

std::string status_of(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--output", "/dev/null", "--write-out", "%{http_code}"});
  return curl(std::move(arguments)).output;
}

TEST(RealRegistry, KeepsItsDataAndPortOverARestart) {
  RealRegistry registry;
  // The digest of "x".
  const std::string digest =
      "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
  const std::string location = curl({"--request", "POST", registry.url() + "/v2/a/blobs/uploads/",
                                     "--output", "/dev/null", "--write-out", "%header{location}"})
                                   .output;
  registry.stop();
  EXPECT_NE(curl({registry.url() + "/v2/"}).exit_code, 0);
  registry.start();
  ASSERT_EQ(status_of({"--request", "PUT", "--data-binary", "x", "--header",
                       "Content-Type: application/octet-stream", location + "&digest=" + digest}),
            "201");
  EXPECT_EQ(status_of({"--head", registry.url() + "/v2/a/blobs/" + digest}), "200");
  EXPECT_TRUE(eventually([&] { return registry.count_requests("HEAD", digest) == 1; }));
  EXPECT_EQ(registry.count_requests("POST", "/v2/a/blobs/uploads/"), 1U);
}

TEST(RealRegistry, AsksForPasswordAndCertificateWhenToldTo) {
  RealRegistry registry({.user = {{"ada", "secret"}}, .tls = true});
  const std::string url = registry.url() + "/v2/";
  EXPECT_NE(curl({url}).exit_code, 0);
  const std::string ca = registry.ca_file().native();
  EXPECT_EQ(status_of({"--cacert", ca, url}), "401");
  EXPECT_EQ(status_of({"--cacert", ca, "--user", "ada:secret", url}), "200");
}

TEST(RealEngine, BuildsAndRunsFromTheImportedBaseAlsoAfterBeingKilled) {
  RealEngine engine;
  engine.import_busybox("base:1");
  EXPECT_EQ(engine.docker({"run", "--rm", "--network=none", "base:1", "echo", "hello"}), "hello");
  engine.kill();
  EXPECT_EQ(ask_socket(engine.socket(), "GET", "/_ping").status, 0);
  engine.start();
  EXPECT_EQ(engine.docker({"run", "--rm", "--network=none", "base:1", "sh", "-c", "id -u"}), "0");
}

TEST(RealEngine, LeavesNothingBehind) {
  std::string folder;
  {
    RealEngine engine;
    engine.import_busybox();
    engine.docker(
        {"run", "--detach", "--network=none", "--stop-signal=KILL", "busybox", "sleep", "600"});
    folder = std::filesystem::path(engine.socket()).parent_path();
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
  const os::Outcome mounts = os::perform({.name = "cat", .arguments = {"/proc/mounts"}});
  EXPECT_EQ(mounts.output.find(folder), std::string::npos);
  const os::Outcome processes = os::perform({.name = "ps", .arguments = {"axww", "-o", "args"}});
  EXPECT_EQ(processes.output.find(folder), std::string::npos);
}

TEST(GitRepository, GivesTheSameCommitsForTheSameCalls) {
  const auto make = [] {
    GitRepository repository;
    repository.write("folder/file.txt", "one\n");
    repository.write_program("run.sh", "#!/bin/sh\n");
    repository.link("here", "folder/file.txt");
    repository.commit("first");
    repository.tag("v1");
    repository.branch("other");
    repository.remove("run.sh");
    return repository.commit("second");
  };
  const std::string first = make();
  EXPECT_EQ(first.size(), 40U);
  EXPECT_EQ(first, make());
}

}  // namespace
}  // namespace lighterman::support
