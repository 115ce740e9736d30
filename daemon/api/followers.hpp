#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "api/connection.hpp"
#include "api/server.hpp"
#include "core/run.hpp"
#include "core/token.hpp"

namespace lighterman::api {

/// What somebody who follows may be told of, and whether they still may.
struct Permit {
  Scope scope;
  std::function<bool()> holds;  ///< may throw Error
};

/// The live logs: one thread sends every follower what is new about its run (server-sent events),
/// as fast as each takes it. Any thread.
class Followers {
 public:
  Followers(const Options& options, store::Store& store);
  ~Followers();  ///< hangs up on all; they come again with their last line's number
  Followers(const Followers&) = delete;
  Followers& operator=(const Followers&) = delete;

  /// A place among the followers; it is given back when this goes.
  struct Leave {
    void operator()(std::atomic<std::size_t>* taken) const noexcept { --*taken; }
  };
  using Place = std::unique_ptr<std::atomic<std::size_t>, Leave>;

  Place enter();  ///< null: all places are taken
  /// Sends the lines of `run` with numbers above `after`, and all else that is known of it. Run 0:
  /// what becomes of the newest runs of the permit's sources. Hangs up when it holds no more.
  void add(Place place, std::unique_ptr<Connection> connection, RunId run, std::int64_t after,
           Permit permit);

 private:
  struct Follower;
  struct News;

  void live(const std::stop_token& stop);
  void wait(std::uint64_t seen, bool again, const std::stop_token& stop);
  void take_new();
  /// False when there is nothing more to send to it.
  bool serve(Follower& follower, News& news);
  static void tell_runs(Follower& follower, News& news);
  void tell(Follower& follower, News& news);

  const Options& options_;
  store::Store& store_;
  std::atomic<std::size_t> places_{0};                ///< taken
  std::vector<std::unique_ptr<Follower>> followers_;  ///< the thread's alone

  std::mutex mutex_;
  std::vector<std::unique_ptr<Follower>> arrived_;
  std::condition_variable_any pause_;
  std::stop_source nudge_;  ///< ends the present wait
  std::jthread thread_;
};

}  // namespace lighterman::api
