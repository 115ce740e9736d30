#pragma once

#include <stop_token>
#include <vector>

#include "core/run.hpp"
#include "pipeline/yard.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// Adds a run for each branch's newest image that has a base which moved since it was built. The
/// same move is told once. Registries that cannot be reached are looked at the next time. Returns
/// the runs it added.
std::vector<RunId> watch_bases(Yard& yard, store::Store& store, Instant now,
                               const std::stop_token& stop);

}  // namespace lighterman::pipeline
