#pragma once

#include <boost/json/array.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace lighterman::pipeline {

/// Why a build takes place at all.
struct BuildCause {
  std::string why;                   ///< for people; empty: nobody looked
  std::vector<std::string> changed;  ///< files, where that is why
};

/// The Dockerfile's steps of one build, in its order, and why each was done. One thread at a time.
class BuildSteps {
 public:
  void see(const engine::BuildNews& news);
  /// [{"step", "line", "cached", "seconds", "why"}]: of a step that was done: which of its files
  /// changed, which stage or step before it did, or that the engine did not have it.
  boost::json::array explain(const BuildCause& cause) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Step {
    std::string name;         ///< "[build 2/4] COPY src /src"
    std::string stage;        ///< "build"; empty where there is one only
    std::string instruction;  ///< "COPY src /src"
    int line = 0, number = 0;
    bool ended = false, cached = false;
    Clock::time_point began{};
    double seconds = 0;
  };
  std::string why(std::size_t at, const BuildCause& cause) const;
  /// The first step of a stage that was done; null: all were cached.
  const Step* first_done(const std::string& stage) const;

  std::vector<Step> steps_;
};

}  // namespace lighterman::pipeline
