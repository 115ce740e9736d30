#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <mutex>
#include <semaphore>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/push_event.hpp"

namespace lighterman::store {
class Store;
}

namespace lighterman::api {

struct Berths;
struct Deeds;
struct Exchange;
class Followers;
class ImageCounts;
struct Options;
struct Readiness;
class Attempts;
class Callers;
class Checkups;
class Sessions;

/// Says what a push would do, for a few callers at a time.
struct Planner {
  std::function<boost::json::value(const PushEvent& event)> plan;
  std::counting_semaphore<> places{4};
};

/// What handlers work with.
struct Room {
  const Options& options;
  store::Store& store;
  Followers& followers;
  const std::function<Readiness()>& readiness;
  Planner& planner;
  const Deeds& deeds;
  const Berths& berths;
  ImageCounts& image_counts;
  Sessions& sessions;
  Attempts& attempts;
  Callers& callers;
  Checkups& checkups;
  std::mutex& verifying;  ///< held by who reads all of the audit trail
};

enum class Access {
  open,   ///< anybody: they tell nothing, or believe signatures only
  badge,  ///< open where the configuration says so, otherwise as viewer
  // A bearer token of this role, or a login with one, or loopback where there are no tokens:
  viewer,
  trigger,
  operate,
  admin,
  metrics,  ///< a viewer's, or none where the configuration says `metrics: {open: true}`
};

/// One operation; HEAD follows GET.
struct Route {
  std::string_view method;
  std::string_view path;  ///< "/api/v1/runs/{id}"
  Access access;
  void (*perform)(Room& room, Exchange& exchange);
};

std::span<const Route> routes() noexcept;

/// What a path leads to.
struct Found {
  const Route* route = nullptr;  ///< null: nothing, or not by this method
  std::vector<std::string> names;
  std::vector<std::string> methods;  ///< that the path knows
};
Found find_route(std::string_view method, std::string_view path);

// One function for each operation of openapi.json.
void receive_hook(Room& room, Exchange& exchange);
void start_run(Room& room, Exchange& exchange);
void list_runs(Room& room, Exchange& exchange);
void show_run(Room& room, Exchange& exchange);
void show_log(Room& room, Exchange& exchange);
void show_findings(Room& room, Exchange& exchange);
void show_outline(Room& room, Exchange& exchange);
void follow_run(Room& room, Exchange& exchange);
void follow_runs(Room& room, Exchange& exchange);
void cancel_run(Room& room, Exchange& exchange);
void retry_run(Room& room, Exchange& exchange);
void allow_run(Room& room, Exchange& exchange);
void plan_push(Room& room, Exchange& exchange);
void list_questions(Room& room, Exchange& exchange);
void list_images(Room& room, Exchange& exchange);
void start_rescan(Room& room, Exchange& exchange);
void list_replications(Room& room, Exchange& exchange);
void show_replication(Room& room, Exchange& exchange);
void start_replication(Room& room, Exchange& exchange);
void cancel_replication(Room& room, Exchange& exchange);
void apply_retention(Room& room, Exchange& exchange);
void list_registries(Room& room, Exchange& exchange);
void list_sources(Room& room, Exchange& exchange);
void list_keys(Room& room, Exchange& exchange);
void tell_status(Room& room, Exchange& exchange);
void tell_health(Room& room, Exchange& exchange);
void tell_readiness(Room& room, Exchange& exchange);
void tell_version(Room& room, Exchange& exchange);
void tell_description(Room& room, Exchange& exchange);
void tell_metrics(Room& room, Exchange& exchange);
void begin_session(Room& room, Exchange& exchange);
void show_session(Room& room, Exchange& exchange);
void end_session(Room& room, Exchange& exchange);
void list_tokens(Room& room, Exchange& exchange);
void make_token(Room& room, Exchange& exchange);
void revoke_token(Room& room, Exchange& exchange);
void list_audit(Room& room, Exchange& exchange);
void verify_audit(Room& room, Exchange& exchange);
void show_why(Room& room, Exchange& exchange);
void start_checkup(Room& room, Exchange& exchange);
void show_checkup(Room& room, Exchange& exchange);
void show_badge(Room& room, Exchange& exchange);
void show_page(Room& room, Exchange& exchange);
void show_page_file(Room& room, Exchange& exchange);

}  // namespace lighterman::api
