// What plugins have at hand.
#include "policy/scene.hpp"

namespace lighterman::policy::test {
namespace {

void expect_values(const std::vector<std::pair<const char*, const char*>>& cases) {
  for (const auto& [expression, value] : cases)
    EXPECT_EQ(value_of(expression), value) << expression;
}

void expect_failures(const std::vector<std::pair<const char*, const char*>>& cases) {
  for (const auto& [expression, part] : cases) {
    const std::string answer = value_of(expression);
    EXPECT_TRUE(answer.starts_with("problem: ")) << expression << ": " << answer;
    EXPECT_NE(answer.find(part), std::string::npos) << expression << ": " << answer;
  }
}

TEST(Json, GoesBothWays) {
  expect_values(
      {{"json.encode { b = { 1, 2.5, true }, a = 'x\"' }", R"({"a":"x\"","b":[1,2.5E0,true]})"},
       {"json.encode {}", "[]"},
       {"json.encode 'x'", "\"x\""},
       {"json.decode('{\"a\":[1,{\"b\":\"c\"}]}').a[2].b", "c"},
       {"json.decode('{\"a\":null}').a", "nil"},
       {"json.decode('12') + 1", "13"},
       {"json.encode(push.changed_paths)", R"(["README.md","src/a.c"])"}});
  expect_failures({{"json.decode('{')", "json.decode"},
                   {"json.encode(print_it)", "no variable or function"},
                   {"json.encode { f = pairs }", "json.encode.f: a function is not plain data"}});
}

TEST(Slug, MakesWhatATagMayHold) {
  expect_values({{"slug 'Feature/Fancy Thing'", "feature-fancy-thing"},
                 {"slug '--..x__y..'", "x__y.."},
                 {"slug 'ünïcode!'", "n-code"},
                 {"#slug(('x'):rep(500))", "128"},
                 {"#slug '///'", "0"}});
}

TEST(Semver, ParsesAndCompares) {
  expect_values({{"semver.parse('v1.4.2').minor", "4"},
                 {"semver.parse('1.4.2-rc.1').prerelease", "rc.1"},
                 {"semver.parse('1.4.2-rc.1').text", "1.4.2-rc.1"},
                 {"semver.parse('1.4')", "nil"},
                 {"semver.compare('1.9.0', '1.10.0')", "-1"},
                 {"semver.compare('1.0.0-rc.1', '1.0.0')", "-1"},
                 {"semver.compare('2.0.0', 'v2.0.0')", "0"}});
}

TEST(Semver, KnowsRangesAsNpmWritesThem) {
  const auto fits = [](const char* version, const char* range) {
    return value_of(concat("semver.satisfies('", version, "', '", range, "')"));
  };
  for (const auto& [version, range, answer] : std::vector<std::array<const char*, 3>>{
           {"1.2.3", "^1.2", "true"},        {"1.9.0", "^1.2", "true"},
           {"2.0.0", "^1.2", "false"},       {"0.2.5", "^0.2.3", "true"},
           {"0.3.0", "^0.2.3", "false"},     {"0.0.4", "^0.0.3", "false"},
           {"1.2.9", "~1.2.3", "true"},      {"1.3.0", "~1.2.3", "false"},
           {"1.9.9", "~1", "true"},          {"1.5.0", ">=1 <2", "true"},
           {"2.0.0", ">=1 <2", "false"},     {"2.0.0-rc.1", "^1.2", "false"},
           {"1.2.7", "1.2.x", "true"},       {"1.3.0", "1.2.x", "false"},
           {"1.3.0", "1", "true"},           {"3.0.0", "1.x || 3.x", "true"},
           {"2.0.0", "1.x || 3.x", "false"}, {"1.2.3", "*", "true"},
           {"1.2.3", "1.2.3", "true"},       {"1.2.4", "=1.2.3", "false"},
           {"1.3.0", ">1.2", "true"},        {"1.2.9", ">1.2", "false"},
           {"1.2.9", "<=1.2", "true"},       {"1.2.3", "v1.2.3", "true"}})
    EXPECT_EQ(fits(version, range), answer) << version << " in " << range;
  expect_failures({{"semver.satisfies('x', '1')", "\"x\" is not a version"},
                   {"semver.satisfies('1.0.0', '!1')", "is not a range"},
                   {"semver.satisfies('1.0.0', '1.2.3.4')", "is not a range"}});
}

/// What tags.X says of such a push.
std::string tagged(const std::string& push, const std::string& call) {
  return said_by("local push = " + push + "\nreturn skip(tostring(" + call + "))");
}

TEST(Tags, FollowsThePatternsOfMetadataAction) {
  const char* const release = "{ tag = 'v1.4.2', commit = '4f1c0e2ad5b8a1f5', origin = 'webhook' }";
  const char* const early = "{ tag = 'v2.0.0-rc.1' }";
  const char* const branch =
      "{ branch = 'feature/Fancy', default_branch = 'main', pull_request = '12' }";
  EXPECT_EQ(tagged(release, "tags.semver(push)"), "1.4.2");
  EXPECT_EQ(tagged(release, "tags.semver(push, '{{major}}.{{minor}}')"), "1.4");
  EXPECT_EQ(tagged(release, "tags.semver(push, 'v{{major}}')"), "v1");
  EXPECT_EQ(tagged(early, "tags.semver(push, '{{major}}.{{minor}}')"), "2.0.0-rc.1");
  EXPECT_EQ(tagged(branch, "tags.semver(push)"), "nil");
  const std::string shown = "json.encode(tags.semver(push, '{{major}}.{{minor}}', 'shop-'))";
  EXPECT_EQ(tagged("{ tag = 'shop-v1.3.9' }", shown),
            R"({"moving":true,"tag":"1.3","version":"1.3.9"})");
  EXPECT_EQ(tagged("{ tag = 'shop-v2.0.0-rc.1' }", shown),
            R"({"moving":false,"tag":"2.0.0-rc.1","version":"2.0.0-rc.1"})");
  EXPECT_EQ(tagged("{ tag = 'pay-v1.3.9' }", "tags.semver(push, '{{major}}', 'shop-')"), "nil");
  EXPECT_EQ(tagged(release, "tags.semver(push, '{{major}}', 'shop-')"), "nil");
  EXPECT_EQ(tagged("{ tag = 'v1.0rc1' }", "tags.pep440(push, '{{major}}')"), "1.0rc1");
  EXPECT_EQ(tagged("{ tag = '1.2.3.post1' }", "tags.pep440(push, '{{major}}.{{minor}}')"), "1.2");
  EXPECT_EQ(tagged("{ tag = 'hello' }", "tags.pep440(push)"), "nil");
  EXPECT_EQ(tagged("{ tag = 'rel-2026.05' }", "tags.match(push, [[rel-(\\d+)\\.(\\d+)]], 1)"),
            "2026");
  EXPECT_EQ(tagged("{ tag = 'other' }", "tags.match(push, [[rel-(\\d+)]], 1)"), "nil");
  EXPECT_EQ(tagged(branch, "tags.ref(push, 'branch')"), "feature-Fancy");
  EXPECT_EQ(tagged(release, "tags.ref(push, 'tag')"), "v1.4.2");
  EXPECT_EQ(tagged(branch, "tags.ref(push, 'pr')"), "pr-12");
  EXPECT_EQ(tagged(release, "tags.sha(push)"), "sha-4f1c0e2");
  EXPECT_EQ(tagged(release, "tags.sha(push, 'long')"), "sha-4f1c0e2ad5b8a1f5");
  EXPECT_EQ(tagged("{ origin = 'schedule' }", "tags.schedule(push, 'nightly-%Y%m%d')"),
            "nightly-20260501");
  EXPECT_EQ(tagged(release, "tags.schedule(push)"), "nil");
  EXPECT_EQ(tagged("{ branch = 'main', default_branch = 'main' }", "tags.edge(push)"), "edge");
  EXPECT_EQ(tagged(branch, "tags.edge(push)"), "nil");
  EXPECT_EQ(tagged("{ branch = 'develop' }", "tags.edge(push, 'develop')"), "edge");
  EXPECT_NE(tagged(release, "tags.semver(push, '{{mayor}}')").find("unknown {{name}}"),
            std::string::npos);
  EXPECT_NE(tagged(release, "tags.match(push, '(x)', 2)").find("there is no group 2"),
            std::string::npos);
}

TEST(Glob, MatchesOneOrAny) {
  expect_values({{"glob('docs/a/b.md', 'docs/**')", "true"},
                 {"glob('docs/a.md', '*.md')", "false"},
                 {"glob('release/1', { 'main', 'release/*' })", "true"},
                 {"glob('x', {})", "false"},
                 {"glob('README.md', push.changed_paths)", "true"}});
}

TEST(Regex, MatchesAndReplaces) {
  expect_values({{"regex.matches('abc', 'b')", "true"},
                 {"regex.matches('abc', '^b')", "false"},
                 {"regex.match('v1.4', [[v(\\d)\\.(?P<minor>\\d)]])[2]", "1"},
                 {"regex.match('v1.4', [[v(\\d)\\.(?P<minor>\\d)]]).minor", "4"},
                 {"#regex.match('b', '(a)?b')[2]", "0"},
                 {"regex.match('x', 'y')", "nil"},
                 {"regex.replace('a-b-c', '-', '+')", "a+b+c"},
                 {"regex.replace('john smith', [[(\\w+) (\\w+)]], [[\\2 \\1]])", "smith john"},
                 {"regex.replace('abc', 'x*', '-')", "-a-b-c-"},
                 {"regex.replace('baac', 'a*', '-')", "-b--c-"},
                 {"regex.replace('üx', '', '.')", ".ü.x."},
                 {"#regex.replace('', 'x', '-')", "0"}});
  expect_failures({{"regex.matches('x', '(')", "regular expression \"(\""},
                   {"regex.replace('x', 'x', [[\\1]])", "Rewrite schema"}});
}

TEST(Time, ComesFromTheRun) {
  expect_values({{"time.now()", "1777636800"},
                 {"time.format('%Y.%m.%d')", "2026.05.01"},
                 {"time.format('%H:%M', 0)", "00:00"},
                 {"time.parse('2026-05-01T12:00:30Z') - time.now()", "30"},
                 {"time.seconds '7d'", "604800"}});
  expect_failures({{"time.parse 'yesterday'", "yesterday"}, {"time.seconds 'long'", "long"}});
}

TEST(Template, FillsNames) {
  expect_values({{"template('{name} is at {push.source}, {n}', { name = 'x', push = push, n = 3 })",
                  "x is at shop, 3"},
                 {"template('{image.name}', push)", "web"},
                 {"template('no names {', {})", "no names {"}});
  expect_failures({{"template('{nope}', {})", "template: {nope} has no value"},
                   {"template('{a.b.c}', { a = 1 })", "template: {a.b.c} has no value"}});
}

TEST(Log, GoesToTheQuestion) {
  std::vector<std::string> lines;
  Question question;
  question.source = "shop";
  question.facts = some_push();
  question.log = [&](const std::string& plugin, std::string_view level, std::string_view text) {
    lines.push_back(concat(plugin, ' ', level, ' ', text));
  };
  ask({seat("return { on_push = function(push) log.info('hello') log.warn(push) end }")}, question);
  EXPECT_EQ(lines, (std::vector<std::string>{"it info hello", "it warn table"}));
}

TEST(Language, IsLuaWhereItIsNotReplaced) {
  expect_values(
      {{"('hello world'):find('o w')", "5"},
       {"('hello'):find('l', 4)", "4"},
       {"('hello'):match('(h)(.)l')", "h"},
       {"('key = value'):match('^(%w+)%s*=%s*(%w+)$')", "key"},
       {"('a,b,,c'):gsub(',', ';')", "a;b;;c"},
       {"('abc'):gsub('%w', '%0%0')", "aabbcc"},
       {"('abc'):gsub('', '-')", "-a-b-c-"},
       {"('hello world'):gsub('o', { o = '0' }, 1)", "hell0 world"},
       {"('THE (quick) fox'):find('%((%a+)%)')", "5"},
       {"('f(a(b)c)d'):match('%b()')", "(a(b)c)"},
       {"('THE fox'):gsub('%f[%a]%a+', string.lower)", "the fox"},
       {"('[[x]]'):match('[]]+')", "]]"},
       {"('a-z'):match('[a%-]+')", "a-"},
       {"('  x '):match('^%s*(.-)%s*$')", "x"},
       {"select(2, ('abc'):match('()b()'))", "3"},
       {"('x'):rep(3, ',')", "x,x,x"},
       {"('%5.1f|%s|%q'):format(3.14159, nil, 'a')", "  3.1|nil|\"a\""},
       {"#push.changed_paths", "2"},
       {"table.concat(push.changed_paths, ' ')", "README.md src/a.c"},
       {"select('#', table.unpack(push.changed_paths))", "2"},
       {"table.move({ 1, 2, 3 }, 2, 3, 1)[1]", "2"},
       {"next({})", "nil"},
       {"next({ b = 1, a = 2 })", "a"},
       {"push.nothing", "nil"},
       {"select(2, pcall(error, 'x', 0))", "x"},
       {"tostring(setmetatable({}, { __tostring = function() return 'shown' end }))", "shown"}});
  EXPECT_EQ(said_by("local t = { 'b', 'a', 'c' } table.sort(t, function(a, b) return a > b end) "
                    "return skip(table.concat(t))"),
            "cba");
  EXPECT_EQ(said_by("local t = {} for w in ('one two three'):gmatch('%a+') do t[#t + 1] = w end "
                    "return skip(table.concat(t, '|'))"),
            "one|two|three");
  EXPECT_EQ(said_by("local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do t[#t + 1] = k "
                    ".. v end return skip(table.concat(t, '|'))"),
            "a1|b2");
  EXPECT_EQ(said_by("local t = { a = 1, b = 2, c = 3 } local seen = '' for k in pairs(t) do seen = "
                    "seen .. k t.b = nil t.c = nil end return skip(seen)"),
            "a");
  EXPECT_EQ(said_by("local seen = '' for i, path in ipairs(push.changed_paths) do seen = seen .. i "
                    ".. path end return skip(seen)"),
            "1README.md2src/a.c");
}

}  // namespace
}  // namespace lighterman::policy::test
