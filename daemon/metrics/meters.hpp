#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace lighterman::metrics {

using Seconds = std::chrono::duration<double>;

// What happens and is found nowhere afterwards is counted as it happens, since the process began:
// one place for all of it, as there is one process to watch. Any thread.

/// One stage of a run ended; `state` is "done", "failed" or "stopped".
void stage_ended(std::string_view stage, std::string_view state, Seconds took);
/// A run began after so long in the queue.
void run_began(Seconds waited);
/// A plugin answered a hook, or its hook failed.
enum class Heard { answered, failed };
void plugin_called(std::string_view plugin, std::string_view hook, Heard heard, Seconds took);
/// A webhook was answered: "accepted", "duplicate", "ignored", "rejected" or "broken".
void hook_answered(std::string_view forge, std::string_view outcome);
/// A request to the API was answered; `route` is the pattern of its path, so that there are few.
void request_answered(std::string_view method, std::string_view route, int status, Seconds took);
/// A notice or status was told, or given up: `state` is "done" or "failed".
void action_ended(std::string_view kind, std::string_view state);
/// A layer or image configuration came to be in a registry: `fate` as core's LayerFate.
void blob_arrived(std::string_view registry, std::string_view fate, std::uint64_t saved_bytes);
/// Bytes of blobs on the wire to a registry, also those of uploads that broke.
void bytes_sent(std::string_view registry, std::uint64_t bytes);
/// Whether an engine answered when it was last asked.
enum class Reach { down, up };
void engine_asked(std::string_view engine, Reach reach);
/// What an engine's images and build cache took when it was last looked at.
void engine_holds(std::string_view engine, std::uint64_t image_bytes, std::uint64_t cache_bytes);
/// Room was made on an engine: `what` is "images" or "cache".
void engine_cleared(std::string_view engine, std::string_view what, std::uint64_t bytes);
/// An engine that is in no configuration any more.
void forget_engine(std::string_view engine);

/// One blob is on its way to a registry while this lives. The time with at least one on its way is
/// what bytes_sent() is to be divided by.
class Sending {
 public:
  explicit Sending(std::string_view registry);
  ~Sending();
  Sending(const Sending&) = delete;
  Sending& operator=(const Sending&) = delete;

 private:
  std::string registry_;
};

}  // namespace lighterman::metrics
