#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "pipeline/yard.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// That a run put this manifest, by digest, where no tag of ours names it yet. Any thread.
void note_untagged(store::Store& store, const Reference& by_digest, RunId run);

/// Deletes what denied runs left in registries under no tag, once nobody may allow it any more
/// (`keep_denied`): unless a tag, or an index that has one, needs it by now, or
/// another run published the same. `tell` and `warn` are
/// told of each. What cannot be asked for is tried again by the next call.
void clear_untagged(Yard& yard, store::Store& store, Instant now,
                    std::chrono::milliseconds keep_denied,
                    const std::function<void(const std::string&)>& tell,
                    const std::function<void(const std::string&)>& warn,
                    const std::stop_token& stop);

}  // namespace lighterman::pipeline
