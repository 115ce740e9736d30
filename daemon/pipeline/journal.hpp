#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/run.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// A run's log on its way to the store: lines are gathered for a moment and stored together.
/// Any thread.
class Journal {
 public:
  Journal(store::Store& store, RunId run, Clock clock = system_now);
  ~Journal();  ///< stores what is left
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// One line per line of `text`; control sequences of terminals are taken out, but
  /// for colours.
  void add(std::string_view image, std::string_view stage, std::string_view kind,
           std::string_view text);
  /// How far a layer is; thinned to two lines a second per layer, the last one always kept.
  void progress(std::string_view image, std::string_view stage, std::string_view layer,
                std::string_view doing, std::uint64_t current, std::uint64_t total);
  void flush();  ///< returns when all lines so far are in the store

 private:
  void store_lines(const std::stop_token& stop);

  store::Store& store_;
  RunId run_;
  Clock clock_;
  std::mutex mutex_, storing_;
  std::condition_variable_any more_;
  std::vector<JournalLine> lines_;
  std::map<std::string, Instant, std::less<>> last_progress_;
  std::jthread storer_;
};

/// One image (or the run itself) and one stage of a journal.
class StageLog {
 public:
  StageLog(Journal& journal, std::string image, std::string stage)
      : journal_(&journal), image_(std::move(image)), stage_(std::move(stage)) {}
  void note(std::string_view text) const { journal_->add(image_, stage_, "info", text); }
  void warn(std::string_view text) const { journal_->add(image_, stage_, "warn", text); }
  void error(std::string_view text) const { journal_->add(image_, stage_, "error", text); }
  void add(std::string_view kind, std::string_view text) const {
    journal_->add(image_, stage_, kind, text);
  }
  void progress(std::string_view layer, std::string_view doing, std::uint64_t current,
                std::uint64_t total) const {
    journal_->progress(image_, stage_, layer, doing, current, total);
  }

 private:
  Journal* journal_;
  std::string image_, stage_;
};

}  // namespace lighterman::pipeline
