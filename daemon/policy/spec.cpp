#include "policy/spec.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "policy/catalogue.hpp"
#include "policy/spec_bench.hpp"
#include "policy/values.hpp"

namespace lighterman::policy {
namespace {

using std::chrono::steady_clock;
using std::filesystem::path;

/// More than a hook has: a test may ask hooks often.
Limits limits_of_specs() {
  Limits limits;
  limits.memory_bytes = 256 << 20;
  limits.instructions = 200'000'000;
  limits.wall_time = std::chrono::seconds(20);
  limits.result_nodes = 100'000;
  limits.result_bytes = 16 << 20;
  return limits;
}

/// One spec file: its tests are collected first, then run one by one, each with limits of its own.
class SpecFile {
 public:
  explicit SpecFile(path file) : file_(std::move(file)), state_(limits_of_specs()) {
    bench_.folder = file_.parent_path();
  }

  std::vector<SpecResult> run() {
    const auto begin = steady_clock::now();
    try {
      protect(&SpecFile::open);
      if (tests_.empty()) {
        throw Error(ErrorKind::invalid,
                    concat(file_.filename().string(),
                           ": holds no test; one begins with it(\"...\", function() ... end)"));
      }
    } catch (const Error& error) {
      // A spec that cannot be read is a failed result like any other.
      return {{file_, {}, "can be run", error.what(), since(begin)}};
    }
    std::vector<SpecResult> results;
    for (const Test& test : tests_) results.push_back(run(test));
    return results;
  }

 private:
  struct Suite {
    std::vector<std::string> names;
    std::vector<int> before;  ///< functions in Lua's registry
  };
  struct Test {
    std::string name, where;
    Suite suite;
    int body = LUA_NOREF;
  };
  using Step = void (SpecFile::*)();

  static std::chrono::microseconds since(steady_clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - begin);
  }

  static SpecFile& of(lua_State* lua) {
    return *static_cast<SpecFile*>(lua_touserdata(lua, lua_upvalueindex(1)));
  }

  /// Lua is used inside of a call only, where its failures come back as Error.
  void protect(Step step) {
    step_ = step;
    lua_pushcfunction(state_.lua(), guarded<take_step>);
    lua_pushlightuserdata(state_.lua(), this);
    state_.call(1, 0);
  }

  static int take_step(lua_State* lua) {
    SpecFile& self = *static_cast<SpecFile*>(lua_touserdata(lua, 1));
    (self.*self.step_)();
    return 0;
  }

  void open() {
    lua_State* lua = state_.lua();
    const std::string text = os::read_file(file_);
    const std::string chunk = concat('@', file_.filename().string());
    if (luaL_loadbufferx(lua, text.data(), text.size(), chunk.c_str(), "t") != LUA_OK) {
      throw Error(ErrorKind::invalid, lua_tostring(lua, -1));
    }
    state_.push_environment();
    lua_newtable(lua);
    add_expect(lua, bench_);
    add_plugin(lua, bench_);
    add_own(lua, "describe", guarded<describe>);
    add_own(lua, "it", guarded<it>);
    add_own(lua, "before_each", guarded<before_each>);
    for (lua_pushnil(lua); lua_next(lua, -2) != 0;) {
      lua_pushvalue(lua, -2);
      lua_insert(lua, -2);
      lua_rawset(lua, -5);  // environment, functions, key, key, value
    }
    lua_pop(lua, 1);
    lua_setupvalue(lua, -2, 1);
    lua_call(lua, 0, 0);
  }

  void add_own(lua_State* lua, const char* name, lua_CFunction function) {
    lua_pushlightuserdata(lua, this);
    lua_pushcclosure(lua, function, 1);
    lua_setfield(lua, -2, name);
  }

  static void need_arguments(lua_State* lua, const char* word) {
    if (lua_type(lua, 1) == LUA_TSTRING && lua_isfunction(lua, 2)) return;
    throw Error(ErrorKind::invalid, concat(word, " takes a text and a function"));
  }

