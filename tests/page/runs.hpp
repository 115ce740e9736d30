#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "store/store.hpp"

namespace lighterman::page {

/// Runs as the pipeline would have stored them, for the page to show. One thread at a time.
class Runs {
 public:
  struct Wish {
    std::string source, ref, message, author;
    Instant came{};
    std::chrono::milliseconds waits{};  ///< max(): it is still queued
  };

  /// The store's clock has to show `now`, which is moved along.
  Runs(store::Store& store, Instant& now) : store_(store), now_(now) {}

  void fill(int count);       ///< of all kinds, with all that can be seen of them
  void fill_bare(int count);  ///< with nothing but a state
  RunId published(const Wish& wish, std::chrono::milliseconds length);
  RunId failed(const Wish& wish, std::chrono::milliseconds length);
  RunId denied(const Wish& wish);
  RunId hostile_one();  ///< whose every text is an attempt at a script
  RunId talkative(std::int64_t lines);
  RunId running();
  void replicas(RunId run);  ///< of all kinds, one of them on its way
  RunId begin(const Wish& wish);
  void say(RunId run, const std::string& image, const std::string& stage,
           const std::vector<std::pair<std::string, std::string>>& lines);

 private:
  void stage(RunId run, const std::string& image, const std::string& name,
             std::chrono::milliseconds length, const boost::json::value& result,
             StageState state = StageState::done);
  void plan(RunId run, const std::string& image);
  void build(RunId run, const std::string& image, std::chrono::milliseconds length);
  void stage_image(RunId run, const std::string& image, const Digest& manifest);
  void publish(RunId run, const Wish& wish, int seed);
  static std::string short_tag(const std::string& ref);

  store::Store& store_;
  Instant& now_;
  std::int64_t deliveries_ = 0;
};

}  // namespace lighterman::page
