#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <lua5.4/lua.hpp>
#include <memory>
#include <optional>
#include <string>

#include "core/handles.hpp"
#include "core/time.hpp"
#include "policy/capability.hpp"

namespace lighterman::policy {

/// What Lua code may use. One that is exceeded ends the call, and no pcall survives it.
struct Limits {
  std::uint64_t memory_bytes = 32 << 20;                      ///< of the whole state
  std::int64_t instructions = 20'000'000;                     ///< of one call
  std::chrono::milliseconds wall_time{2000};                  ///< of one call, capabilities aside
  std::int64_t match_steps = 2'000'000;                       ///< of one match of a Lua pattern
  std::size_t result_bytes = 1 << 20, result_nodes = 10'000;  ///< of what a hook returns
  std::chrono::milliseconds outside_time{std::chrono::minutes(15)};  ///< capabilities, one call
  int wishes = 100;                                                  ///< uses of them, one call
  int log_lines = 200;                                               ///< kept of one call
};

/// A Lua 5.4 state without io, os, debug, package, load, coroutines, finalizers and randomness,
/// and with the modules that every plugin has (modules.hpp). Its globals are closed: each piece of
/// code gets an environment of its own, and shared tables are read-only. The same facts give the
/// same answers: pairs and next have an order, and no address shows. One thread.
class State {
 public:
  explicit State(const Limits& limits = {}, Instant now = {});
  ~State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  lua_State* lua() const noexcept { return lua_.get(); }
  const Limits& limits() const noexcept { return limits_; }
  Instant now() const noexcept { return now_; }  ///< what `time.now` says

  /// Runs `work`, the only place from which Lua may be used: it can fail anywhere, if only for want
  /// of memory. Throws what `work` throws, or Error(invalid) with Lua's message. The stack is left
  /// as it was.
  void run(const std::function<void(lua_State*)>& work);
  /// Calls the function below its `arguments` on the stack; Error(invalid) with Lua's message. The
  /// limits count anew.
  void call(int arguments, int results);
  /// A table on the top becomes an environment: what it holds, then the shared globals, and no
  /// assignment.
  void make_environment();
  /// The same around an empty table; rawset can add to it.
  void push_environment();

  /// Where log.info and its kin go; "info" or "warn".
  std::function<void(std::string_view level, std::string_view text)> log;
  /// What the code that is called now may use; null: nothing.
  const Allowance* allowance = nullptr;

  static State& of(lua_State* lua) { return **static_cast<State**>(lua_getextraspace(lua)); }
  /// Set when a limit was exceeded; from then on nothing but the end is reached.
  const std::optional<std::string>& exhausted() const noexcept { return exhausted_; }
  /// Ends the call now, with this reason.
  [[noreturn]] void exhaust(lua_State* lua, std::string why);
  void check_time(lua_State* lua);
  std::string memory_limit() const;  ///< what exceeding it is answered with
  /// Whether one more line may be logged.
  bool take_log_line() noexcept { return log_lines_left_-- > 0; }
  /// Counts one use of a capability and says how long it may take.
  std::chrono::milliseconds take_wish(lua_State* lua);
  /// That use took so long; it does not count as the call's own time.
  void extend(std::chrono::steady_clock::duration spent);

 private:
  static void* allocate(void* state, void* block, std::size_t old_size, std::size_t new_size);
  static void count(lua_State* lua, lua_Debug* at);
  void begin();
  void end(int status, int top);
  void look_after(int instructions);

  Limits limits_;
  Instant now_;
  std::uint64_t memory_used_ = 0, memory_since_look_ = 0;
  int look_after_ = 0;
  std::int64_t instructions_left_ = 0;
  std::chrono::steady_clock::time_point deadline_;
  std::chrono::steady_clock::duration outside_left_{};
  int wishes_left_ = 0, log_lines_left_ = 0;
  std::optional<std::string> exhausted_;
  std::unique_ptr<lua_State, By<lua_close>> lua_;
};

using Binding = int (*)(lua_State*);

/// The one door of C++ failures into Lua. Lua's own throw is no std::exception and must pass.
template <Binding bound>
int guarded(lua_State* lua) {
  try {
    return bound(lua);
  } catch (const std::exception& error) {
    luaL_where(lua, 1);
    lua_pushstring(lua, error.what());
  }
  lua_concat(lua, 2);
  return lua_error(lua);
}

/// A module of functions (and tables, below) on the top of the stack becomes read-only.
void seal(lua_State* lua, const char* name);

}  // namespace lighterman::policy
