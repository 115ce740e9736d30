#include "store/writer.hpp"

#include <algorithm>

#include "store/schema.hpp"

namespace lighterman::store {

Writer::Writer(const std::filesystem::path& file) : database_(file, Connection::Access::write) {
  {
    Statement mode = database_.query("PRAGMA journal_mode = WAL");
    if (!mode.step() || mode.text(0) != "wal")
      throw Error(ErrorKind::invalid,
                  concat(database_.file(), ": this file system does not allow a write-ahead log; ",
                         "keep the data folder on a local disk"));
  }
  database_.execute(
      "PRAGMA synchronous = FULL;"
      "PRAGMA foreign_keys = ON;"
      "PRAGMA wal_autocheckpoint = 4000;"        // pages; 16 MB, so that bursts rarely meet one
      "PRAGMA journal_size_limit = 67108864;");  // bytes the log keeps after a burst
  migrate(database_, schema_steps());
}

void Writer::perform(const Work& work, Durability durability, const Effect& committed) {
  Job job{work, committed, durability};
  {
    std::unique_lock lock(mutex_);
    queue_.push_back(&job);
    if (led_) job.wake.wait(lock, [&] { return job.turn != Job::Turn::waiting; });
    if (job.turn != Job::Turn::done) lead(lock);
  }
  if (job.failed) throw Error(*job.failed, job.failure);
}

/// Commits all that waits, the caller's own job among it, and names the next to lead.
void Writer::lead(std::unique_lock<std::mutex>& lock) {
  led_ = true;
  std::vector<Job*> batch;
  batch.swap(queue_);
  lock.unlock();
  commit(batch);
  lock.lock();
  // Notified under the lock: a job lives on its caller's stack and is gone once that runs on.
  for (Job* job : batch) {
    job->turn = Job::Turn::done;
    job->wake.notify_one();
  }
  led_ = !queue_.empty();
  if (!led_) return;
  queue_.front()->turn = Job::Turn::leading;
  queue_.front()->wake.notify_one();
}

void Writer::commit(const std::vector<Job*>& batch) noexcept {
  const auto fail_all = [&](ErrorKind kind, const char* why) {
    roll_back();
    for (Job* job : batch) {
      if (job->failed) continue;
      job->failed = kind;
      job->failure = why;
    }
  };
  // Each caller gets the failure in its own thread; here the others must still be served.
  try {
    const bool full = std::any_of(batch.begin(), batch.end(), [](const Job* job) {
      return job->durability == Durability::full;
    });
    sync_as(full ? Durability::full : Durability::lazy);
    database_.perform("BEGIN IMMEDIATE");
    for (Job* job : batch) run(*job);
    database_.perform("COMMIT");
  } catch (const Error& error) {
    return fail_all(error.kind(), error.what());
  } catch (const std::exception& error) {
    return fail_all(ErrorKind::internal, error.what());
  }
  for (Job* job : batch)
    if (!job->failed && job->committed) job->committed();
}

/// Throws only when the whole transaction is lost.
void Writer::run(Job& job) {
  database_.perform("SAVEPOINT job");
  // One caller's bad wish must not undo what its neighbours in the batch did.
  try {
    job.work(database_);
  } catch (const Error& error) {
    job.failed = error.kind();
    job.failure = error.what();
  } catch (const std::exception& error) {
    job.failed = ErrorKind::internal;
    job.failure = error.what();
  }
  // A full or broken disk makes SQLite give up the transaction by itself.
  if (!database_.in_transaction())
    throw Error(job.failed.value_or(ErrorKind::internal),
                job.failed ? job.failure : concat(database_.file(), ": transaction lost"));
  if (job.failed) database_.perform("ROLLBACK TO job");
  database_.perform("RELEASE job");
}

/// The setting belongs to the connection and cannot change inside a transaction. What a lazy commit
/// wrote to the log is synced by the next full one.
void Writer::sync_as(Durability durability) {
  if (durability == synced_as_) return;
  database_.execute(durability == Durability::full ? "PRAGMA synchronous = FULL"
                                                   : "PRAGMA synchronous = NORMAL");
  synced_as_ = durability;
}

void Writer::roll_back() noexcept {
  if (!database_.in_transaction()) return;
  // The first failure is the one to report; the next BEGIN shows whether this one mattered.
  try {
    database_.execute("ROLLBACK");
  } catch (const std::exception&) {
    return;
  }
}

}  // namespace lighterman::store
