#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "core/image.hpp"
#include "os/file.hpp"
#include "pipeline/workers.hpp"
#include "staging/staging.hpp"
#include "store/store.hpp"
#include "support/engine.hpp"
#include "support/git.hpp"
#include "support/registry.hpp"

namespace lighterman::pipeline {

/// One Docker Engine and one registry for all tests of this program: starting them is the slow
/// part.
support::RealEngine& the_engine();
support::RealRegistry& the_registry();
/// The newest engine that Debian has, with Docker's own image store or containerd's.
support::RealEngine& newer_engine(bool containerd_store);
/// Busybox in our registry, by name: engines with containerd's store ask the Hub about a short one.
const std::string& local_base();
/// A build in that engine by Debian's docker program, which speaks with BuildKit itself.
void build_by_cli(std::vector<std::string> arguments);
/// The engine has the bases "busybox-amd64" and "busybox-arm64", with the same files.
void have_two_platforms();

/// A daemon without its API: one source "shop" with one image "web", on the real engine and
/// registry. Each house has a repository name of its own.
class House {
 public:
  explicit House(support::RealEngine& engine = the_engine());
  ~House();

  config::Image& image() { return config.sources.at("shop").images.at("web"); }
  registry::Options& registry_options() { return config.registries[the_registry().host()]; }
  Reference reference() const { return Reference::parse(the_registry().host() + "/" + repository); }
  void start();  ///< with `config` as it is now; the former house is closed before
  void stop();

  /// Adds a run of the repository's current commit on `ref` and returns it when it has ended.
  Run push(const std::string& ref = "refs/heads/main", const std::string& commit = "");
  RunId begin(const std::string& ref = "refs/heads/main", const std::string& commit = "");
  Run wait(RunId run, std::chrono::seconds limit = std::chrono::seconds(120));
  /// Waits until the run's log holds `text`.
  bool log_says(RunId run, const std::string& text);
  std::string log(RunId run) const;
  PublishedImage published(RunId run, std::size_t target = 0) const;
  /// What the registry says a tag points to; empty: no such tag.
  std::optional<Digest> tag(const std::string& name, const std::string& at = "");
  /// The file's content in an image that the engine pulls from the registry.
  std::string content(const std::string& tag, const std::string& file);

  std::string repository;
  support::GitRepository git;
  config::Config config;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<staging::Staging> staging;
  std::shared_ptr<Yard> yard;
  std::unique_ptr<Workers> workers;
  RunnerOptions options;

 private:
  support::RealEngine& engine_;
  os::ScratchFolder folder_;
  int deliveries_ = 0;
};

/// A multi-stage Dockerfile with two layers of its own: /built.txt and /late.txt.
void write_shop(support::GitRepository& git, const std::string& built = "one",
                const std::string& late = "late");

std::size_t sent(const PublishedImage& image);

}  // namespace lighterman::pipeline
