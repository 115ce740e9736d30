#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <string>

#include "core/error.hpp"
#include "metrics/meters.hpp"
#include "net/retry.hpp"
#include "pipeline/journal.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// One stage of one image in the store: whether it is done, and what came of it.
class StageRecord {
 public:
  StageRecord(store::Store& store, RunId run, std::string image, std::string name)
      : store_(store), run_(run), image_(std::move(image)), name_(std::move(name)) {}

  /// The result of an earlier attempt; empty: to be done.
  std::optional<boost::json::value> find() const {
    const auto stage = store_.find_stage(run_, image_, name_);
    if (!stage || stage->state != StageState::done) return {};
    return stage->result;
  }

  /// Does the work and stores what it returns (a JSON value). A failure is stored with its message;
  /// a stop is not: the stage will be done again.
  template <class Work>
  boost::json::value perform(Work&& work) {
    store_.begin_stage(run_, image_, name_);
    const auto began = std::chrono::steady_clock::now();
    const auto count = [&](std::string_view state) {
      metrics::stage_ended(name_, state, std::chrono::steady_clock::now() - began);
    };
    try {
      boost::json::value result = work();
      store_.end_stage(run_, image_, name_, StageState::done, result);
      count("done");
      return result;
    } catch (const Error& error) {
      // The watcher of the run sees which stage failed, and why.
      const bool stopped = error.kind() == ErrorKind::cancelled;
      if (!stopped) fail(error.what(), render(error.kind()));
      count(stopped ? "stopped" : "failed");
      throw;
    }
  }

 private:
  void fail(const char* why, std::string_view kind);

  store::Store& store_;
  RunId run_;
  std::string image_, name_;
};

/// Retries what cannot be reached, telling the run's log and its `why` what it waits for.
template <class Work>
auto steady(net::Retry retry, store::Store& store, RunId run, const StageLog& log,
            const std::stop_token& stop, Work&& work) {
  bool waited = false;
  retry.report = [&](int attempt, const std::string& why, std::chrono::milliseconds pause) {
    log.warn(concat(why, "; attempt ", attempt + 1, " of ", retry.attempts, " in ",
                    render_duration(pause)));
    store.put_why(run, concat("waiting: ", why));
    waited = true;
  };
  const auto calm = [&] {
    if (waited) store.put_why(run, "");
  };
  if constexpr (std::is_void_v<decltype(work())>) {
    net::retried(retry, stop, work);
    calm();
  } else {
    auto result = net::retried(retry, stop, work);
    calm();
    return result;
  }
}

}  // namespace lighterman::pipeline
