#include "pipeline/harbor_work.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"
#include "net/retry.hpp"
#include "registry/harbor.hpp"

namespace lighterman::pipeline {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds first_pause{250}, longest_pause{5000};
/// So long Harbor may go on telling of the scan before ours.
constexpr std::chrono::seconds slow_to_begin{10};

/// False: a scan is under way, such as the one that Harbor begins at a push, and ours is not
/// needed.
bool begin_scan(registry::Harbor& harbor, const Reference& image, const std::stop_token& stop) {
  try {
    harbor.start_scan(image, stop);
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::conflict) throw;
    return false;
  }
}

constexpr const char* executions = "harbor execution";

}  // namespace

Findings scan_in_harbor(const registry::Options& options, const Reference& image,
                        milliseconds limit, const std::stop_token& stop) {
  registry::Harbor harbor(options);
  const auto before = harbor.find_scan(image, stop);
  const bool began = (!before || before->ended()) && begin_scan(harbor, image, stop);
  const auto start = steady_clock::now();
  for (milliseconds pause = first_pause;; pause = std::min(pause * 2, longest_pause)) {
    const auto job = harbor.find_scan(image, stop);
    const auto waited = steady_clock::now() - start;
    const bool old = began && before && job && job->changed == before->changed;
    if (job && job->ended() && (!old || waited > slow_to_begin)) {
      if (job->failed())
        throw Error(ErrorKind::internal,
                    concat("Harbor at ", options.host, " could not scan ", image.text(), ": ",
                           job->state, " (its scanner's log tells more)"));
      return harbor.findings(image, stop);
    }
    if (waited > limit)
      throw Error(ErrorKind::unavailable,
                  concat("Harbor at ", options.host, " did not scan ", image.text(), " within ",
                         render_duration(limit), " (`scan: {timeout: ...}`)",
                         job ? concat("; its scan stands at ", job->state) : std::string()));
    net::pause(pause, stop);
  }
}

std::string carry_by_harbor(const registry::Options& options, const std::string& policy,
                            store::Store& store, std::int64_t replication,
                            const std::stop_token& stop) {
  registry::Harbor harbor(options);
  const std::string name = std::to_string(replication);
  auto execution = store.find_fact(executions, name);
  if (!execution) {
    execution = std::to_string(harbor.start_replication(harbor.policy(policy, stop).id, stop));
    store.put_fact(executions, name, *execution);
  }
  const std::int64_t id = std::stoll(*execution);
  for (milliseconds pause = first_pause;; pause = std::min(pause * 2, longest_pause)) {
    const registry::HarborJob job = harbor.replication(id, stop);
    if (job.ended()) {
      // Another try is another execution.
      store.forget_fact(executions, name);
      const std::string said = concat("execution ", id, ' ', job.state, ", ", job.text);
      if (job.failed())
        throw Error(ErrorKind::internal, concat("Harbor at ", options.host, ", policy ", policy,
                                                ": ", said, " (its log of it tells more)"));
      return said;
    }
    net::pause(pause, stop);
  }
}

void stop_harbor(const registry::Options& options, store::Store& store, std::int64_t replication,
                 const std::function<void(std::string_view, const std::string&)>& tell) {
  const std::string name = std::to_string(replication);
  const auto execution = store.find_fact(executions, name);
  if (!execution) return;
  try {
    registry::Harbor(options).stop_replication(std::stoll(*execution), {});
    store.forget_fact(executions, name);
  } catch (const Error& error) {
    // It may be what was away, and ends there by itself.
    tell("warn", error.what());
  }
}

}  // namespace lighterman::pipeline
