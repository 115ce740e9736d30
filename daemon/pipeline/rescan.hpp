#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "core/publication.hpp"
#include "pipeline/due.hpp"
#include "pipeline/yard.hpp"
#include "policy/decision.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// The SBOMs of published images (CycloneDX, compressed), so that they can be scanned again without
/// pulling them. One file for each manifest, and of an index one for each of its parts, in their
/// order. Any thread.
class SbomShelf {
 public:
  explicit SbomShelf(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void put(const Digest& manifest, const std::string& sbom, std::size_t part = 0) const;
  std::optional<std::string> find(const Digest& manifest, std::size_t part = 0) const;
  void forget(const Digest& manifest) const;
  /// Those that were put before and belong to nothing that was published: of runs that failed.
  void clear(const store::Store& store, Instant before) const;

 private:
  std::filesystem::path file_of(const Digest& manifest, std::size_t part) const;
  std::filesystem::path folder_;
};

/// What a round over the published images came to.
struct RescanRound {
  std::size_t scanned = 0;  ///< looked at again
  std::size_t news = 0;     ///< of them, with findings that were not known
  std::size_t gone = 0;     ///< no tag names them any more
  std::size_t failed = 0;   ///< could not be looked at; they are the next time
  std::size_t dirty = 0;    ///< with findings that block
};

/// Scans what is published and still tagged with today's database, on the schedule of `scan.rescan`
/// and when it is asked to. New findings go to the plugins' on_rescan, whose answers are performed.
/// A round that the daemon missed is made up for. Any thread.
class Rescan {
 public:
  /// `level` is "info" or "warn".
  using Tell = std::function<void(std::string_view level, const std::string& text)>;

  Rescan(std::function<std::shared_ptr<Yard>()> yard, store::Store& store, Tell tell);
  ~Rescan();  ///< ends a round between two images
  Rescan(const Rescan&) = delete;
  Rescan& operator=(const Rescan&) = delete;

  void wake();  ///< a round now
  RescanRound perform(const std::stop_token& stop);

 private:
  void work(const std::stop_token& stop);
  bool is_due(Instant now);
  void look_at(Yard& yard, store::ScannedPublication& each, RescanRound& round,
               const std::stop_token& stop);
  Findings scan(Yard& yard, const Publication& publication, const std::stop_token& stop);
  bool still_tagged(Yard& yard, Publication& publication, const std::stop_token& stop);
  policy::Decision ask(Yard& yard, const Publication& publication, const Findings& findings,
                       boost::json::array fresh, const std::stop_token& stop);
  void untag(Yard& yard, Publication& publication, const policy::Action& action,
             const std::stop_token& stop);

  std::function<std::shared_ptr<Yard>()> yard_;
  store::Store& store_;
  Tell tell_;
  Due due_;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  bool wanted_ = false;  ///< under mutex_
  std::jthread thread_;
};

/// Keeps book of an image that was just published and scanned, for Rescan.
void put_on_record(store::Store& store, const config::Config& config,
                   const Publication& publication, const Findings& findings);

}  // namespace lighterman::pipeline
