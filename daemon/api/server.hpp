#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/checkups.hpp"
#include "config/config.hpp"
#include "core/push_event.hpp"
#include "core/replication.hpp"
#include "core/time.hpp"
#include "os/tls.hpp"
#include "store/store.hpp"

namespace lighterman::api {

struct Options {
  std::string listen = "127.0.0.1:7070";  ///< "host:port", "[::1]:port"; port 0: any free one
  std::vector<int> sockets;  ///< that listen already, and are the server's now; none: it binds
  std::string public_url;    ///< for links; empty: http:// and where we listen
  std::uint64_t body_limit = 25 << 20;  ///< bytes of a webhook's body; forges stop at 25 MiB
  /// Requests served at a time. They mostly wait for the disk, and those that wait together share
  /// one commit, so there are more of them than processors.
  unsigned threads = 32;
  /// Open connections; further ones get a 503. Idle ones cost a file descriptor and no thread.
  std::size_t connections = 2048;
  std::size_t waiting = 512;     ///< whole requests that wait for a thread; further ones get a 503
  std::size_t followers = 1000;  ///< connections that are live logs; further ones get a 503
  /// A request's header must be here within this time, and a body of ordinary size too.
  std::chrono::milliseconds request_limit{std::chrono::seconds(10)};
  std::chrono::milliseconds keep_alive{std::chrono::seconds(75)};  ///< silence before we hang up
  std::chrono::milliseconds heartbeat{std::chrono::seconds(15)};   ///< of silent live logs
  /// Of a checkup: an engine that hangs shall not keep the next one waiting for long.
  std::chrono::milliseconds checkup_limit{std::chrono::minutes(3)};
  Clock clock = system_now;
  /// What new connections are served TLS with; empty: plain http. Called for each, from one thread;
  /// the connections that began under a certificate share it with whoever replaces it.
  std::function<std::shared_ptr<const os::ServerTls>()> tls;
};

/// Whether work sent here would be done; `why` is for the operator.
struct Readiness {
  bool ready = true;
  std::string why;
};

/// Says what a push would do. Throws Error; called from any thread, also at the same time.
using Plan = std::function<boost::json::value(const PushEvent& event)>;

/// What shall be carried to another registry: by a rule of the configuration, or one image.
struct ReplicateWish {
  std::string rule;
  bool dry_run = false;
  std::optional<Reference> source, target;
  std::vector<std::string> tags;  ///< over there; empty: the source's
  ReplicationTerms terms;
  std::string who;
};

/// What requests set going that reaches beyond the store. Called from any thread, also at the same
/// time; throw Error.
struct Deeds {
  std::function<void()> rescan = [] {};  ///< begins a round over the published images
  std::function<boost::json::value(const ReplicateWish& wish)> replicate;
  /// What a rule of `retain` keeps and deletes; with `apply` it is done.
  std::function<boost::json::value(const std::string& rule, bool apply)> retain;
  Examine examine = [](const TellLook&, const std::stop_token&) {};
};

/// The door: webhooks, the REST interface, live logs. It reads and writes the store and never runs
/// a stage. Constructed, started and destroyed by one thread.
class Server {
 public:
  /// The functions are called from any thread, also at the same time; the configuration they give
  /// is shared by the daemon, which replaces it, and the requests that began under it.
  Server(Options options, store::Store& store,
         std::function<std::shared_ptr<const config::Config>()> config,
         std::function<Readiness()> readiness, Plan plan, Deeds deeds = {});
  ~Server();  ///< stops and joins
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds and serves on threads of its own. Throws Error(conflict) when the address is taken,
  /// Error(invalid) when it is none, Error(denied) when we may not listen there.
  void start();
  std::string address() const;  ///< "host:port" as bound; empty before start()
  /// Asks a checkup that is under way to end: at its end the server would wait for it.
  void stop_checkups();
  /// Does what is due by the clock; to be called every few seconds. Throws Error.
  void tend();

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::api
