#include "metrics/meters.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>

#include "core/guarded.hpp"
#include "metrics/counted.hpp"

namespace lighterman::metrics {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using Clock = std::chrono::steady_clock;

/// Builds take seconds to an hour.
const Histogram::BucketBoundaries long_work{0.1, 0.5, 1,   2.5, 5,    10,  30,
                                            60,  120, 300, 600, 1800, 3600};
/// Hooks take milliseconds, unless they ask a scanner or a server.
const Histogram::BucketBoundaries short_work{0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30};

/// How long anything has been on its way to a registry.
struct Road {
  int travelling = 0;
  Clock::time_point since{};
  Clock::duration busy{};

  Clock::duration busy_until(Clock::time_point now) const {
    return travelling == 0 ? busy : busy + (now - since);
  }
};

struct Meters {
  prometheus::Registry registry;
  Guarded<std::map<std::string, Road, std::less<>>> roads;

  Family<Histogram>& stages = histogram("lighterman_stage_duration_seconds",
                                        "Time that stages of runs took, by how they ended");
  Family<Histogram>& waits =
      histogram("lighterman_queue_wait_seconds", "Time from a run's wish to its begin");
  Family<Histogram>& plugins =
      histogram("lighterman_plugin_duration_seconds",
                "Time that plugins took to answer a hook, with what they asked others meanwhile");
  Family<Counter>& hooks =
      counter("lighterman_webhooks_total", "Webhook deliveries by forge and what came of them");
  Family<Counter>& requests = counter("lighterman_api_requests_total",
                                      "Requests by method, route and the status of the answer");
  Family<Histogram>& answers =
      histogram("lighterman_api_request_duration_seconds",
                "Time from a whole request to its answer; live logs count until they begin");
  Family<Counter>& actions = counter("lighterman_actions_ended_total",
                                     "Notices of plugins and commit statuses that were told, or "
                                     "are told by a newer one (done), or given up (failed)");
  Family<Counter>& blobs =
      counter("lighterman_registry_blobs_total",
              "Layers and image configurations by how they came to be in the registry");
  Family<Counter>& saved = counter("lighterman_registry_saved_bytes_total",
                                   "Bytes not sent because the registry had or mounted them");
  Family<Counter>& sent =
      counter("lighterman_registry_sent_bytes_total", "Bytes of blobs sent to the registry");
  Family<Counter>& sending =
      counter("lighterman_registry_sending_seconds_total",
              "Time in which at least one blob was on its way to the registry");
  Family<Gauge>& engines =
      gauge("lighterman_engine_up", "1 when the Docker Engine answered the last time");
  Family<Gauge>& held = gauge("lighterman_engine_bytes",
                              "Bytes that an engine's images and build cache took when it was last "
                              "looked at, once an hour");
  Family<Counter>& cleared =
      counter("lighterman_engine_cleared_bytes_total", "Bytes that were freed on an engine");

  Family<Gauge>& gauge(const char* name, const char* meaning) {
    return prometheus::BuildGauge().Name(name).Help(meaning).Register(registry);
  }

  Family<Counter>& counter(const char* name, const char* meaning) {
    return prometheus::BuildCounter().Name(name).Help(meaning).Register(registry);
  }
  Family<Histogram>& histogram(const char* name, const char* meaning) {
    return prometheus::BuildHistogram().Name(name).Help(meaning).Register(registry);
  }

  /// What is on its way now counts too: a scrape must not wait for the end of a long upload.
  void settle() {
    roads.with([&](auto& all) {
      const Clock::time_point now = Clock::now();
      for (auto& [registry_host, road] : all) {
        Counter& total = sending.Add({{"registry", registry_host}});
        total.Increment(Seconds(road.busy_until(now)).count() - total.Value());
      }
    });
  }
};

Meters& meters() {
  static Meters the_meters;
  return the_meters;
}

std::string text(std::string_view view) { return std::string(view); }

}  // namespace

std::vector<prometheus::MetricFamily> counted() {
  meters().settle();
  return meters().registry.Collect();
}

void stage_ended(std::string_view stage, std::string_view state, Seconds took) {
  // "publish:registry.example/acme/web": the stage has a target, and the label must not.
  const std::string name = text(stage.substr(0, stage.find(':')));
  meters().stages.Add({{"stage", name}, {"state", text(state)}}, long_work).Observe(took.count());
}

void run_began(Seconds waited) { meters().waits.Add({}, long_work).Observe(waited.count()); }

void plugin_called(std::string_view plugin, std::string_view hook, Heard heard, Seconds took) {
  meters()
      .plugins
      .Add({{"plugin", text(plugin)},
            {"hook", text(hook)},
            {"outcome", heard == Heard::answered ? "answered" : "failed"}},
           short_work)
      .Observe(took.count());
}

void hook_answered(std::string_view forge, std::string_view outcome) {
  meters().hooks.Add({{"forge", text(forge)}, {"outcome", text(outcome)}}).Increment();
}

void request_answered(std::string_view method, std::string_view route, int status, Seconds took) {
  meters()
      .requests
      .Add({{"method", text(method)}, {"route", text(route)}, {"code", std::to_string(status)}})
      .Increment();
  meters().answers.Add({{"route", text(route)}}, short_work).Observe(took.count());
}

void action_ended(std::string_view kind, std::string_view state) {
  meters().actions.Add({{"kind", text(kind)}, {"state", text(state)}}).Increment();
}

void blob_arrived(std::string_view registry, std::string_view fate, std::uint64_t saved_bytes) {
  meters().blobs.Add({{"registry", text(registry)}, {"fate", text(fate)}}).Increment();
  meters().saved.Add({{"registry", text(registry)}}).Increment(static_cast<double>(saved_bytes));
}

void bytes_sent(std::string_view registry, std::uint64_t bytes) {
  meters().sent.Add({{"registry", text(registry)}}).Increment(static_cast<double>(bytes));
}

void engine_asked(std::string_view engine, Reach reach) {
  meters().engines.Add({{"engine", text(engine)}}).Set(reach == Reach::up ? 1 : 0);
}

void engine_holds(std::string_view engine, std::uint64_t image_bytes, std::uint64_t cache_bytes) {
  const auto set = [&](const char* what, std::uint64_t bytes) {
    meters().held.Add({{"engine", text(engine)}, {"what", what}}).Set(static_cast<double>(bytes));
  };
  set("images", image_bytes);
  set("cache", cache_bytes);
}

void engine_cleared(std::string_view engine, std::string_view what, std::uint64_t bytes) {
  meters()
      .cleared.Add({{"engine", text(engine)}, {"what", text(what)}})
      .Increment(static_cast<double>(bytes));
}

void forget_engine(std::string_view engine) {
  const auto forget = [&](Family<Gauge>& family, const prometheus::Labels& labels) {
    family.Remove(&family.Add(labels));
  };
  forget(meters().engines, {{"engine", text(engine)}});
  for (const char* what : {"images", "cache"})
    forget(meters().held, {{"engine", text(engine)}, {"what", what}});
}

Sending::Sending(std::string_view registry) : registry_(registry) {
  meters().roads.with([&](auto& all) {
    Road& road = all[registry_];
    if (road.travelling++ == 0) road.since = Clock::now();
  });
}

Sending::~Sending() {
  meters().roads.with([&](auto& all) {
    Road& road = all[registry_];
    if (--road.travelling == 0) road.busy += Clock::now() - road.since;
  });
}

}  // namespace lighterman::metrics