  static int describe(lua_State* lua) {
    SpecFile& self = of(lua);
    need_arguments(lua, "describe");
    self.not_inside("describe");
    const Suite outer = self.suite_;
    self.suite_.names.emplace_back(lua_tostring(lua, 1));
    lua_settop(lua, 2);
    lua_call(lua, 0, 0);
    self.suite_ = outer;
    return 0;
  }

  static int it(lua_State* lua) {
    SpecFile& self = of(lua);
    need_arguments(lua, "it");
    self.not_inside("it");
    luaL_where(lua, 1);
    Test test{lua_tostring(lua, 1), lua_tostring(lua, -1), self.suite_};
    lua_settop(lua, 2);
    test.body = luaL_ref(lua, LUA_REGISTRYINDEX);
    self.tests_.push_back(std::move(test));
    return 0;
  }

  static int before_each(lua_State* lua) {
    SpecFile& self = of(lua);
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    self.not_inside("before_each");
    lua_settop(lua, 1);
    self.suite_.before.push_back(luaL_ref(lua, LUA_REGISTRYINDEX));
    return 0;
  }

  void not_inside(const char* word) const {
    if (running_ == nullptr) return;
    throw Error(ErrorKind::invalid, concat(word, " stands inside a test, where it would not run"));
  }

  SpecResult run(const Test& test) {
    bench_.looks = 0;
    bench_.problems.clear();
    running_ = &test;
    SpecResult result{file_, test.suite.names, test.name, "", {}};
    const auto begin = steady_clock::now();
    try {
      protect(&SpecFile::perform);
      if (bench_.looks == 0) {
        throw Error(ErrorKind::invalid,
                    concat(test.where, "looked at nothing: a test needs an expect(...).to_..."));
      }
      if (!bench_.problems.empty()) {
        result.message = concat(test.where, "the test did not look at `problems`");
      }
    } catch (const Error& error) {
      // One of the doors: a failed test is a result.
      result.message = error.what();
    }
    // The likely reason why an answer was not as expected.
    if (!result.passed() && !bench_.problems.empty()) {
      result.message += concat("\nand a hook failed: ", bench_.problems.begin()->second);
    }
    result.took = since(begin);
    return result;
  }

  void perform() {
    lua_State* lua = state_.lua();
    for (const int function : running_->suite.before) call(lua, function);
    call(lua, running_->body);
  }

  static void call(lua_State* lua, int function) {
    lua_rawgeti(lua, LUA_REGISTRYINDEX, function);
    lua_call(lua, 0, 0);
  }

  path file_;
  Bench bench_;
  Suite suite_;
  std::vector<Test> tests_;
  const Test* running_ = nullptr;
  Step step_ = nullptr;
  State state_;
};

std::vector<path> spec_files(const path& place) {
  std::error_code ignored;
  if (std::filesystem::is_directory(place, ignored)) {
    std::vector<path> files = files_ending(place, spec_end);
    if (!files.empty()) return files;
    throw Error(ErrorKind::not_found,
                concat(place.string(), ": no file here is called NAME", spec_end));
  }
  if (!std::filesystem::exists(place, ignored)) {
    throw Error(ErrorKind::not_found, concat(place.string(), ": no such folder, spec or plugin"));
  }
  path file = place;
  if (!place.filename().string().ends_with(spec_end)) {
    file.replace_filename(concat(place.stem().string(), spec_end));
  }
  if (std::filesystem::is_regular_file(file, ignored)) return {file};
  throw Error(ErrorKind::not_found,
              concat(place.string(), " has no spec: there is no ", file.string()));
}

}  // namespace

void add_spec_function(lua_State* lua, Bench& bench, const char* name, lua_CFunction function) {
  lua_pushlightuserdata(lua, &bench);
  lua_pushcclosure(lua, function, 1);
  lua_setfield(lua, -2, name);
}

std::vector<SpecResult> run_specs(const path& place) {
  std::vector<SpecResult> results;
  for (const path& file : spec_files(place)) {
    for (SpecResult& result : SpecFile(file).run()) results.push_back(std::move(result));
  }
  return results;
}

}  // namespace lighterman::policy
