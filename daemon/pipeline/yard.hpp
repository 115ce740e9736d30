#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "engine/engine.hpp"
#include "pipeline/inspection.hpp"
#include "pipeline/rulebook.hpp"
#include "registry/client.hpp"
#include "source/mirror.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// One of an engine's build slots; given back when it ends.
class Berth {
 public:
  Berth(engine::Engine& engine, std::function<void()> leave)
      : engine_(&engine), leave_(std::move(leave)) {}
  Berth(Berth&& other) noexcept : engine_(other.engine_), leave_(std::move(other.leave_)) {
    other.leave_ = nullptr;
  }
  Berth& operator=(Berth&&) = delete;
  ~Berth() {
    if (leave_) leave_();
  }
  engine::Engine& engine() const noexcept { return *engine_; }

 private:
  engine::Engine* engine_;
  std::function<void()> leave_;
};

/// What goes on at one engine, for a yard and the ones before it whose runs are not over: builds,
/// or a clearing alone. Any thread.
class EngineUse {
 public:
  bool try_build() noexcept;  ///< false: it is being cleared
  void end_build() noexcept { --builds_; }
  bool try_clear() noexcept;  ///< false: something goes on
  void end_clearing() noexcept { builds_ = 0; }
  bool is_cleared() const noexcept { return builds_ == clearing; }

 private:
  static constexpr unsigned clearing = ~0U;
  std::atomic<unsigned> builds_ = 0;
};

/// Which engine a build may have.
struct BerthWish {
  std::string engine = {};    ///< its name or label; empty: any
  std::string platform = {};  ///< that it must build for; empty: its own
  std::string rather = {};    ///< the name of the one to take if it is free: it has the cache
};

/// What one configuration gives the runs to work with: engines with their slots, registries,
/// mirrors, plugins. A reload makes a new one; mirrors whose options did not change move along. Any
/// thread.
class Yard {
 public:
  Yard(std::shared_ptr<const config::Config> config, store::Store& store, Yard* former = nullptr);
  Yard(const Yard&) = delete;
  Yard& operator=(const Yard&) = delete;

  const config::Config& config() const noexcept { return *config_; }
  std::shared_ptr<const config::Config> shared_config() const noexcept { return config_; }
  /// Error(not_found) when the configuration has no such source.
  source::Mirror& mirror(const std::string& source);
  /// A host that the configuration does not name gets the default options.
  registry::Client& registry(const std::string& host);
  /// Waits for a free slot, of the emptiest engine that fits; `report` is told once why it has to
  /// wait. Engines whose disk is nearly full are waited for. Engines that drain, or that are
  /// shunned while another one fits, are not taken. Error(not_found) when no engine fits.
  Berth take_berth(const BerthWish& wish, const std::function<void(const std::string&)>& report,
                   const std::stop_token& stop);
  /// The engine for oneself, if no build goes on there.
  std::optional<Berth> find_idle(const std::string& engine);
  /// Free bytes on an engine's disk; empty: it is not on this machine, or does not answer.
  std::optional<std::uint64_t> find_free_space(const std::string& engine,
                                               const std::stop_token& stop);
  /// Engines with less free space than their `min_free`, as far as a berth was asked for.
  std::vector<std::string> low_engines();
  /// The engine does not answer: others get its builds for a while.
  void shun(const std::string& engine);
  /// Whether an engine fits besides this one, and is not shunned.
  bool has_other(const BerthWish& wish, const std::string& engine);
  /// The named engine, without taking a slot.
  engine::Engine& engine(const std::string& name);
  unsigned slots() const noexcept;
  Rulebook& rulebook() noexcept { return rulebook_; }
  Scanner* scanner() noexcept { return scanner_.get(); }  ///< null: there is no Trivy
  /// An image in a registry, for the scanner, with the credentials for it.
  scan::Image published_for_scan(const Reference& by_digest);

 private:
  struct Moored {
    std::unique_ptr<engine::Engine> engine;
    std::shared_ptr<EngineUse> use;  ///< shared with the yard before
    unsigned busy = 0;
    std::chrono::steady_clock::time_point shunned_until{};
    std::filesystem::path disk = {};  ///< where it keeps everything; empty: not known
  };
  /// Shared by this yard and the one that follows it after a reload.
  struct KeptMirror {
    std::string key;
    std::shared_ptr<source::Mirror> mirror;
  };
  std::vector<Moored*> fitting(const BerthWish& wish);
  Moored* find_free(const BerthWish& wish);
  Moored& moored(const std::string& engine);
  void learn_disk(Moored& moored, const std::stop_token& stop);
  static bool is_low(const Moored& moored);
  std::string why_waiting(const BerthWish& wish);
  policy::PowersOptions powers_options();
  boost::json::value scan_published(const std::string& reference, const std::stop_token& stop);

  std::shared_ptr<const config::Config> config_;  // shared with the daemon, which swaps it
  store::Store& store_;
  std::mutex mutex_;
  std::condition_variable_any left_;
  std::vector<Moored> engines_;
  std::map<std::string, std::unique_ptr<registry::Client>> registries_;
  std::map<std::string, KeptMirror> mirrors_;
  Rulebook rulebook_;
  std::string scanner_key_;
  std::shared_ptr<Scanner> scanner_;  // shared as mirrors are: two would wait for one cache's lock
};

source::Options mirror_options(const config::Source& source);
/// Registers' options for a host the configuration may not name.
registry::Options registry_options(const config::Config& config, const std::string& host);

}  // namespace lighterman::pipeline
