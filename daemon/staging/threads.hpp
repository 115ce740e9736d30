#pragma once

#include <httplib.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lighterman::staging {

/// httplib's own pool queues without bound; this one lets the accepting thread wait, so that more
/// connections wait in the kernel.
class Threads : public httplib::TaskQueue {
 public:
  explicit Threads(unsigned most) : most_(most) {}

  void enqueue(std::function<void()> work) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock,
                  [&] { return ended_ || idle_ > waiting_.size() || threads_.size() < most_; });
    if (ended_) return;
    waiting_.push_back(std::move(work));
    if (idle_ < waiting_.size()) threads_.emplace_back([this] { perform(); });
    changed_.notify_all();
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void perform() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
      --idle_;
      if (waiting_.empty()) return;
      const std::function<void()> work = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      work();
      lock.lock();
    }
  }

  const unsigned most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool ended_ = false;
};

}  // namespace lighterman::staging
