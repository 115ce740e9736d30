#include "pipeline/lookout.hpp"

#include <set>

#include "core/error.hpp"
#include "metrics/meters.hpp"

namespace lighterman::pipeline {
namespace {

metrics::Reach ask(engine::Engine& engine, const std::stop_token& stop) {
  try {
    engine.about(stop);
    return metrics::Reach::up;
  } catch (const Error&) {
    // Whatever it is, nothing can be built there now; runs say what.
    return metrics::Reach::down;
  }
}

/// Returns their names.
std::set<std::string> ask_all(Yard& yard, const std::stop_token& stop) {
  std::set<std::string> names;
  for (const engine::Options& options : yard.config().engines) {
    const metrics::Reach reach = ask(yard.engine(options.name), stop);
    if (stop.stop_requested()) break;
    metrics::engine_asked(options.name, reach);
    names.insert(options.name);
  }
  return names;
}

}  // namespace

Lookout::Lookout(std::function<std::shared_ptr<Yard>()> yard, std::chrono::milliseconds interval)
    : yard_(std::move(yard)),
      interval_(interval),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

void Lookout::work(const std::stop_token& stop) {
  std::set<std::string> known;
  while (!stop.stop_requested()) {
    std::set<std::string> asked = ask_all(*yard_(), stop);
    if (stop.stop_requested()) return;
    for (const std::string& name : known)
      if (!asked.contains(name)) metrics::forget_engine(name);
    known = std::move(asked);
    std::unique_lock lock(waiting_);
    woken_.wait_for(lock, stop, interval_, [] { return false; });
  }
}

}  // namespace lighterman::pipeline
