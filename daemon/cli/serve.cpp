#include "cli/serve.hpp"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "api/server.hpp"
#include "audit/trail.hpp"
#include "cli/daemon_log.hpp"
#include "cli/data_lock.hpp"
#include "cli/supervisor.hpp"
#include "cli/tls_files.hpp"
#include "config/config.hpp"
#include "core/error.hpp"
#include "core/guarded.hpp"
#include "core/text.hpp"
#include "pipeline/checkup.hpp"
#include "pipeline/errands.hpp"
#include "pipeline/examine.hpp"
#include "pipeline/key_care.hpp"
#include "pipeline/leftovers.hpp"
#include "pipeline/lookout.hpp"
#include "pipeline/preview.hpp"
#include "pipeline/replicator.hpp"
#include "pipeline/rescan.hpp"
#include "pipeline/untagged.hpp"
#include "pipeline/watcher.hpp"
#include "pipeline/workers.hpp"
#include "staging/staging.hpp"
#include "store/store.hpp"

namespace lighterman::cli {
namespace {

using SharedConfig = std::shared_ptr<const config::Config>;

std::filesystem::path prepared(const std::filesystem::path& data) {
  std::error_code error;
  for (const char* part : {"", "mirrors", "staging"}) {
    std::filesystem::create_directories(data / part, error);
    if (error) {
      throw Error(ErrorKind::denied, concat("data folder \"", (data / part).string(),
                                            "\" cannot be made: ", error.message()));
    }
  }
  return data;
}

SharedConfig examined(const std::filesystem::path& file, const DaemonLog& log) {
  auto config = std::make_shared<const config::Config>(config::load(file));
  std::vector<std::string> errors;
  for (const config::Finding& finding : pipeline::examine_all(*config)) {
    const std::string text = concat(finding.where, ": ", finding.text);
    if (finding.weight == config::Finding::Weight::error) {
      errors.push_back(text);
    } else {
      log.warn("configuration", {{"finding", text}});
    }
  }
  if (!errors.empty()) throw Error(ErrorKind::invalid, join(errors, "\n"));
  return config;
}

staging::Options staging_options(const config::Config& config) {
  staging::Options options;
  options.folder = config.data / "staging";
  options.listen = config.staging_listen;
  options.size_limit = config.staging_size_limit;
  options.compression = config.compression;
  return options;
}

std::set<std::string> told_sources(const config::Config& config) {
  std::set<std::string> names;
  for (const auto& [name, source] : config.sources)
    if (source.status) names.insert(name);
  return names;
}

/// The whole house. Members stand in start order; their destruction, in reverse, is the shutdown.
class Daemon {
 public:
  /// `sockets`: that listen for the API already; none: it is bound here.
  Daemon(SharedConfig config, const DaemonLog& log, std::vector<int> sockets)
      : log_(log),
        sockets_(std::move(sockets)),
        config_(std::move(config)),
        lock_(prepared(current()->data)),
        store_({current()->data / "lighterman.db"}),
        staging_(staging_options(*current()), store_) {
    store_.announce(told_sources(*current()));
    for (const RunId run : store_.requeue_interrupted()) {
      log_.info("interrupted run goes on", {{"run", std::to_string(run)}});
    }
    if (const auto& files = current()->tls) tls_ = std::make_unique<TlsFiles>(*files);
    staging_.start();
    yard_.with([&](auto& yard) { yard = std::make_shared<pipeline::Yard>(current(), store_); });
    rescan_ = std::make_unique<pipeline::Rescan>(
        [this] { return yard(); }, store_,
        [this](std::string_view level, const std::string& text) {
          level == "warn" ? log_.warn("rescan", {{"why", text}})
                          : log_.info("rescan", {{"outcome", text}});
        });
    replicator_ = std::make_unique<pipeline::Replicator>(
        [this] { return yard(); }, store_,
        [this](std::string_view level, const std::string& text) {
          level == "warn" ? log_.warn("replication", {{"why", text}})
                          : log_.info("replication", {{"outcome", text}});
        });
    server_ = std::make_unique<api::Server>(
        api_options(), store_, [this] { return current(); }, [this] { return readiness(); },
        [this](const PushEvent& event) { return pipeline::preview(*yard(), store_, event, {}); },
        api::Deeds{[this] { rescan_->wake(); },
                   [this](const api::ReplicateWish& wish) { return replicate(wish); },
                   [this](const std::string& rule, bool apply) {
                     return to_json(replicator_->retain(rule, apply, {}));
                   },
                   [this](const api::TellLook& tell, const std::stop_token& stop) {
                     pipeline::check_up(current(), tell, stop);
                   }});
    server_->start();
    const unsigned wanted = current()->workers;
    workers_ = std::make_unique<pipeline::Workers>(
        pipeline::RunnerOptions{}, wanted != 0 ? wanted : yard()->slots(), staging_, store_,
        [this] { return yard(); },
        [this](const Run& run, const pipeline::RunEnd& end) { report(run, end); });
    errands_ = std::make_unique<pipeline::Errands>(
        [this] { return yard(); }, store_, [this](const ActionRecord& action) { report(action); });
    key_care_ = std::make_unique<pipeline::KeyCare>(
        [this] { return yard(); }, store_, [this](const pipeline::KeyNews& news) { report(news); });
    lookout_ = std::make_unique<pipeline::Lookout>([this] { return yard(); });
    keeper_ = std::jthread([this](const std::stop_token& stop) { keep(stop); });
    watch();
    note("start", concat("lighterman ", LIGHTERMAN_VERSION));
    log_.info("ready", {{"listen", server_->address()},
                        {"staging", staging_.address()},
                        {"data", current()->data.string()},
                        {"sources", std::to_string(current()->sources.size())}});
  }

