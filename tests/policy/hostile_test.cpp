// Plugins that mean harm, or are badly wrong: each ends within its limits, says what happened, and
// leaves everything usable.
#include <chrono>
#include <limits>

#include "os/file.hpp"
#include "policy/scene.hpp"
#include "policy/values.hpp"

namespace lighterman::policy::test {
namespace {

using std::chrono::steady_clock;

/// Small, so that the suite is quick; the wall time is generous, for sanitizers.
Limits tight() {
  Limits limits;
  limits.memory_bytes = 8 << 20;
  limits.instructions = 3'000'000;
  limits.wall_time = std::chrono::milliseconds(700);
  return limits;
}

struct Attack {
  const char* name;
  const char* body;      ///< of on_push
  const char* answered;  ///< a part of what it is answered with
};

std::ostream& operator<<(std::ostream& out, const Attack& attack) { return out << attack.name; }

class Hostile : public testing::TestWithParam<Attack> {};

TEST_P(Hostile, EndsInAClearErrorAndNothingElseSuffers) {
  const Seat attacker =
      seat(std::string("return { on_push = function(push)\n") + GetParam().body + "\nend }", {},
           "attacker");
  const Seat friendly =
      seat("return { on_push = function(push) return skip 'heard' end }", {}, "friend");
  Question question;
  question.source = "shop";
  question.facts = some_push();
  const auto begin = steady_clock::now();
  const Decision decision = ask({attacker, friendly}, question, tight());
  const auto took = steady_clock::now() - begin;

  ASSERT_EQ(decision.problems.size(), 1U);
  const Said<std::string>& problem = decision.problems.front();
  EXPECT_EQ(problem.plugin, "attacker");
  EXPECT_NE(problem.value.find(GetParam().answered), std::string::npos) << problem.value;
  EXPECT_NE(problem.value.find("on_push"), std::string::npos) << problem.value;
  EXPECT_NE(problem.value.find("\"source\":\"shop\""), std::string::npos) << problem.value;
  EXPECT_LT(problem.value.size(), 3000U);
  // Not how fast, but that it does not go on: sanitizers and other work make it slow.
  EXPECT_LT(took, std::chrono::minutes(1));
  ASSERT_EQ(decision.skip.size(), 1U) << "the other plugin was not heard";
  EXPECT_EQ(ask({friendly}, question, tight()).skip.size(), 1U) << "asking again";
}

constexpr const char* million = "million instructions";
constexpr const char* memory = "of memory";
constexpr const char* longer = "took longer than";

const Attack loops[] = {
    {"Plain", "while true do end", million},
    {"InPcall", "while true do pcall(function() while true do end end) end", million},
    {"InNestedPcall", "local function f() pcall(f) while true do end end f()", million},
    {"InPcallOfError", "while true do pcall(error, 'x') end", "attacker.lua:2: "},
    {"Goto", "::again:: goto again", million},
    {"InIndex",
     "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
     million},
    {"InLength", "local t = setmetatable({}, {__len = function() while true do end end}) return #t",
     million},
    {"InEquality",
     "local m = {__eq = function() while true do end end} return setmetatable({}, m) == "
     "setmetatable({}, m)",
     million},
    {"InConcat", "return setmetatable({}, {__concat = function() while true do end end}) .. 'x'",
     million},
    {"InCall", "setmetatable({}, {__call = function() while true do end end})()", million},
    {"InTostring", "tostring(setmetatable({}, {__tostring = function() while true do end end}))",
     million},
    {"InTostringOfLog",
     "local t = setmetatable({}, {__tostring = function() while true do end end}) "
     "string.format('%s', t)",
     million},
    {"InSort", "table.sort({3, 2, 1}, function() while true do end end)", million},
    {"InGsub", "('x'):gsub('x', function() while true do end end)", million},
    {"InGmatch", "for _ in ('x'):gmatch('x*') do while true do end end", million},
    {"InIterator", "for _ in function() return 1 end do end", million},
    {"InClose",
     "local x <close> = setmetatable({}, {__close = function() while true do end end}) error('go')",
     million},
    {"ManyCloses",
     "local function f(n) local x <close> = setmetatable({}, {__close = function() while true do "
     "end end}) if n > 0 then f(n - 1) end while true do end end f(100)",
     million},
    {"CloseAfterTheEnd",
     "pcall(function() local x <close> = setmetatable({}, {__close = function() pcall(function() "
     "while true do end end) while true do end end}) while true do end end) while true do end",
     million},
    {"Finalizer", "setmetatable({}, {__gc = function() while true do end end})",
     "__gc is not allowed"},
    {"IndexChain", "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x", "loop"},
    {"NextChurn",
     "local t = {} for i = 1, 3000 do t['k' .. i] = i end while true do next(t, 'k1') end", longer},
    {"PairsChurn", "local t = {} for i = 1, 3000 do t['k' .. i] = i end while true do pairs(t) end",
     longer},
    {"CopyingTexts", "local s = ('x'):rep(1000000) while true do local t = s .. 'y' end", longer},
    {"Upper", "local s = ('x'):rep(1000000) while true do s:upper() end", longer},
    {"Utf8Length", "local s = ('x'):rep(2000000) while true do utf8.len(s) end", longer},
    {"ToNumber", "local s = ('0'):rep(2000000) while true do tonumber(s) end", longer},
    {"PlainFind",
     "local s = ('a'):rep(2000000) local p = ('a'):rep(1000000) .. 'b' while true do s:find(p, 1, "
     "true) end",
     longer},
    {"SortOfLongTexts",
     "local a, b = ('x'):rep(1000000) .. 'a', ('x'):rep(1000000) .. 'a' local t = {} for i = 1, "
     "20000 do t[i] = i % 2 == 0 and a or b end while true do table.sort(t) end",
     longer},
    {"RegexChurn", "local s = ('a'):rep(100000) while true do regex.matches(s, '(a?){50}b') end",
     longer},
    {"RegexReplaceThatLooksFarAhead",
     "local s = ('a'):rep(1000000) while true do regex.replace(s, 'a(.*z)?', 'b') end", longer},
    {"GlobChurn", "local s, p = ('a/'):rep(20000), ('**/'):rep(1000) while true do glob(s, p) end",
     longer},
    {"TemplateChurn",
     "local v = ('x'):rep(100000) while true do template(('{v}'):rep(30), {v = v}) end", longer},
};
INSTANTIATE_TEST_SUITE_P(Loop, Hostile, testing::ValuesIn(loops),
                         [](const auto& attack) { return attack.param.name; });

const Attack bombs[] = {
    {"Doubling", "local s = 'x' while true do s = s .. s end", memory},
    {"DoublingInPcall",
     "local s = 'x' while true do pcall(function() while true do s = s .. s end end) end", memory},
    {"Rep", "('x'):rep(1e9)", "memory limit"},
    {"RepOfNothingWithSeparator", "(''):rep(1e15, 'x')", "memory limit"},
    {"RepOverflow", "('xxxx'):rep(math.maxinteger)", "memory limit"},
    {"Tables", "local t = {} while true do t = {t} end", memory},
    {"List", "local t = {} for i = 1, 1e9 do t[i] = i end", memory},
    {"Closures", "local t = {} while true do t[#t + 1] = function() return t end end", memory},
    {"Gsub", "(('x'):rep(1000000)):gsub('x', ('y'):rep(1000))", "gsub would make more"},
    {"GsubOfWhole", "(('x'):rep(100000)):gsub('.*', ('%0'):rep(1000000))", "gsub would make more"},
    {"Concat", "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1000000) .. i end table.concat(t)",
     memory},
    {"Format", "local s = ('x'):rep(3000000) return s:format() .. ('%s%s%s%s'):format(s, s, s, s)",
     memory},
    {"RegexReplace", "regex.replace(('x'):rep(100000), 'x', ('y'):rep(1000))", "too large"},
    {"RegexReplaceOfWhole", "regex.replace(('x'):rep(100000), '.*', ('\\\\0'):rep(10000))",
     "too large"},
    {"Template", "template(('{v}'):rep(1000), {v = ('x'):rep(100000)})", "too large"},
    {"JsonDecode", "json.decode('[' .. ('0,'):rep(2000000) .. '0]')", "json.decode: more than"},
    {"JsonDecodeOfAllowedSize", "json.decode('[' .. ('[],'):rep(300000) .. '0]')", memory},
    {"Unpack", "table.unpack({}, 1, 1e7)", "1000000 entries"},
    {"UnpackOverflow", "table.unpack({}, math.mininteger, math.maxinteger)", "1000000 entries"},
    {"UnpackToTheEdge", "table.unpack({}, 1, 999999)", "unpack"},
    {"Move", "table.move({}, 1, 1e12, 1)", "1000000 entries"},
    {"MoveOverflow", "table.move({1}, math.mininteger, math.maxinteger, 1)", "1000000 entries"},
    {"ConcatRange", "table.concat({}, '', 1, math.maxinteger)", "1000000 entries"},
    {"InsertWithALyingLength",
     "local n = 0 local t = setmetatable({}, {__len = function() n = n + 1 return n == 1 and 1 or "
     "1 << 52 end}) table.insert(t, 1, 'x')",
     "__len"},
    {"SortWithALyingLength",
     "table.sort(setmetatable({}, {__len = function() return 1 << 52 end}))", "__len"},
    {"StackOfResults", "return table.unpack({}, 1, 200000)", "more than 16 tables"},
    {"CodepointsOfALongText", "utf8.codepoint(('x'):rep(2000000), 1, -1)", "overflow"},
    {"BytesOfALongText", "(('x'):rep(2000000)):byte(1, -1)", "string slice too long"},
};
INSTANTIATE_TEST_SUITE_P(Bomb, Hostile, testing::ValuesIn(bombs),
                         [](const auto& attack) { return attack.param.name; });

const Attack depths[] = {
    {"Recursion", "local function f() return 1 + f() end f()", memory},
    {"Pcall",
     "local function f() local ok, why = pcall(f) if not ok then error(why, 0) end end f()",
     "overflow"},
    {"Index",
     "local t = {} setmetatable(t, {__index = function(t, k) return t[k .. 'x'] end}) return t.x",
     "overflow"},
    {"Tostring",
     "local t = {} setmetatable(t, {__tostring = function(t) return tostring(t) end}) return "
     "tostring(t)",
     "overflow"},
    {"Gsub", "local function f() return ('x'):gsub('x', f) end f()", "overflow"},
    {"Sort", "local function f() table.sort({2, 1}, f) end f()", "overflow"},
    {"Pattern", "('x'):rep(5000):find(('x?'):rep(5000))", "too complex"},
    {"PatternCaptures", "('x'):find(('('):rep(5000))", "captures"},
    {"JsonDecode", "json.decode(('['):rep(100000))", "json.decode"},
    {"JsonEncode", "local t = {} for i = 1, 1000 do t = {t} end json.encode(t)",
     "nested too deeply"},
    {"Regex", "regex.matches('x', ('('):rep(9000) .. (')'):rep(1000))", "regular expression"},
    {"ErrorInHandler", "error(setmetatable({}, {__tostring = error}))", "an error that is no text"},
};
INSTANTIATE_TEST_SUITE_P(Depth, Hostile, testing::ValuesIn(depths),
                         [](const auto& attack) { return attack.param.name; });

const Attack patterns[] = {
    {"Exponential", "('a'):rep(200):find(('a*'):rep(100) .. 'b')", "too many steps"},
    {"Quadratic", "('a'):rep(100000):find('.-b')", "too many steps"},
    {"InPcall", "while true do pcall(string.find, ('a'):rep(100000), '.-.-.-b') end", longer},
    {"Gmatch", "for _ in ('a'):rep(100000):gmatch('.-.-b') do end", "too many steps"},
    {"Gsub", "('a'):rep(100000):gsub('.-.-b', '')", "too many steps"},
    {"Balanced", "('('):rep(100000):find('%b()')", "too many steps"},
    {"BackReference", "('a'):rep(20000):find('(a*)%1b')", "too many steps"},
    {"Malformed", "('x'):find('[')", "malformed pattern"},
    {"MalformedEnd", "('x'):find('%')", "malformed pattern"},
    {"MalformedFrontier", "('x'):find('%f')", "malformed pattern"},
    {"MalformedBalance", "('x'):find('%b')", "malformed pattern"},
    {"MalformedReference", "('x'):find('%1')", "malformed pattern"},
    {"UnopenedCapture", "('x'):match(')')", "malformed pattern"},
    {"RegexTooLarge", "regex.matches('x', '((a{1000}){1000}){1000}')", "regular expression"},
    {"RegexTextTooLong", "regex.matches(('x'):rep(3000000), '(x?){500}y')", "too long"},
    {"RegexTooLong", "regex.matches('x', ('x'):rep(20000))", "too long"},
};
INSTANTIATE_TEST_SUITE_P(Pattern, Hostile, testing::ValuesIn(patterns),
                         [](const auto& attack) { return attack.param.name; });

const Attack escapes[] = {
    {"Io", "return io.open('/etc/passwd')", "`io` is not there"},
    {"Os", "os.execute('true')", "`os` is not there"},
    {"Load", "load('return 1')()", "`load` is not there"},
    {"Require", "require 'os'", "`require` is not there"},
    {"Debug", "debug.getregistry()", "`debug` is not there"},
    {"Print", "print('x')", "use log.info"},
    {"Coroutine", "coroutine.wrap(function() end)()", "`coroutine` is not there"},
    {"CollectGarbage", "collectgarbage()", "`collectgarbage` is not there"},
    {"Globals", "return _G.x", "`_G` is not there"},
    {"Dump", "string.dump(function() end)", "nil value"},
    {"Pack", "string.pack('i16', 1)", "nil value"},
    {"Random", "math.random()", "nil value"},
    {"Rawset", "rawset(push, 'x', 1)", "`rawset` is not there"},
    {"Global", "counter = 1", "assignment to the global \"counter\" (did you forget `local`?)"},
    {"ReplaceFunction", "function pairs() end", "assignment to the global \"pairs\""},
    {"ReplaceSettings", "settings = {}", "assignment to the global \"settings\""},
    {"EnvironmentField", "_ENV.x = 1", "assignment to the global"},
    {"EnvironmentMetatable", "setmetatable(_ENV, {})", "protected metatable"},
    {"StringMetatable", "getmetatable('').__index.rep = nil", "index a boolean value"},
    {"StringMethod", "local s = 'x' s.rep = 1", "index a string value"},
    {"StringLibrary", "string.rep = nil", "string is read-only"},
    {"TableLibrary", "table.insert(table, 1)", "table is read-only"},
    {"Module", "semver.parse = nil", "semver is read-only"},
    {"WriteFact", "push.source = 'other'", "what a hook is given is read-only"},
    {"WriteNestedFact", "push.image.name = 'other'", "what a hook is given is read-only"},
    {"InsertFact", "table.insert(push.changed_paths, 'x')", "read-only"},
    {"SortFacts", "table.sort(push.changed_paths)", "read-only"},
    {"RemoveFact", "table.remove(push.changed_paths)", "read-only"},
    {"MoveOntoFacts", "table.move({1, 2, 3}, 1, 3, 1, push.changed_paths)", "read-only"},
    {"FactsMetatable", "setmetatable(push, {})", "protected metatable"},
    {"FactsMetatableSeen", "getmetatable(push).__index = 1", "index a boolean value"},
    {"UnknownName", "retrun = 1", "global \"retrun\""},
    {"MisspeltModule", "return semvar.parse('1')", "did you mean \"semver\"?"},
    {"UndeclaredCapability", "http { url = 'https://x.example' }", "needs = { http = \"...\" }"},
    {"Address", "string.format('%p', {})", "no %p"},
    {"KeysWithoutOrder", "for k in pairs { [{}] = 1 } do end", "keys of type table have no order"},
};
INSTANTIATE_TEST_SUITE_P(Escape, Hostile, testing::ValuesIn(escapes),
                         [](const auto& attack) { return attack.param.name; });

const Attack results[] = {
    {"Cycle", "local t = {} t.args = t return t", "args"},
    {"DeepCycle", "local t = {} t.x = t return { args = { a = t } }",
     "nested too deeply (a table inside itself?)"},
    {"SharedSubtables",
     "local t = {} for i = 1, 30 do t = {t, t} end return { labels = { x = t } }",
     "too many values"},
    {"GiantText", "return skip(('x'):rep(2000000))", "of text"},
    {"GiantKey", "return { labels = { [('x'):rep(2000000)] = 'y' } }", "of text"},
    {"GiantList", "local t = {} for i = 1, 50000 do t[i] = 'x' .. i end return { tags = t }",
     "too many values"},
    {"GiantRecord", "local t = {} for i = 1, 50000 do t['x' .. i] = 'y' end return { labels = t }",
     "too many values"},
    {"Function", "return { tags = function() end }", "returned.tags: a function is not plain data"},
    {"FunctionItself", "return function() end", "a function is not plain data"},
    {"Builtin", "return { labels = { x = pairs } }", "a function is not plain data"},
    {"NotANumber", "return { labels = { x = 0 / 0 } }", "not a finite number"},
    {"Infinity", "return { labels = { x = math.huge } }", "not a finite number"},
    {"Holes", "return { tags = { 'a', nil, 'c' } }", "list without holes"},
    {"Mixed", "return { tags = { 'a', b = 1 } }", "list without holes or a record"},
    {"KeyOfAnotherType", "return { labels = { [true] = 'x' } }", "a key that is a boolean"},
    {"Text", "return 'skip'", "must return a table"},
    {"Number", "return 42", "must return a table"},
    {"False", "return false", "must return a table"},
    {"List", "return { 'a' }", "must return a table"},
    {"UnknownKey", "return { tag = 'a' }", "may not return \"tag\" (did you mean \"tags\"?)"},
    {"KeyOfAnotherHook", "return deny 'x'", "may not return \"deny\""},
    {"TagNoTag", "return { tags = { 'a b' } }", "tag"},
    {"TagOfAnotherType", "return { tags = { 1.4 } }", "tags: must be a text"},
    {"SkipOfAnotherType", "return { skip = true }", "skip: must be a text"},
    {"EmptyReason", "return skip ''", "skip: must be a text"},
    {"TargetOfAnotherType", "return { target = {'a'} }", "target: must be a text"},
    {"PlatformNoPlatform", "return { platforms = 'amd64' }", "is no platform"},
    {"LabelsOfAnotherType", "return { labels = 'x' }", "labels: must be a table"},
    {"LabelOfAnotherType", "return { labels = { a = { b = 'c' } } }", "labels.a: must be a text"},
    {"ErrorOfATable", "error { code = 7 }", "an error that is no text: {\"code\":7}"},
    {"ErrorOfNil", "error()", "an error that is no text: null"},
    {"ErrorOfAFunction", "error(function() end)", "a function"},
    {"ErrorOfACycle", "local t = {} t.t = t error(t)", "a table"},
    {"ErrorOfGiantText", "error(('x'):rep(1000000))", "xxxx"},
    {"ErrorInTostring", "tostring(setmetatable({}, {__tostring = function() error('oops') end}))",
     "oops"},
    {"TostringNoText", "tostring(setmetatable({}, {__tostring = function() return {} end}))",
     "must return a string"},
    {"IndexNil", "return push.nothing.more", "it"},
};
INSTANTIATE_TEST_SUITE_P(Result, Hostile, testing::ValuesIn(results),
                         [](const auto& attack) { return attack.param.name; });

TEST(HostileAnswers, AreRefusedFromEveryHook) {
  for (const Hook hook : hooks) {
    for (const char* answer :
         {"'text'", "42", "true", "function() end", "0/0", "{ 1 }", "{ nonsense = 1 }"}) {
      const std::string text =
          concat("return { ", render(hook), " = function() return ", answer, " end }");
      const Decision decision = ask_one(seat(text), hook);
      ASSERT_EQ(decision.problems.size(), 1U) << text;
      EXPECT_TRUE(decision.problems[0].value.starts_with(render(hook)))
          << decision.problems[0].value;
      EXPECT_TRUE(decision.actions.empty() && decision.deny.empty() && decision.skip.empty());
    }
  }
}

TEST(HostileAnswers, InvalidUtf8BecomesReplacementCharacters) {
  const Decision decision = ask_one(
      seat(R"(return { on_push = function() return { labels = { x = '\xff\xfe' } } end })"));
  EXPECT_EQ(decision.labels.at("x").value, "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(HostileErrors, NamePluginHookAndLine) {
  const std::string why = said_by("local x\nreturn x.y");
  EXPECT_NE(why.find("on_push: it.lua:3: attempt to index a nil value (local 'x')"),
            std::string::npos)
      << why;
  EXPECT_NE(said_by("\n\nwhile true do end", tight()).find("it.lua:4: ran more than"),
            std::string::npos);
  EXPECT_NE(said_by("\nreturn json.decode('{')").find("it.lua:3: json.decode"), std::string::npos);
}

TEST(HostileFiles, AreRefusedWhenTheyAreLoaded) {
  const auto load = [](const std::string& text) {
    return [text] { parse_plugin(text, "/plugins/bad.lua", tight()); };
  };
  expect_refused("/plugins/bad.lua", load("\x1bLua"));
  expect_refused("attempt to load a binary chunk", load(std::string("\x1bLuaT\0\x19\x93", 8)));
  expect_refused("bad.lua:1: ", load("return {"));
  expect_refused("million instructions", load("while true do end"));
  expect_refused("of memory", load("local s = 'x' while true do s = s .. s end"));
  expect_refused("not a table of hooks", load("return 1"));
  expect_refused("not a table of hooks", load(""));
  expect_refused("(did you mean \"on_push\"?)", load("return { on_pusch = function() end }"));
  expect_refused("(did you mean \"settings\"?)", load("return { setings = {} }"));
  expect_refused("on_push is a number, not a function", load("return { on_push = 1 }"));
  expect_refused("unknown key", load("return { 1, 2 }"));
  expect_refused("in hooks only",
                 load("run { program = 'true' } return { needs = { run = 'true' } }"));
  expect_refused("needs = { http", load("local h = http return { on_push = function() end }"));
  expect_refused("overflow",
                 load("return " + std::string(100000, '(') + "1" + std::string(100000, ')')));
  expect_refused("larger than 1 MiB", [] {
    const os::ScratchFolder folder;
    os::replace_file(folder.path() / "big.lua", std::string(2 << 20, ' '));
    load_plugin(folder.path() / "big.lua");
  });
}

TEST(HostileFacts, BeyondTheMemoryLimitAreAnErrorAndNoCrash) {
  boost::json::array paths;
  for (int i = 0; i < 200'000; ++i) paths.emplace_back(concat("some/long/path/number/", i));
  expect_refused("of memory", [&] {
    ask_one(seat("return { on_push = function() end }"), Hook::on_push, {{"changed_paths", paths}},
            tight());
  });
}

TEST(HostileSecrets, AForgedHandleOpensNothingThatIsNotGranted) {
  const Grants granted{{"secret", {"mine"}}, {"http", {"hooks.example"}}};
  const auto posted = [&](const std::string& token) {
    return ask_one(
        seat("return { needs = { secret = 'mine', http = 'hooks.example' }, on_finished = "
             "function()\n"
             "return post { url = 'https://hooks.example/', json = {}, headers = { Token = " +
                 token + " } } end }",
             granted),
        Hook::on_finished);
  };
  EXPECT_EQ(posted("{ ['$secret'] = 'mine' }").actions.size(), 1U);
  const Decision forged = posted("{ ['$secret'] = 'other' }");
  EXPECT_TRUE(forged.actions.empty());
  ASSERT_EQ(forged.problems.size(), 1U);
  EXPECT_NE(forged.problems[0].value.find("secret \"other\" is not among what the plugin needs"),
            std::string::npos)
      << forged.problems[0].value;
}

TEST(HostileLogs, AreCut) {
  int lines = 0;
  Question question;
  question.source = "shop";
  question.facts = some_push();
  question.log = [&](const auto&, auto, auto text) {
    ++lines;
    EXPECT_LE(text.size(), 2000U);
  };
  ask({seat("return { on_push = function() for i = 1, 100000 do log.info(('x'):rep(5000)) end end "
            "}")},
      question);
  EXPECT_EQ(lines, Limits().log_lines);
}

TEST(HostileNames, OfTenThousandSeatsAreHeard) {
  const Seat one = seat("return { on_push = function() return skip 'x' end }");
  std::vector<Seat> many(10'000, one);
  for (std::size_t i = 0; i < many.size(); ++i) many[i].name = "\x1b[31m\xff" + std::to_string(i);
  Question question;
  question.source = "shop";
  question.facts = some_push();
  EXPECT_EQ(ask(many, question).skip.size(), many.size());
}

TEST(Determinism, TheSameFactsGiveTheSameDecision) {
  const Seat asked = seat(R"(return { on_push = function(push)
    local seen = {}
    local t = {}
    for i = 1, 200 do t['key' .. i] = i end
    t[1.5], t[3], t[true] = 'a', 'b', 'c'
    for k, v in pairs(t) do seen[#seen + 1] = tostring(k) .. '=' .. tostring(v) end
    local k, v = next(t)
    while k ~= nil do seen[#seen + 1] = tostring(k) k, v = next(t, k) end
    seen[#seen + 1] = tostring({}) .. tostring(pairs) .. string.format('%s', push)
    seen[#seen + 1] = json.encode { b = 1, a = 2, c = { z = 1, y = 2 } } .. time.format('%F')
    table.sort(seen, function(a, b) return #a < #b end)
    return { skip = table.concat(seen, ' ') }
  end })");
  const std::string first = boost::json::serialize(to_json(ask_one(asked)));
  EXPECT_EQ(first.find("0x"), std::string::npos) << first;
  EXPECT_NE(first.find("key98 key99 true=c key1=1"), std::string::npos) << first;
  for (int i = 0; i < 20; ++i) {
    // Each state has a seed of its own for hashing texts.
    EXPECT_EQ(boost::json::serialize(to_json(ask_one(asked))), first);
  }
}

}  // namespace
}  // namespace lighterman::policy::test
