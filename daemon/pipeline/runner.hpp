#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "net/retry.hpp"
#include "pipeline/journal.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/publisher.hpp"
#include "pipeline/yard.hpp"
#include "staging/staging.hpp"

namespace lighterman::pipeline {

struct RunnerOptions {
  /// For a stage whose engine, registry or git server cannot be reached; about half an hour in all.
  net::Retry retry{30, std::chrono::seconds(1), std::chrono::minutes(1), {}};
};

/// How a run ended; the store is told by the caller.
struct RunEnd {
  RunState state = RunState::succeeded;
  std::string why;
};

/// Takes one run through its stages. Each stage's result is stored before the next begins; one that
/// is already stored is not done again, so a run that was cut off goes on where it was.
/// One run, one thread. Error(cancelled) leaves when `stop` was requested.
class Runner {
 public:
  Runner(RunnerOptions options, std::shared_ptr<Yard> yard, staging::Staging& staging,
         store::Store& store, Journal& journal, Run run);

  RunEnd perform(const std::stop_token& stop);

 private:
  struct ImageOutcome;
  std::vector<ImageOutcome> perform_images(const RunPlan& plan, const std::stop_token& stop);
  source::Commit bring_source(const std::stop_token& stop);
  RunPlan make_plan(const source::Commit& commit, const std::stop_token& stop);

  RunnerOptions options_;
  std::shared_ptr<Yard> yard_;  // shared with the daemon, which may reload while the run goes on
  staging::Staging& staging_;
  store::Store& store_;
  Journal& journal_;
  Run run_;
};

}  // namespace lighterman::pipeline
