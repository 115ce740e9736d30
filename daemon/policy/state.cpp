#include "policy/state.hpp"

#include <cstdlib>
#include <utility>

#include "core/error.hpp"
#include "policy/modules.hpp"
#include "policy/values.hpp"

namespace lighterman::policy {
namespace {

constexpr int instructions_per_look = 1000;
/// So much memory asked for means long steps: copying texts, growing tables.
constexpr std::uint64_t memory_per_look = 1 << 20;
const char sealed = 0;  // its address is a key

int write_sealed(lua_State* lua) {
  return luaL_error(lua, "%s is read-only", lua_tostring(lua, lua_upvalueindex(1)));
}

int length_of_sealed(lua_State* lua) {
  push_plain(lua, 1);
  lua_pushinteger(lua, static_cast<lua_Integer>(lua_rawlen(lua, -1)));
  return 1;
}

/// Puts the line of the plugin that is being run in front of the text on the top.
void add_place(lua_State* lua) {
  for (int level = 0; level < 6; ++level) {
    luaL_where(lua, level);
    if (*lua_tostring(lua, -1) != '\0') {
      lua_insert(lua, -2);
      lua_concat(lua, 2);
      return;
    }
    lua_pop(lua, 1);
  }
}

/// Lua's message handler: an error that is no text (error{...}) becomes one while its place is
/// known.
int describe(lua_State* lua) {
  if (lua_type(lua, 1) == LUA_TSTRING) return 1;
  lua_pushstring(lua, concat("an error that is no text: ", shown_at(lua, 1)).c_str());
  add_place(lua);
  return 1;
}

struct Job {
  const std::function<void(lua_State*)>& work;
  std::exception_ptr failure;
};

int perform_job(lua_State* lua) {
  Job& job = *static_cast<Job*>(lua_touserdata(lua, 1));
  lua_settop(lua, 0);
  try {
    job.work(lua);
    return 0;
  } catch (const std::exception&) {
    // Leaves from run(), when Lua has cleaned up behind it.
    job.failure = std::current_exception();
  }
  lua_pushnil(lua);
  return lua_error(lua);
}

}  // namespace

State::State(const Limits& limits, Instant now) : limits_(limits), now_(now) {
  lua_.reset(lua_newstate(&State::allocate, this));
  if (!lua_) throw Error(ErrorKind::internal, "no memory for a Lua state");
  *static_cast<State**>(lua_getextraspace(lua())) = this;
  run([](lua_State* lua) { open_globals(lua); });
}

void* State::allocate(void* state, void* block, std::size_t old_size, std::size_t new_size) {
  State& self = *static_cast<State*>(state);
  if (block == nullptr) old_size = 0;  // then it is the kind of the object
  if (new_size == 0) {
    std::free(block);
    self.memory_used_ -= old_size;
    return nullptr;
  }
  if (new_size > old_size) {
    if (self.memory_used_ + new_size - old_size > self.limits_.memory_bytes) {
      return nullptr;  // Lua collects its garbage and asks once more before it gives up
    }
    self.memory_since_look_ += new_size;
    if (self.memory_since_look_ > memory_per_look && self.lua_) self.look_after(1);
  }
  void* moved = std::realloc(block, new_size);
  if (moved != nullptr) self.memory_used_ += new_size - old_size;
  return moved;
}

/// lua_sethook may be called at any moment (manual, section 4.7).
void State::look_after(int instructions) {
  if (look_after_ == instructions) return;
  look_after_ = instructions;
  lua_sethook(lua(), &State::count, LUA_MASKCOUNT, instructions);
}

void State::count(lua_State* lua, lua_Debug*) {
  State& self = of(lua);
  if (self.exhausted_) self.exhaust(lua, *self.exhausted_);
  self.instructions_left_ -= self.look_after_;
  self.memory_since_look_ = 0;
  self.look_after(instructions_per_look);
  if (self.instructions_left_ <= 0) {
    self.exhaust(lua, concat("ran more than ", self.limits_.instructions / 1'000'000,
                             " million instructions (an endless loop?)"));
  }
  self.check_time(lua);
}

void State::exhaust(lua_State* lua, std::string why) {
  exhausted_ = std::move(why);
  // Whatever still runs (a close variable, an outer pcall) ends at its first instruction.
  look_after(1);
  const std::string& text = *exhausted_;
  lua_pushlstring(lua, text.data(), text.size());
  add_place(lua);
  lua_error(lua);
  std::abort();  // lua_error does not come back; its declaration does not say so
}

std::string State::memory_limit() const {
  return concat("used more than ", render_size(limits_.memory_bytes), " of memory");
}

void State::check_time(lua_State* lua) {
  if (exhausted_) exhaust(lua, *exhausted_);
  if (std::chrono::steady_clock::now() < deadline_) return;
  exhaust(lua, concat("took longer than ", render_duration(limits_.wall_time)));
}

std::chrono::milliseconds State::take_wish(lua_State* lua) {
  if (--wishes_left_ < 0) {
    exhaust(lua, concat("used capabilities more than ", limits_.wishes, " times"));
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(outside_left_);
  if (left.count() > 0) return left;
  exhaust(lua, concat("its capabilities took longer than ", render_duration(limits_.outside_time)));
}

void State::extend(std::chrono::steady_clock::duration spent) {
  deadline_ += spent;
  outside_left_ -= spent;
}

void State::begin() {
  instructions_left_ = limits_.instructions;
  deadline_ = std::chrono::steady_clock::now() + limits_.wall_time;
  outside_left_ = limits_.outside_time;
  wishes_left_ = limits_.wishes;
  log_lines_left_ = limits_.log_lines;
  memory_since_look_ = 0;
  exhausted_.reset();
  look_after(instructions_per_look);
}

/// Throws what Lua's status and message say; `top` is where the stack was before the call.
void State::end(int status, int top) {
  if (status == LUA_OK) return;
  std::string why = status == LUA_ERRMEM ? memory_limit() : "an error while handling an error";
  if (status == LUA_ERRRUN && lua_type(lua(), -1) == LUA_TSTRING) why = lua_tostring(lua(), -1);
  lua_settop(lua(), top);
  lua_gc(lua(), LUA_GCCOLLECT);
  throw Error(ErrorKind::invalid, shortened(valid_utf8(why), 2000));
}

void State::run(const std::function<void(lua_State*)>& work) {
  begin();
  Job job{work, {}};
  const int top = lua_gettop(lua());
  if (lua_checkstack(lua(), 4) == 0) throw Error(ErrorKind::invalid, memory_limit());
  lua_pushcfunction(lua(), describe);
  lua_pushcfunction(lua(), perform_job);
  lua_pushlightuserdata(lua(), &job);
  const int status = lua_pcall(lua(), 1, 0, top + 1);
  if (job.failure) {
    lua_settop(lua(), top);
    std::rethrow_exception(job.failure);
  }
  end(status, top);
  lua_settop(lua(), top);
}

void State::call(int arguments, int results) {
  begin();
  const int top = lua_gettop(lua()) - arguments - 1;
  if (lua_checkstack(lua(), 2) == 0) throw Error(ErrorKind::invalid, memory_limit());
  lua_pushcfunction(lua(), describe);
  lua_insert(lua(), top + 1);
  const int status = lua_pcall(lua(), arguments, results, top + 1);
  end(status, top);
  lua_remove(lua(), top + 1);
}

void seal(lua_State* lua, const char* name) {
  lua_createtable(lua, 0, 0);  // module, face
  lua_createtable(lua, 0, 5);  // module, face, metatable
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_pushstring(lua, name);
  lua_pushcclosure(lua, write_sealed, 1);
  lua_setfield(lua, -2, "__newindex");
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_pushcfunction(lua, length_of_sealed);
  lua_setfield(lua, -2, "__len");
  lua_pushvalue(lua, -3);
  lua_rawsetp(lua, -2, &sealed);
  lua_setmetatable(lua, -2);  // module, face
  lua_remove(lua, -2);
}

void push_plain(lua_State* lua, int table) {
  lua_pushvalue(lua, table);
  if (lua_getmetatable(lua, -1) == 0) return;
  if (lua_rawgetp(lua, -1, &sealed) == LUA_TTABLE) {
    lua_replace(lua, -3);
    lua_pop(lua, 1);
  } else {
    lua_pop(lua, 2);
  }
}

}  // namespace lighterman::policy
