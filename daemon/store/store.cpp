#include "store/store.hpp"

#include "store/inside.hpp"

namespace lighterman::store {
namespace {

/// More readers than this at once are served too, but not kept for later.
constexpr std::size_t kept_readers = 8;

}  // namespace

std::unique_ptr<Connection> Readers::take() {
  auto kept = idle_.with([](auto& idle) {
    std::unique_ptr<Connection> last;
    if (idle.empty()) return last;
    last = std::move(idle.back());
    idle.pop_back();
    return last;
  });
  if (kept) return kept;
  return std::make_unique<Connection>(file_, Connection::Access::read);
}

void Readers::give_back(std::unique_ptr<Connection> connection) noexcept {
  idle_.with([&](auto& idle) {
    if (idle.size() < kept_readers) idle.push_back(std::move(connection));
  });
}

void Watch::bump() noexcept {
  {
    const std::lock_guard lock(mutex_);
    ++version_;
  }
  changed_.notify_all();
}

std::uint64_t Watch::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

std::uint64_t Watch::wait(std::uint64_t seen, std::chrono::milliseconds timeout,
                          const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, timeout, [&] { return version_ != seen; });
  return version_;
}

void require_run(Connection& database, RunId run) {
  if (!database.query("SELECT 1 FROM runs WHERE id = ?", run).step())
    throw Error(ErrorKind::not_found, concat("run ", run, " does not exist"));
}

Store::Store(Options options) : inside_(std::make_unique<Inside>(std::move(options))) {
  inside_->readers.with([&](Connection& database) {
    Statement wish =
        database.query("SELECT id FROM runs WHERE ended IS NULL AND cancel_wanted = 1");
    while (wish.step())
      inside_->cancelled.with([&](std::set<RunId>& runs) { runs.insert(wish.number(0)); });
  });
}

Store::~Store() = default;

bool Store::cancel_wanted(RunId run) const {
  return inside_->cancelled.with([&](const std::set<RunId>& runs) { return runs.contains(run); });
}

std::uint64_t Store::version() const { return inside_->watch.version(); }

std::uint64_t Store::wait(std::uint64_t seen, std::chrono::milliseconds timeout,
                          const std::stop_token& stop) const {
  return inside_->watch.wait(seen, timeout, stop);
}

}  // namespace lighterman::store
