#include "pipeline/leftovers.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "core/text.hpp"
#include "engine/space.hpp"
#include "engine/stock.hpp"
#include "metrics/meters.hpp"
#include "pipeline/past_builds.hpp"

namespace lighterman::pipeline {
namespace {

using engine::Stock;

/// As the classic builder writes an id: "sha256:" and 64 digits in short.
std::string short_id(const std::string& id) { return id.substr(id.find(':') + 1, 12); }

/// The run in "127.0.0.1:7071/shop/web:run-17".
std::optional<RunId> run_in(const std::string& name) {
  constexpr std::string_view mark = ":run-";
  const std::size_t at = name.rfind(mark);
  if (at == std::string::npos) return {};
  RunId run = 0;
  const char* const end = name.data() + name.size();
  const auto [last, fault] = std::from_chars(name.data() + at + mark.size(), end, run);
  if (fault != std::errc() || last != end) return {};
  return run;
}

/// FROM's words for one image may differ: "busybox", "docker.io/library/busybox:latest".
std::string full_name(const std::string& base) {
  try {
    const Reference reference = Reference::parse(base);
    return (reference.tag() || reference.digest() ? reference : reference.with_tag("latest"))
        .text();
  } catch (const Error&) {
    // A stage's name, or a variable that nobody set: no image's.
    return base;
  }
}

/// What runs that are not over use, or will.
class Needs {
 public:
  explicit Needs(const store::Store& store) {
    for (const RunState state : {RunState::queued, RunState::running}) {
      store::RunFilter filter;
      filter.state = state;
      filter.limit = 1000;
      for (const Run& run : store.list(filter)) add(run);
    }
    if (sources_.empty()) return;
    for (const std::string& name : past_build_names(store)) {
      if (!sources_.contains(name.substr(0, name.find('/')))) continue;
      for (const PastBuild& build : past_builds(store, name))
        for (const Base& base : bases_of(build)) bases_.insert(full_name(base.image));
    }
  }

  bool has(const Holding& holding) const {
    if (since_ && holding.used >= *since_) return true;
    return holding.kind == Holding::Kind::base && bases_.contains(full_name(holding.base));
  }

 private:
  void add(const Run& run) {
    since_ = std::min(since_.value_or(run.created), run.created);
    sources_.insert(run.event.source);
  }

  std::optional<Instant> since_;
  std::set<std::string> sources_, bases_;
};

/// One engine is cleared.
class Clearing {
 public:
  Clearing(Yard& yard, store::Store& store, const ClearTerms& terms, const std::string& name,
           const std::stop_token& stop)
      : yard_(yard),
        store_(store),
        terms_(terms),
        stop_(stop),
        engine_(yard.engine(name)),
        options_(engine_.options()),
        stock_(options_),
        holdings_(store, name) {
    cleared_.engine = name;
  }

  Cleared perform() {
    take_names_of_runs_away();
    forget_what_is_gone();
    const engine::Space before = engine::look_at_space(options_, stop_);
    clear_images(before.images);
    clear_cache();
    make_room();
    const engine::Space after = engine::look_at_space(options_, stop_);
    cleared_.image_bytes = before.images - std::min(before.images, after.images);
    metrics::engine_holds(options_.name, after.images, after.cache);
    if (cleared_.image_bytes != 0)
      metrics::engine_cleared(options_.name, "images", cleared_.image_bytes);
    if (cleared_.cache_bytes != 0)
      metrics::engine_cleared(options_.name, "cache", cleared_.cache_bytes);
    return cleared_;
  }

 private:
  bool is_needed(RunId id) const {
    try {
      const Run run = store_.get(id);
      if (!is_final(run.state)) return true;
      return run.state == RunState::denied && run.ended >= terms_.now - terms_.keep_denied;
    } catch (const Error& error) {
      // Perhaps another daemon's, which works with the same engine.
      if (error.kind() != ErrorKind::not_found) throw;
      return true;
    }
  }

  void take_names_of_runs_away() {
    for (const std::string& name : engine_.names(concat(terms_.staging, "/*/*"), stop_)) {
      const auto run = run_in(name);
      if (!run || is_needed(*run)) continue;
      if (drop_name(yard_, options_.name, holdings_, name, stop_)) ++cleared_.images;
    }
  }

  void forget_what_is_gone() {
    look_at_stock();
    std::map<std::string, engine::StockedContainer> containers;
    for (engine::StockedContainer& each : stock_.containers(stop_))
      containers.insert_or_assign(short_id(each.id), std::move(each));
    const Needs needs(store_);
    for (const Holding& holding : holdings_.all()) {
      if (holding.kind == Holding::Kind::container) {
        const auto there = containers.find(holding.id);
        if (there == containers.end() || !is_of_then(holding, there->second.created)) {
          holdings_.forget(holding);
        } else if (!needs.has(holding)) {
          clear_container(holding);
        }
      } else if (!is_there(holding)) {
        holdings_.forget(holding);
      }
    }
  }
  void look_at_stock() {
    images_.clear();
    names_.clear();
    for (engine::StockedImage& image : stock_.images(stop_)) {
      names_.insert(image.names.begin(), image.names.end());
      images_.insert_or_assign(short_id(image.id), std::move(image));
    }
  }
  bool is_there(const Holding& holding) const {
    if (holding.kind == Holding::Kind::name) return names_.contains(holding.id);
    const auto image = images_.find(holding.id);
    // A base is as old as it is.
    return image != images_.end() &&
           (holding.kind == Holding::Kind::base || is_of_then(holding, image->second.created));
  }
  /// An engine that died left it; one that runs is not removed.
  void clear_container(const Holding& holding) {
    const Stock::Removal removal = stock_.remove_container(holding.id, stop_);
    if (removal == Stock::Removal::in_use) return;
    if (removal == Stock::Removal::removed) ++cleared_.containers;
    holdings_.forget(holding);
  }

