#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace lighterman {

using Instant = std::chrono::sys_time<std::chrono::milliseconds>;

/// Where the time comes from; tests hand in one they can move. Any thread.
using Clock = std::function<Instant()>;
Instant system_now();

std::string render_time(Instant when);       ///< RFC 3339, UTC, milliseconds
Instant parse_time(std::string_view given);  ///< RFC 3339; throws Error(invalid)

/// "90s", "5m", "1h30m", "2d", "250ms"; throws Error(invalid).
std::chrono::milliseconds parse_duration(std::string_view given);
std::string render_duration(std::chrono::milliseconds length);  ///< "1m30s", for people

}  // namespace lighterman
