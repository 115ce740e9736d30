#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/time.hpp"

namespace lighterman {

/// What asked for a run.
enum class Origin { webhook, api, schedule, poll, catch_up, retry };
std::string_view render(Origin origin) noexcept;
Origin parse_origin(std::string_view given);

/// One wish to build: somebody pushed, called, or the time came.
struct PushEvent {
  std::string source;  ///< a source's name in the configuration
  Origin origin = Origin::webhook;
  std::string delivery;  ///< unique per wish; the same delivery twice is one run
  std::string ref;       ///< full: "refs/heads/main", "refs/tags/v1"; empty for a bare commit
  std::string commit;    ///< 40 or 64 hex digits; empty: whatever the ref points to when fetched
  std::string before;    ///< the ref's previous commit, when known
  std::string forge;     ///< "github", "gitea", ...; empty where no forge spoke
  std::string author;    ///< who pushed or asked
  std::string message;   ///< the head commit's message
  std::string reason;    ///< why, in words, for origins that are not a push
  /// Paths touched between before and commit; empty optional: not known, ask the repository.
  std::optional<std::vector<std::string>> changed_paths;
  std::vector<std::string> images;          ///< only these images of the source; empty: all
  std::map<std::string, std::string> args;  ///< extra build arguments
  bool no_cache = false;
  bool pull = false;  ///< newer bases are looked for, whatever the image says
  Instant received{};

  std::optional<std::string> branch() const;  ///< "main" of "refs/heads/main"
  std::optional<std::string> tag() const;     ///< "v1" of "refs/tags/v1"
};

boost::json::value to_json(const PushEvent& event);
PushEvent push_event_from(const boost::json::value& given);  ///< throws Error(invalid)

/// An event that is understood and leads to nothing; answered 200.
struct Ignored {
  std::string why;
};
/// A delivery that is not believed; answered 401.
struct Rejected {
  std::string why;
};
/// A push may have moved several refs: one event each, never none.
using Reading = std::variant<std::vector<PushEvent>, Ignored, Rejected>;

}  // namespace lighterman