  void clear_images(std::uint64_t taken) {
    if (options_.image_age.count() != 0) {
      const Instant oldest = terms_.now - options_.image_age;
      remove_while([&](const Holding& holding) { return holding.used < oldest; });
    }
    if (options_.image_limit == 0 || taken <= options_.image_limit) return;
    unsigned seen = cleared_.images;
    remove_while([&](const Holding&) {
      // Engines take their time to count.
      if (std::exchange(seen, cleared_.images) != cleared_.images)
        taken = engine::look_at_space(options_, stop_).images;
      return taken > options_.image_limit;
    });
  }

  void clear_cache() {
    if (options_.cache_age.count() != 0)
      cleared_.cache_bytes += engine_.prune_old_cache(
          std::chrono::duration_cast<std::chrono::seconds>(options_.cache_age), stop_);
    if (options_.cache_limit != 0)
      cleared_.cache_bytes += engine_.prune_cache(options_.cache_limit, stop_);
  }

  /// The disk is nearly full, and builds wait for it.
  void make_room() {
    const auto low = [&] {
      const auto free = yard_.find_free_space(options_.name, stop_);
      return free && *free < options_.min_free;
    };
    if (!low()) return;
    remove_while([&](const Holding&) { return low(); });
    // What an operator calls ours alone we may empty, in halves.
    for (std::uint64_t keep = options_.cache_limit / 2; options_.cache_limit != 0 && low();
         keep /= 2) {
      cleared_.cache_bytes += engine_.prune_cache(keep, stop_);
      if (keep == 0) break;
    }
  }

  /// Again and again over all of them: what lies below others can go only after those.
  template <class Wanted>
  void remove_while(Wanted&& wanted) {
    bool removed = true;
    while (removed) {
      removed = false;
      look_at_stock();
      for (const Holding& holding : holdings_.all()) {
        if (holding.kind == Holding::Kind::container) continue;
        if (!wanted(holding)) break;
        removed |= remove(holding);
      }
    }
  }

  bool remove(const Holding& holding) {
    if (holding.kind == Holding::Kind::name) {
      if (Needs(store_).has(holding)) return false;
      if (!drop_name(yard_, options_.name, holdings_, holding.id, stop_)) return false;
    } else {
      const auto idle = yard_.find_idle(options_.name);
      if (!idle || Needs(store_).has(holding)) return false;
      const auto image = images_.find(holding.id);
      // With a name that is not ours it is somebody else's by now.
      const bool free =
          image == images_.end() || std::ranges::all_of(image->second.names, [&](const auto& name) {
            return is_name_of(holding, name);
          });
      if (!free) return false;
      if (image != images_.end() &&
          stock_.remove_image(image->second.id, stop_) == Stock::Removal::in_use)
        return false;
    }
    holdings_.forget(holding);
    ++cleared_.images;
    return true;
  }
  /// A base has the name that it was fetched as, and one by digest.
  static bool is_name_of(const Holding& holding, const std::string& name) {
    if (holding.kind != Holding::Kind::base) return false;
    if (full_name(name) == full_name(holding.base)) return true;
    const Reference given = Reference::parse(name);
    return given.digest() && given.name() == Reference::parse(holding.base).name();
  }

  Yard& yard_;
  store::Store& store_;
  const ClearTerms& terms_;
  const std::stop_token& stop_;
  engine::Engine& engine_;
  const engine::Options& options_;
  Stock stock_;
  Holdings holdings_;
  std::map<std::string, engine::StockedImage> images_;  ///< by short id
  std::set<std::string> names_;
  Cleared cleared_;
};

}  // namespace

std::vector<Cleared> clear_leftovers(Yard& yard, store::Store& store, const ClearTerms& terms,
                                     const std::function<void(const std::string&)>& warn,
                                     const std::stop_token& stop) {
  std::vector<Cleared> all;
  for (const engine::Options& options : yard.config().engines) {
    try {
      Cleared cleared = Clearing(yard, store, terms, options.name, stop).perform();
      if (cleared.anything()) all.push_back(std::move(cleared));
    } catch (const Error& error) {
      // An engine that is away now is asked again the next time.
      if (error.kind() == ErrorKind::cancelled) throw;
      warn(concat("engine \"", options.name, "\": ", error.what()));
    }
  }
  return all;
}

bool drop_name(Yard& yard, const std::string& engine, Holdings& holdings, const std::string& name,
               const std::stop_token& stop) {
  engine::Engine& named_on = yard.engine(engine);
  if (!named_on.find_image(name, stop)) return true;
  Stock stock(named_on.options());
  const std::vector<std::string> below = stock.ancestors(name, stop);
  try {
    named_on.untag(name, stop);
  } catch (const Error& error) {
    // Somebody made a container of it.
    if (error.kind() != ErrorKind::conflict) throw;
    return false;
  }
  if (below.empty()) return true;
  std::map<std::string, engine::StockedImage> images;
  for (engine::StockedImage& image : stock.images(stop))
    images.insert_or_assign(image.id, std::move(image));
  const auto idle = yard.find_idle(engine);
  if (!idle) return true;
  for (const std::string& id : below) {
    const auto step = holdings.find(short_id(id));
    const auto image = images.find(id);
    if (!step || image == images.end() || !image->second.names.empty() ||
        !is_of_then(*step, image->second.created))
      return true;
    if (stock.remove_image(id, stop) == Stock::Removal::in_use) return true;
    holdings.forget(*step);
  }
  return true;
}

}  // namespace lighterman::pipeline
