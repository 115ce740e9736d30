#include "registry/throttle.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "net/retry.hpp"

namespace lighterman::registry {

std::size_t Throttle::take(std::size_t wanted, const std::stop_token& stop) {
  if (rate_ == 0) return wanted;
  const double deep = std::max(1.0, static_cast<double>(rate_) / 10);
  // A few bytes at a time would cost more than they are.
  const double least = std::clamp(deep / 5, 1.0, std::max(1.0, static_cast<double>(wanted)));
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      const auto now = std::chrono::steady_clock::now();
      allowance_ =
          std::min(deep, allowance_ + std::chrono::duration<double>(now - filled_).count() *
                                          static_cast<double>(rate_));
      filled_ = now;
      if (allowance_ >= least) {
        const std::size_t part = std::min(wanted, static_cast<std::size_t>(allowance_));
        allowance_ -= static_cast<double>(part);
        return part;
      }
    }
    net::pause(std::chrono::milliseconds(20), stop);
  }
}

void Throttle::give_back(std::size_t unused) {
  if (rate_ == 0 || unused == 0) return;
  const std::lock_guard lock(mutex_);
  allowance_ += static_cast<double>(unused);
}

Gate::Pass::Pass(Gate& gate, const std::stop_token& stop) : gate_(gate) {
  std::unique_lock lock(gate_.mutex_);
  if (!gate_.left_.wait(lock, stop, [&] { return gate_.free_ > 0; })) {
    throw Error(ErrorKind::cancelled, "stopped while waiting to upload");
  }
  --gate_.free_;
}

Gate::Pass::~Pass() {
  {
    const std::lock_guard lock(gate_.mutex_);
    ++gate_.free_;
  }
  gate_.left_.notify_one();
}

}  // namespace lighterman::registry
