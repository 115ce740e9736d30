#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/run.hpp"

namespace lighterman::store {

/// How many there are of what, now and ever.
struct Figures {
  struct Ends {
    std::string source;
    RunState state = RunState::succeeded;
    std::int64_t runs = 0;
  };
  std::map<std::string, std::int64_t> queued, running;  ///< by source
  std::optional<Instant> oldest_queued;                 ///< since when that run waits
  std::vector<Ends> ends;                               ///< ever; an allowed run ends twice
  std::map<std::string, std::int64_t> waiting_actions;  ///< by kind
  std::map<std::string, std::int64_t> replications;     ///< that are not at their end, by state
};

/// One image of a source, over all its publications that a tag names.
struct ImageFigures {
  std::string source, image;
  std::int64_t tagged = 0;
  std::int64_t dirty = 0;  ///< the newest scan blocks, or a plugin wants it used no more
  std::map<std::string, std::int64_t> findings;  ///< by severity, of the newest scans
};

}  // namespace lighterman::store