  /// A bad new file changes nothing.
  void reload(const std::filesystem::path& file) {
    try {
      const SharedConfig next = examined(file, log_);
      const SharedConfig former = current();
      if (next->listen != former->listen || next->data != former->data ||
          next->staging_listen != former->staging_listen ||
          next->compression != former->compression ||
          next->staging_size_limit != former->staging_size_limit ||
          next->workers != former->workers || next->replications != former->replications ||
          next->body_limit != former->body_limit ||
          next->tls.has_value() != former->tls.has_value()) {
        log_.warn(
            "listen, data, workers, replications, limits, staging and whether there is `tls` take "
            "effect after a restart");
      }
      auto next_yard = std::make_shared<pipeline::Yard>(next, store_, yard().get());
      // The last that can fail: the certificate is never of another configuration than the rest.
      if (tls_ && next->tls) {
        const std::lock_guard lock(renewing_);
        tls_->load(*next->tls);
      }
      watcher_.reset();
      yard_.with([&](auto& yard) { yard = std::move(next_yard); });
      config_.with([&](SharedConfig& config) { config = next; });
      store_.announce(told_sources(*next));
      watch();
      log_.info("configuration reloaded", {{"sources", std::to_string(next->sources.size())}});
      note("configuration reloaded", file.string());
    } catch (const Error& error) {
      // The old configuration goes on; the operator reads why.
      log_.error("configuration not reloaded", {{"why", error.what()}});
    }
  }

  void stop() {
    stopping_ = true;
    log_.info("stopping", {{"limit", render_duration(current()->stop_limit)}});
    watcher_.reset();
    server_->stop_checkups();
    workers_->stop(current()->stop_limit);
    note("stop", "");
  }

