#include "pipeline/untagged.hpp"

#include <algorithm>
#include <optional>

#include "audit/trail.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "pipeline/retention.hpp"
#include "store/makings.hpp"

namespace lighterman::pipeline {
namespace {

constexpr const char* scope = "untagged";

enum class Fate { wait, forget, remove };

/// Of a run that went well its tags name it, and one that failed may be tried again.
Fate fate_of(const store::Store& store, RunId id, Instant long_ago) {
  std::optional<Run> run;
  try {
    run = store.get(id);
  } catch (const Error& error) {
    // So old that nobody remembers it.
    if (error.kind() != ErrorKind::not_found) throw;
    return Fate::forget;
  }
  if (!is_final(run->state)) return Fate::wait;
  if (run->state == RunState::succeeded) return Fate::forget;
  if (!run->ended || *run->ended >= long_ago) return Fate::wait;
  return run->state == RunState::denied ? Fate::remove : Fate::forget;
}

/// Another run let the very same image out: somebody may run it by its digest.
bool was_published(store::Store& store, const Digest& manifest) {
  constexpr std::size_t most_makings = 100;
  const auto makings = store::Makings(store).find(manifest, most_makings);
  return std::ranges::any_of(makings, [&](const store::Making& each) {
    return store.get(each.run).state == RunState::succeeded;
  });
}

}  // namespace

void note_untagged(store::Store& store, const Reference& by_digest, RunId run) {
  store.put_fact(scope, by_digest.text(), std::to_string(run));
}

void clear_untagged(Yard& yard, store::Store& store, Instant now,
                    std::chrono::milliseconds keep_denied,
                    const std::function<void(const std::string&)>& tell,
                    const std::function<void(const std::string&)>& warn,
                    const std::stop_token& stop) {
  for (const auto& [name, by] : store.facts(scope)) {
    const std::string& run = by;
    const Fate fate = fate_of(store, std::stoll(run), now - keep_denied);
    if (fate == Fate::wait) continue;
    try {
      const Reference image = Reference::parse(name);
      if (fate == Fate::remove && !was_published(store, *image.digest())) {
        perform_retention(
            yard, store, {{image.bare(), {}, {*image.digest()}, {}}}, tell,
            [&](const Reference& gone, const std::string&) {
              audit::Trail(store).note({.who = "lighterman",
                                        .deed = "delete",
                                        .subject = gone.text(),
                                        .why = concat("run ", run, " was denied")});
            },
            stop);
      }
      store.forget_fact(scope, name);
    } catch (const Error& error) {
      // Its registry may be away, or not let us delete.
      if (error.kind() == ErrorKind::cancelled) throw;
      warn(concat(name, ": ", error.what()));
      if (error.kind() != ErrorKind::unavailable) store.forget_fact(scope, name);
    }
  }
}

}  // namespace lighterman::pipeline
