#include "pipeline/rulebook.hpp"

#include "core/error.hpp"
#include "policy/spec.hpp"

namespace lighterman::pipeline {
namespace {

Seats load_seats(const config::Config& config, const policy::Catalogue& catalogue) {
  Seats seats;
  for (const auto& [name, given] : config.plugins) {
    try {
      seats.push_back(load_seat(given, catalogue));
    } catch (const Error& error) {
      // Whatever kind: to whoever reads it, the configuration is wrong.
      throw Error(ErrorKind::invalid,
                  concat(config.file.string(), ": plugins.", name, ": ", error.what()));
    }
  }
  return seats;
}

/// Every plugin's own specs, where it has some beside it.
void run_specs_of(const Seats& seats, const policy::Catalogue& catalogue) {
  for (const policy::Seat& seat : seats) {
    const auto spec = catalogue.find_spec(seat.plugin->name);
    if (!spec) continue;
    for (const policy::SpecResult& result : policy::run_specs(*spec)) {
      if (result.passed()) continue;
      throw Error(
          ErrorKind::invalid,
          concat("plugins.", seat.name, ": its spec fails: ", result.test, ": ", result.message));
    }
  }
}

}  // namespace

policy::Seat load_seat(const config::PluginSeat& given, const policy::Catalogue& catalogue) {
  policy::Seat seat;
  seat.name = given.name;
  seat.plugin = std::make_shared<const policy::Plugin>(
      catalogue.get(given.use.empty() ? given.name : given.use));
  seat.settings = during("settings", [&] { return check_settings(*seat.plugin, given.settings); });
  check_grants(*seat.plugin, seat.name, given.allow);
  seat.granted = given.allow;
  seat.sources = given.sources;
  return seat;
}

Rulebook::Rulebook(const config::Config& config, policy::PowersOptions powers)
    : config_(config), catalogue_(config.plugin_folders), powers_(std::move(powers)) {
  Shelf shelf;
  // The mark is taken first: what changes in between is seen by the next look.
  shelf.fingerprint = catalogue_.fingerprint();
  shelf.seats = std::make_shared<const Seats>(load_seats(config, catalogue_));
  shelf_.with([&](Shelf& kept) { kept = std::move(shelf); });
}

std::shared_ptr<const Seats> Rulebook::seats() const {
  return shelf_.with([](const Shelf& shelf) { return shelf.seats; });
}

std::optional<Rulebook::News> Rulebook::refresh() {
  if (config_.plugins.empty() || config_.plugin_folders.empty()) return {};
  const std::string mark = catalogue_.fingerprint();
  const bool known = shelf_.with([&](Shelf& shelf) {
    // Whoever comes first looks into it, also when it turns out to be no good.
    return std::exchange(shelf.fingerprint, mark) == mark;
  });
  if (known) return {};
  try {
    auto seats = std::make_shared<const Seats>(load_seats(config_, catalogue_));
    run_specs_of(*seats, catalogue_);
    shelf_.with([&](Shelf& shelf) { shelf.seats = seats; });
    return News{true, concat(seats->size(), " plugins read anew")};
  } catch (const Error& error) {
    // The old ones go on; the operator reads why.
    return News{false, error.what()};
  }
}

}  // namespace lighterman::pipeline
