#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "core/time.hpp"
#include "pipeline/yard.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// Takes our names off the engines' images (`staging` is the address they begin with) where no run
/// needs them any more: of runs that are over, but for those denied after `before`, which somebody
/// may still allow. Brings the build cache of engines with a `cache_limit` below it. `warn` is told
/// of engines that cannot be asked.
void clear_leftovers(Yard& yard, store::Store& store, const std::string& staging, Instant before,
                     const std::function<void(const std::string&)>& warn,
                     const std::stop_token& stop);

}  // namespace lighterman::pipeline
