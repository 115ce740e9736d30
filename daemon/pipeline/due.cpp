#include "pipeline/due.hpp"

#include <algorithm>
#include <cstdlib>

#include "core/text.hpp"
#include "intake/cron.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::chrono::minutes first_rest{1};
constexpr int most_doublings = 6;

/// The last failures in a row: when the last one was, and how many.
struct Failures {
  Instant last;
  int count = 0;
};

/// "TIME" or "TIME COUNT".
Failures failures_from(const std::string& text) {
  const std::vector<std::string> parts = split(text, ' ');
  return {parse_time(parts.at(0)), parts.size() > 1 ? std::atoi(parts[1].c_str()) : 1};
}

}  // namespace

bool Due::is_due(const std::string& cron, Instant now) {
  const auto last = store_.find_fact(scope_, name_);
  if (!last) {
    done(now);
    return false;
  }
  if (const auto failure = store_.find_fact(scope_, name_ + " failed")) {
    const Failures failures = failures_from(*failure);
    const int doublings = std::clamp(failures.count - 1, 0, most_doublings);
    // Those before the last success are over.
    if (failures.last >= parse_time(*last) && now < failures.last + first_rest * (1 << doublings))
      return false;
  }
  const auto next = intake::next(intake::Cron::parse(cron), parse_time(*last));
  return next && *next <= now;
}

void Due::done(Instant now) { store_.put_fact(scope_, name_, render_time(now)); }

void Due::failed(Instant now) {
  const auto before = store_.find_fact(scope_, name_ + " failed");
  const auto last = store_.find_fact(scope_, name_);
  int count = 1;
  if (before) {
    const Failures failures = failures_from(*before);
    if (!last || failures.last >= parse_time(*last)) count += failures.count;
  }
  store_.put_fact(scope_, name_ + " failed", concat(render_time(now), ' ', count));
}

}  // namespace lighterman::pipeline
