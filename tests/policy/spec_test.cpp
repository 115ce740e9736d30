#include "policy/spec.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/json.hpp"
#include "os/file.hpp"
#include "support/failure.hpp"

namespace lighterman::policy {
namespace {

constexpr const char* plugin_text = R"lua(-- it.lua: does what specs ask about.
return {
  settings = { word = { type = "text", default = "hello", about = "What to say" } },
  needs = { run = "trivy", registry = "*", http = "*", secret = "*" },
  on_push = function(push)
    if push.title == "break" then error("broken on purpose") end
    if push.title == "loop" then while true do end end
    if push.title == "run" then return skip(run { program = "trivy", args = { "-q" } }.output) end
    if push.title == "swallow" then pcall(run, { program = "trivy" }) return { tags = "x" } end
    if push.title == "tags" then return { tags = registry.tags("registry.example/acme/shop") } end
    if push.title == "call" then
      return skip(http { url = "https://hooks.example/a", headers = { Token = secret "chat" } }.text)
    end
    if push.title == "now" then return skip(time.format("%Y-%m-%d")) end
    if push.tag then return { tags = { push.tag, { tag = push.short, moving = false } } } end
    return { args = { WORD = settings.word, BRANCH = push.branch } }
  end,
  on_published = function(image) return skip end,
  on_rescan = function(image) return { deny = image.tags[1] .. " of " .. image.references[1] } end,
}
)lua";

/// A folder with a plugin and the spec that a test writes.
class SpecTest : public ::testing::Test {
 protected:
  SpecTest() { os::replace_file(folder.path() / "it.lua", plugin_text); }

  std::vector<SpecResult> run(const std::string& text) {
    os::replace_file(folder.path() / "it_spec.lua", text);
    return run_specs(folder.path());
  }
  /// The message of the one test with this body; empty: it passed.
  std::string body(const std::string& text) {
    const auto results = run(
        concat("local it_plugin = plugin(\"it\")\nit(\"works\", function()\n", text, "\nend)\n"));
    EXPECT_EQ(results.size(), 1U);
    return results.front().message;
  }

  os::ScratchFolder folder;
};

void expect_part(const std::string& part, const std::string& whole) {
  EXPECT_NE(whole.find(part), std::string::npos) << whole;
}

TEST_F(SpecTest, RunsTestsInTheirSuitesInOrder) {
  const auto results = run(R"(
    describe("outer", function()
      it("first", function() expect(1).to_be(1) end)
      describe("inner", function()
        it("second", function() expect(1).to_be(2) end)
      end)
      it("third", function() expect(1).to_be(1) end)
    end)
    it("fourth", function() expect(1).to_be(1) end))");
  ASSERT_EQ(results.size(), 4U);
  EXPECT_EQ(results[0].suites, std::vector<std::string>{"outer"});
  EXPECT_EQ(results[1].suites, (std::vector<std::string>{"outer", "inner"}));
  EXPECT_EQ(results[2].suites, std::vector<std::string>{"outer"});
  EXPECT_EQ(results[3].suites, std::vector<std::string>{});
  EXPECT_TRUE(results[0].passed());
  EXPECT_EQ(results[1].message, "it_spec.lua:5: expected 2, got 1");
  EXPECT_TRUE(results[2].passed());
  EXPECT_TRUE(results[3].passed());
}

TEST_F(SpecTest, PreparesEachTestFromTheOutsideIn) {
  const auto results = run(R"(
    local steps = ""
    describe("outer", function()
      before_each(function() steps = "a" end)
      it("alone", function() expect(steps).to_be("a") end)
      describe("inner", function()
        before_each(function() steps = steps .. "b" end)
        it("both", function() expect(steps).to_be("ab") end)
        it("both again", function() expect(steps).to_be("ab") end)
      end)
    end)
    it("outside", function() expect(steps).to_be("ab") end))");
  ASSERT_EQ(results.size(), 4U);
  for (const SpecResult& result : results) EXPECT_EQ(result.message, "") << result.test;
}

TEST_F(SpecTest, AsksHooksForReal) {
  EXPECT_EQ(body(R"(expect(it_plugin.on_push(push { tag = "v1" })).to_equal {
    tags = { { tag = "v1", moving = true }, { tag = "4f0c1a2b9d3e", moving = false } } })"),
            "");
  EXPECT_EQ(body(R"(expect(it_plugin.on_push(push { branch = "next" })).to_equal {
    args = { WORD = "hello", BRANCH = "next" } })"),
            "");
  EXPECT_EQ(
      body(R"(expect(plugin("it", { word = "bye" }).on_push(push {}).args.WORD).to_be "bye")"), "");
  expect_part("plugin \"it\" has no on_finished", body("it_plugin.on_finished(finished {})"));
}

