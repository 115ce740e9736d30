#include "pipeline/leftovers.hpp"

#include <charconv>
#include <optional>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::pipeline {
namespace {

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

bool is_needed(store::Store& store, RunId id, Instant before) {
  try {
    const Run run = store.get(id);
    if (!is_final(run.state)) return true;
    return run.state == RunState::denied && run.ended >= before;
  } catch (const Error& error) {
    // Perhaps another daemon's, which works with the same engine.
    if (error.kind() != ErrorKind::not_found) throw;
    return true;
  }
}

}  // namespace

void clear_leftovers(Yard& yard, store::Store& store, const std::string& staging, Instant before,
                     const std::function<void(const std::string&)>& warn,
                     const std::stop_token& stop) {
  for (const engine::Options& options : yard.config().engines) {
    try {
      engine::Engine& engine = yard.engine(options.name);
      for (const std::string& name : engine.names(concat(staging, "/*/*"), stop)) {
        const auto run = run_in(name);
        if (run && !is_needed(store, *run, before)) engine.untag(name, stop);
      }
      if (options.cache_limit != 0) engine.prune_cache(options.cache_limit, stop);
    } catch (const Error& error) {
      // An engine that is away now is asked again the next time.
      if (error.kind() == ErrorKind::cancelled) throw;
      warn(concat("engine \"", options.name, "\": ", error.what()));
    }
  }
}

}  // namespace lighterman::pipeline
