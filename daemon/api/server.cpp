#include "api/server.hpp"

#include <algorithm>
#include <mutex>

#include "api/callers.hpp"
#include "api/door.hpp"
#include "api/followers.hpp"
#include "api/front.hpp"
#include "api/metrics.hpp"
#include "api/sessions.hpp"
#include "core/text.hpp"

namespace lighterman::api {

/// Members in start order: the front goes first and takes the serving threads along, so nobody
/// calls a follower or a handler after it is gone.
struct Server::Inside {
  Inside(Options given, store::Store& the_store, Snapshots::Source config,
         std::function<Readiness()> the_readiness, Plan plan, Deeds the_deeds)
      : options(std::move(given)),
        store(the_store),
        readiness(std::move(the_readiness)),
        planner{std::move(plan)},
        deeds(std::move(the_deeds)),
        checkups(deeds.examine, options.clock, options.checkup_limit),
        snapshots(std::move(config)),
        callers(the_store, snapshots, options.clock),
        berths(std::max(1U, options.threads / 2)),
        followers(options, the_store),
        door({options, the_store, followers, readiness, planner, deeds, berths, image_counts,
              sessions, attempts, callers, checkups, verifying},
             snapshots),
        front(options, berths, [this](auto& connection) { door.serve(connection); }) {}

  Options options;
  store::Store& store;
  std::function<Readiness()> readiness;
  Planner planner;
  Deeds deeds;
  Checkups checkups;
  Snapshots snapshots;
  Callers callers;
  Berths berths;
  ImageCounts image_counts;
  Followers followers;
  Sessions sessions;
  Attempts attempts;
  std::mutex verifying;
  Door door;
  Front front;
};

Server::Server(Options options, store::Store& store,
               std::function<std::shared_ptr<const config::Config>()> config,
               std::function<Readiness()> readiness, Plan plan, Deeds deeds)
    : inside_(std::make_unique<Inside>(std::move(options), store, std::move(config),
                                       std::move(readiness), std::move(plan), std::move(deeds))) {}

Server::~Server() {
  try {
    inside_->attempts.write_down(inside_->store, inside_->options.clock(), Attempts::Due::all);
  } catch (const std::exception&) {
    // A store that fails now has failed others, who could say so.
  }
}

void Server::tend() {
  inside_->attempts.write_down(inside_->store, inside_->options.clock(), Attempts::Due::over);
}

void Server::stop_checkups() { inside_->checkups.stop(); }

void Server::start() {
  inside_->front.listen();
  inside_->door.open_at(
      {concat(inside_->options.tls ? "https://" : "http://", inside_->front.address()),
       inside_->front.only_loopback()});
  inside_->front.start();
}

std::string Server::address() const { return inside_->front.address(); }

}  // namespace lighterman::api