TEST_F(SpecTest, ShowsWhereAnswersDiffer) {
  const std::string message = body(R"(expect({ tags = { "a", "b" }, z = 1 }).to_equal {
    tags = { "a", "c", "d" }, labels = { x = "y" } })");
  EXPECT_EQ(message,
            "it_spec.lua:3: not equal\n"
            "  labels: missing, expected {\"x\":\"y\"}\n"
            "  tags[2]: expected \"c\", got \"b\"\n"
            "  tags[3]: missing, expected \"d\"\n"
            "  z: not expected, got 1");
}

TEST_F(SpecTest, CutsWhatIsLong) {
  boost::json::array left, right;
  for (int i = 0; i < 50; ++i) left.emplace_back(i), right.emplace_back(i + 1);
  const std::string text = differences(left, right);
  EXPECT_EQ(split(text, '\n').size(), 21U);
  EXPECT_TRUE(text.ends_with("... and 30 differences more")) << text;
  const std::string line = differences(boost::json::string(10'000, 'a'), "b");
  EXPECT_LT(line.size(), 300U);
}

TEST_F(SpecTest, KnowsLuasIdeaOfEqual) {
  EXPECT_EQ(differences(1, 1.0), "");
  EXPECT_EQ(differences(boost::json::array(), boost::json::object()), "");
  EXPECT_EQ(differences(1, "1"), "expected 1, got \"1\"");
  EXPECT_EQ(differences(nullptr, false), "expected nil, got false");
}

TEST_F(SpecTest, HasMatchersAndTheirOpposites) {
  for (const char* good :
       {"expect({ 1, { a = 2 } }).to_contain { a = 2 }", "expect('abc').to_contain 'b'",
        "expect({ key = 1 }).to_contain 'key'", "expect({ 1 }).never.to_contain(2)",
        "expect('v1.4').to_match '^v[0-9]'", "expect('x').never.to_match '^v'",
        "expect(nil).to_be_nil()", "expect(1).never.to_be_nil()", "expect(1).never.to_be(2)",
        "expect({}).never.to_equal { 1 }", "expect(12).to_match '^1'",
        "expect(function() error('boom') end).to_fail_with 'bo+m'",
        "expect(function() end).never.to_fail_with()"}) {
    EXPECT_EQ(body(good), "") << good;
  }
  const std::vector<std::pair<const char*, const char*>> bad{
      {"expect({ 1 }).to_contain(2)", "did not find 2\n  in [1]"},
      {"expect('abc').never.to_contain 'b'", "found \"b\"\n  in \"abc\""},
      {"expect('x').to_match '^v'", "no match: \"x\"\n  against \"^v\""},
      {"expect('x').to_match '('", "regular expression"},
      {"expect(1).to_be_nil()", "expected nil, got 1"},
      {"expect(nil).never.to_be_nil()", "expected something, got nil"},
      {"expect({}).never.to_equal {}", "equal, which was not to be"},
      {"expect(function() end).to_fail_with 'x'", "expected a failure, and all went well"},
      {"expect(function() error('boom') end).to_fail_with 'bang'", "failed with another reason"},
      {"expect(1).to_fail_with 'x'", "looks at a function"},
      {"expect(1).to_eqal(1)", "expect() has no \"to_eqal\" (did you mean \"to_equal\"?)"}};
  for (const auto& [text, part] : bad) expect_part(part, body(text));
}

TEST_F(SpecTest, FailsATestThatLooksAtNothing) {
  EXPECT_EQ(body("local x = 1"),
            "it_spec.lua:2: looked at nothing: a test needs an expect(...).to_...");
  expect_part("looked at nothing", body("expect(1)"));
}

TEST_F(SpecTest, LetsNoBrokenHookPassForOneWithoutAnOpinion) {
  const std::string asked = "local answer = it_plugin.on_push(push { title = 'break' })\n";
  expect_part("the test did not look at `problems`\nand a hook failed: on_push: it.lua:",
              body(asked + "expect(answer.deny).to_be_nil()"));
  expect_part("broken on purpose", body(asked + "expect(answer).to_equal {}"));
  expect_part("expected 1, got 2\nand a hook failed: on_push: it.lua:",
              body(asked + "expect(2).to_be(1)"));
  EXPECT_EQ(body(asked + "expect(answer.problems[1]).to_match 'it.lua:6: broken on purpose$'"), "");
  EXPECT_EQ(body(R"(expect(function() it_plugin.on_push(push { title = "break" }) end)
                    .to_fail_with "broken")"),
            "");
}

TEST_F(SpecTest, GivesHooksTheirOwnLimitsAndTestsTheirs) {
  expect_part("endless loop",
              body("expect(it_plugin.on_push(push { title = 'loop' }).problems[1]).to_match 'x^'"));
  const auto results = run(R"(
    it("never ends", function() while true do end end)
    it("hides it", function() pcall(function() while true do end end) expect(1).to_be(1) end)
    it("eats memory", function() local t = {} for i = 1, 1e9 do t[i] = ("x"):rep(1e6) .. i end end)
    it("still runs", function() expect(1).to_be(1) end))");
  ASSERT_EQ(results.size(), 4U);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(results[static_cast<std::size_t>(i)].passed());
  EXPECT_EQ(results[3].message, "");
}

TEST_F(SpecTest, AnswersWishesWithFakesAndKeepsThem) {
  EXPECT_EQ(body(R"(
    local it_plugin = plugin("it", {}, {
      run = function(wish) return { code = 0, output = wish.program .. wish.args[1] } end })
    expect(it_plugin.on_push(push { title = "run" }).skip).to_equal { "trivy-q" }
    expect(it_plugin.wishes).to_equal { { capability = "run", program = "trivy", args = { "-q" } } })"),
            "");
  EXPECT_EQ(body(R"(
    local it_plugin = plugin("it", {}, { run = { code = 0, output = "constant" } })
    expect(it_plugin.on_push(push { title = "run" }).skip).to_equal { "constant" })"),
            "");
  EXPECT_EQ(body(R"(
    local it_plugin = plugin("it", {}, {
      registry = { tags = function(repository) return { repository:match("[^/]+$") } end } })
    expect(it_plugin.on_push(push { title = "tags" }).tags[1].tag).to_be "shop")"),
            "");
}

TEST_F(SpecTest, FailsForAWishWithoutAFakeEvenWhenThePluginDoesNot) {
  const std::string why = "no fake answers run {\"program\":\"trivy\"}";
  expect_part(why, body("expect(it_plugin.on_push(push { title = 'swallow' }).tags).to_equal {}"));
  expect_part("no fake answers registry.tags",
              body("expect(it_plugin.on_push(push { title = 'tags' })).to_equal {}"));
}

TEST_F(SpecTest, LetsAFakeFailAsWhatItStandsForDoes) {
  EXPECT_EQ(body(R"(
    local it_plugin = plugin("it", {}, { run = function() error("no such program") end })
    expect(it_plugin.on_push(push { title = "run" }).problems[1]).to_match "no such program")"),
            "");
}

TEST_F(SpecTest, OpensSecretsForFakesOnly) {
  EXPECT_EQ(body(R"(
    local it_plugin = plugin("it", {}, {
      secret = { chat = "s3cret" },
      allow = { http = { "hooks.example" } },
      http = function(wish) return { status = 200, text = wish.headers.Token } end })
    expect(it_plugin.on_push(push { title = "call" }).skip).to_equal { "s3cret" }
    expect(it_plugin.wishes[1].headers.Token).to_equal(secret "chat"))"),
            "");
}

TEST_F(SpecTest, AllowsWhatTheSpecAllowsAndNoMore) {
  expect_part("http \"hooks.example\" is not allowed", body(R"(
    local it_plugin = plugin("it", {}, { secret = { chat = "x" }, http = { status = 200 } })
    expect(it_plugin.on_push(push { title = "call" })).to_equal {})"));
}

TEST_F(SpecTest, StandsStillInTime) {
  EXPECT_EQ(body(R"(
    expect(it_plugin.on_push(push { title = "now" }).skip).to_equal { "2026-03-14" }
    local later = plugin("it", {}, { now = "2030-01-02T00:00:00Z" })
    expect(later.on_push(push { title = "now" }).skip).to_equal { "2030-01-02" })"),
            "");
}

TEST_F(SpecTest, GivesImagesTheFormOfEachHook) {
  EXPECT_EQ(body(R"(
    local image = image { push = push { tag = "v1" }, labels = { a = "b" }, sbom = none }
    expect(image.push.branch).to_be_nil()
    expect(image.labels).to_contain "org.opencontainers.image.title"
    expect(image.labels.a).to_be "b"
    expect(image.sbom).to_be_nil()
    expect(it_plugin.on_rescan(image).deny[1]).to_match "^main of registry.example/acme/shop@sha256:a+$")"),
            "");
}

TEST_F(SpecTest, TurnsWhatCannotRunIntoAResult) {
  expect_part("it_spec.lua:2:", run("it('x',\n").front().message);
  expect_part("holds no test", run("describe('nothing', function() end)").front().message);
  expect_part("os` is not there", run("os.exit(1)").front().message);
  expect_part("io` is not there", run("it('x', function() io.open('x') end)").front().message);
  expect_part("nowhere.lua: there is no such plugin", run("plugin('nowhere')").front().message);
  expect_part("is no plugin's name", run("plugin('../it')").front().message);
  expect_part("did you forget `local`?", run("x = 1").front().message);
  expect_part("it takes a text and a function", run("it('x')").front().message);
  expect_part("it stands inside a test",
              run("it('x', function() it('y', function() end) end)").front().message);
  os::replace_file(folder.path() / "it.lua", "return {\n");
  expect_part("it.lua:", run("local p = plugin('it')").front().message);
}

TEST_F(SpecTest, FindsSpecsByFolderSpecOrPlugin) {
  const std::string passing = "it('works', function() expect(1).to_be(1) end)";
  run(passing);
  os::replace_file(folder.path() / "other_spec.lua", passing);
  EXPECT_EQ(run_specs(folder.path()).size(), 2U);
  EXPECT_EQ(run_specs(folder.path() / "it.lua").front().file, folder.path() / "it_spec.lua");
  EXPECT_EQ(run_specs(folder.path() / "other_spec.lua").size(), 1U);
  const os::ScratchFolder empty;
  EXPECT_TRUE(failure_of([&] { run_specs(empty.path()); }).starts_with("not_found: "));
  EXPECT_TRUE(failure_of([&] { run_specs(empty.path() / "x"); }).starts_with("not_found: "));
}

TEST(SampleFacts, HaveAllThatAHookIsPromised) {
  const auto has = [](Hook hook, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
      EXPECT_TRUE(sample_facts(hook).contains(key)) << render(hook) << ' ' << key;
    }
  };
  has(Hook::on_push, {"source", "branch", "commit", "short", "ref", "author", "message", "title",
                      "origin", "received", "run", "image"});
  for (const Hook hook : {Hook::on_staged, Hook::on_published}) {
    has(hook, {"push",     "name",     "target",  "targets",  "platform", "digest",  "media_type",
               "size",     "new_size", "layers",  "labels",   "config",   "bases",   "tags",
               "findings", "sbom",     "staging", "previous", "built",    "duration"});
  }
  has(Hook::on_published, {"references", "published"});
  has(Hook::on_rescan,
      {"push", "name", "references", "tags", "labels", "published", "findings", "new_findings"});
  has(Hook::on_finished, {"id", "status", "previous_status", "reason", "started", "ended",
                          "duration", "url", "push", "images"});
}

TEST(SampleFacts, FollowWhatIsGiven) {
  const auto& push = sample_facts(Hook::on_push);
  auto facts =
      facts_with(push, {{"tag", "v2"}, {"message", "One\n\nTwo"}, {"commit", "0123456789abcdef"}});
  EXPECT_FALSE(facts.contains("branch"));
  EXPECT_EQ(facts.at("ref"), "refs/tags/v2");
  EXPECT_EQ(facts.at("title"), "One");
  EXPECT_EQ(facts.at("short"), "0123456789ab");
  facts = facts_with(push, {{"changed_paths", {{"$none", true}}}, {"branch", "next"}});
  EXPECT_FALSE(facts.contains("changed_paths"));
  EXPECT_EQ(facts.at("ref"), "refs/heads/next");
  const boost::json::array list{{{"id", "a"}, {"severity", "HIGH"}},
                                {{"id", "b"}, {"severity", "HIGH"}}};
  facts = facts_with(sample_facts(Hook::on_staged), {{"findings", {{"list", list}}}});
  EXPECT_EQ(facts.at("findings").at("counts"), (boost::json::value{{"HIGH", 2}}));
}

TEST(ShippedPlugins, DoWhatTheirSpecsSay) {
  for (const SpecResult& result : run_specs(std::string(LIGHTERMAN_TREE) + "/plugins")) {
    EXPECT_TRUE(result.passed()) << join(result.suites, " > ") << " > " << result.test << '\n'
                                 << result.message;
  }
}

}  // namespace
}  // namespace lighterman::policy
