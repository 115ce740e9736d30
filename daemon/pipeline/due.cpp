#include "pipeline/due.hpp"

#include "core/text.hpp"
#include "intake/cron.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::chrono::minutes rest{1};

}  // namespace

bool Due::is_due(const std::string& cron, Instant now) {
  const auto last = store_.find_fact(scope_, name_);
  if (!last) {
    done(now);
    return false;
  }
  const auto failure = store_.find_fact(scope_, name_ + " failed");
  if (failure && now < parse_time(*failure) + rest) return false;
  const auto next = intake::next(intake::Cron::parse(cron), parse_time(*last));
  return next && *next <= now;
}

void Due::done(Instant now) { store_.put_fact(scope_, name_, render_time(now)); }

void Due::failed(Instant now) { store_.put_fact(scope_, name_ + " failed", render_time(now)); }

}  // namespace lighterman::pipeline
