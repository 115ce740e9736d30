#pragma once

#include <stop_token>

#include "pipeline/plan.hpp"
#include "pipeline/yard.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// What a plan for this run and its commit looks at: the images as the configuration and the
/// repository's own file describe them, the default branch, the changed paths. The run and the
/// yard's configuration outlive the scene.
PlanScene look_at(Yard& yard, store::Store& store, const Run& run, const source::Commit& commit,
                  const std::stop_token& stop);

}  // namespace lighterman::pipeline