 private:
  api::Options api_options() {
    const SharedConfig config = current();
    api::Options options;
    options.listen = config->listen;
    options.sockets = sockets_;
    options.public_url = config->public_url;
    options.body_limit = config->body_limit;
    if (tls_) options.tls = [this] { return tls_->current(); };
    return options;
  }
  void note(const std::string& deed, const std::string& subject) {
    audit::Trail(store_).note({.who = "the daemon", .deed = deed, .subject = subject});
  }
  SharedConfig current() const {
    return config_.with([](const SharedConfig& config) { return config; });
  }
  std::shared_ptr<pipeline::Yard> yard() const {
    return yard_.with([](const auto& yard) { return yard; });
  }
  void watch() {
    watcher_ = std::make_unique<pipeline::Watcher>(
        yard(), store_, [this](const std::string& source, const std::string& why) {
          log_.warn("source not watched", {{"source", source}, {"why", why}});
        });
  }
  boost::json::value replicate(const api::ReplicateWish& wish) {
    if (!wish.rule.empty()) return to_json(replicator_->perform_rule(wish.rule, wish.dry_run, {}));
    return to_json(
        replicator_->send(*wish.source, *wish.target, wish.tags, wish.terms, wish.who, {}));
  }
  void report(const Run& run, const pipeline::RunEnd& end) const {
    log_.info("run ended", {{"run", std::to_string(run.id)},
                            {"source", run.event.source},
                            {"ref", run.event.ref},
                            {"state", std::string(render(end.state))},
                            {"why", end.why}});
  }
  void report(const ActionRecord& action) const {
    if (action.state == ActionState::done) return;
    log_.warn(
        action.kind == "status" ? "a forge was not told of a run" : "a notice was not delivered",
        {{"run", std::to_string(action.run)},
         {"plugin", action.plugin},
         {"kind", action.kind},
         {"why", action.why}});
  }
  void report(const pipeline::KeyNews& news) const {
    log_.write(news.good ? DaemonLog::Level::info : DaemonLog::Level::warning, "key",
               {{"name", news.key}, {"news", news.text}});
  }
  void renew_certificate() {
    if (!tls_) return;
    try {
      const std::lock_guard lock(renewing_);
      if (tls_->refresh()) log_.info("certificate reloaded");
    } catch (const Error& error) {
      // The old one goes on; the operator reads why.
      log_.error("certificate not reloaded", {{"why", error.what()}});
    }
  }
  /// Plugins and certificates whose files change are read anew; what is old is forgotten.
  void keep(const std::stop_token& stop) {
    constexpr std::chrono::minutes between_rooms{1};
    Instant next_clearing{}, next_room{};
    while (!stop.stop_requested()) {
      if (const auto news = yard()->rulebook().refresh()) {
        if (news->good) {
          log_.info("plugins reloaded", {{"news", news->text}});
        } else {
          log_.error("plugins not reloaded", {{"why", news->text}});
        }
      }
      renew_certificate();
      try {
        server_->tend();
      } catch (const Error& error) {
        // The daemon goes on; whoever reads the log sees what the audit trail lacks.
        log_.error("audit trail not written", {{"why", error.what()}});
      }
      if (const Instant now = system_now(); now >= next_clearing) {
        const SharedConfig config = current();
        if (pipeline::is_disk_low(*config)) log_.warn("runs wait", {{"why", readiness().why}});
        store_.forget_hooks(now - config->plugin_history);
        if (config->scan) store_.forget_findings(now - config->scan->keep);
        // A scan counts for as long as its database does, and those are new each day.
        store_.forget_scans(now - std::chrono::hours(24 * 7));
        store_.forget_replications(now - std::chrono::hours(24 * 90));
        pipeline::SbomShelf(config->data / "sboms").clear(store_, now - std::chrono::hours(24));
        clear_engines(now, stop);
        clear_registries(now, stop);
        next_clearing = now + std::chrono::hours(1);
        next_room = now + between_rooms;
      } else if (const auto low = yard()->low_engines(); now >= next_room && !low.empty()) {
        for (const std::string& name : low)
          log_.warn("builds wait", {{"engine", name}, {"why", "its disk is nearly full"}});
        clear_engines(now, stop);
        next_room = now + between_rooms;
      }
      std::unique_lock lock(keeping_);
      woken_.wait_for(lock, stop, std::chrono::seconds(2), [] { return false; });
    }
  }
  void clear_engines(Instant now, const std::stop_token& stop) {
    const auto warn = [&](const std::string& why) {
      log_.warn("images not cleared", {{"why", why}});
    };
    const pipeline::ClearTerms terms{staging_.address(), now, current()->keep_denied};
    for (const auto& each : pipeline::clear_leftovers(*yard(), store_, terms, warn, stop))
      log_.info("engine cleared", {{"engine", each.engine},
                                   {"images", std::to_string(each.images)},
                                   {"containers", std::to_string(each.containers)},
                                   {"freed", render_size(each.image_bytes)},
                                   {"cache_freed", render_size(each.cache_bytes)}});
  }
  void clear_registries(Instant now, const std::stop_token& stop) {
    pipeline::clear_untagged(
        *yard(), store_, now, current()->keep_denied,
        [&](const std::string& text) { log_.info(text, {}); },
        [&](const std::string& why) {
          log_.warn("what a denied run left is not deleted", {{"why", why}});
        },
        stop);
  }
  api::Readiness readiness() const {
    if (stopping_) return {false, "stopping"};
    if (const SharedConfig config = current(); pipeline::is_disk_low(*config))
      return {false, concat("less than ", render_size(config->min_free),
                            " of disk space is free in ", config->data.string(), ": runs wait")};
    return {true, ""};
  }

  const DaemonLog& log_;
  const std::vector<int> sockets_;
  std::atomic<bool> stopping_{false};
  Guarded<SharedConfig> config_;  // shared with the runs that began under it
  DataLock lock_;
  store::Store store_;
  staging::Staging staging_;
  std::unique_ptr<TlsFiles> tls_;                  ///< null: plain http
  std::mutex renewing_;                            ///< held by who reads its files anew
  Guarded<std::shared_ptr<pipeline::Yard>> yard_;  // shared with the runs that began in it
  std::unique_ptr<pipeline::Rescan> rescan_;
  std::unique_ptr<pipeline::Replicator> replicator_;
  std::unique_ptr<api::Server> server_;
  std::unique_ptr<pipeline::Workers> workers_;
  std::unique_ptr<pipeline::Errands> errands_;
  std::unique_ptr<pipeline::KeyCare> key_care_;
  std::unique_ptr<pipeline::Lookout> lookout_;
  std::mutex keeping_;
  std::condition_variable_any woken_;
  std::jthread keeper_;
  std::unique_ptr<pipeline::Watcher> watcher_;
};

/// Each connection is a file, and so is much else; the usual limit is from when programs that use
/// select() were common.
void allow_many_files() {
  constexpr rlim_t enough = 16384;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= enough) return;
  limit.rlim_cur = std::min(enough, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Blocked in every thread, so that only wait_for_signal() sees them.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

}  // namespace

int serve(const ServeOptions& options) {
  // A daemon that is idle most of its day should not keep an arena for each thread it ever had.
  mallopt(M_ARENA_MAX, 2);
  allow_many_files();
  const sigset_t signals = block_signals();
  std::vector<int> sockets = take_sockets();
  SharedConfig config = std::make_shared<const config::Config>(config::load(options.config));
  const DaemonLog log(config->log_format);
  config = examined(options.config, log);
  Daemon daemon(config, log, std::move(sockets));
  tell_supervisor("READY=1");
  for (int signal = 0; sigwait(&signals, &signal) == 0;) {
    if (signal != SIGHUP) break;
    daemon.reload(options.config);
  }
  tell_supervisor("STOPPING=1");
  daemon.stop();
  log.info("stopped");
  return 0;
}

}  // namespace lighterman::cli
