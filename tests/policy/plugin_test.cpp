#include "policy/plugin.hpp"

#include "os/file.hpp"
#include "policy/dry_run.hpp"
#include "policy/scene.hpp"

namespace lighterman::policy::test {
namespace {

Plugin parsed(const std::string& text) { return parse_plugin(text, "/plugins/gate.lua"); }

constexpr const char* gate = R"(-- gate.lua: stops what is too large
-- or too old.
return {
  settings = {
    limit = { type = "size", default = "500MB", about = "the largest image" },
    age = { type = "duration", default = "30d", about = "the oldest base" },
    block = { type = "list", default = { "CRITICAL" }, choices = { "CRITICAL", "HIGH" }, about = "severities" },
    mode = { type = "text", default = "warn", choices = { "warn", "deny" }, about = "what happens" },
    owner = { type = "text", required = true, about = "whom to ask" },
    ratio = { type = "number", about = "growth" },
    strict = { type = "boolean", default = false, about = "no exceptions" },
    map = { type = "map", about = "names" },
  },
  on_push = function(push) return skip(json.encode(settings)) end,
}
)";

TEST(Plugins, SayWhatTheyAreAndWhatMayBeSet) {
  const Plugin plugin = parsed(gate);
  EXPECT_EQ(plugin.name, "gate");
  EXPECT_EQ(plugin.about, "stops what is too large or too old.");
  EXPECT_EQ(plugin.defined, std::set<Hook>{Hook::on_push});
  const std::string page = manual(plugin);
  for (const char* part :
       {"gate: stops what is too large or too old.", "hooks: on_push",
        "limit (size, default \"500MB\")", "owner (text, required)", "one of: warn, deny"})
    EXPECT_NE(page.find(part), std::string::npos) << page;
}

TEST(Settings, AreFilledInAndReachTheHook) {
  EXPECT_EQ(
      ask_one(seat(gate, {}, "it", {{"owner", "ada"}, {"limit", "1GiB"}, {"block", "HIGH"}}))
          .skip.at(0)
          .value,
      R"({"age":2592000,"block":["HIGH"],"limit":1073741824,"mode":"warn","owner":"ada","strict":false})");
}

TEST(Settings, AreCheckedAgainstTheirDeclaration) {
  const Plugin plugin = parsed(gate);
  const auto refused = [&](const std::string& part, object given) {
    if (!given.contains("owner")) given["owner"] = "ada";
    expect_refused(part, [&] { check_settings(plugin, given); });
  };
  expect_refused("owner: must be set (whom to ask)", [&] { check_settings(plugin, {}); });
  refused("plugin \"gate\" has no setting \"limt\" (did you mean \"limit\"?)", {{"limt", 1}});
  refused("limit: ", {{"limit", "much"}});
  refused("limit: must be a size", {{"limit", -1}});
  refused("limit: must be a size", {{"limit", true}});
  refused("age: ", {{"age", "soon"}});
  refused("mode: must be one of warn, deny", {{"mode", "dny"}});
  refused("mode: must be a text", {{"mode", 1}});
  refused("block: must be one of CRITICAL, HIGH (did you mean \"CRITICAL\"?)",
          {{"block", {"CRITCAL"}}});
  refused("block: must be one of", {{"block", "LOW"}});
  refused("ratio: must be a number", {{"ratio", "2"}});
  refused("strict: must be a boolean", {{"strict", "yes"}});
  refused("map: must be a map", {{"map", {"a"}}});
}

TEST(Settings, AreReadOnlyInTheHook) {
  const Decision decision =
      ask_one(seat("return { settings = { n = { type = 'number', default = 1, about = 'x' } }, "
                   "on_push = function() settings.n = 2 end }"));
  ASSERT_EQ(decision.problems.size(), 1U);
  EXPECT_NE(decision.problems[0].value.find("settings is read-only"), std::string::npos);
}

TEST(Settings, MustBeDeclaredWell) {
  const auto refused = [](const std::string& part, const std::string& declared) {
    expect_refused(part, [&] { parsed("return { settings = { days = " + declared + " } }"); });
  };
  refused("settings.days.type", "{ about = 'x' }");
  refused("settings.days.about", "{ type = 'number' }");
  refused("must be one of text, number", "{ type = 'int', about = 'x' }");
  refused("unknown key (did you mean \"default\"?)",
          "{ type = 'number', about = 'x', defalt = 1 }");
  refused("settings: days: must be a number", "{ type = 'number', about = 'x', default = 'many' }");
}

TEST(Needs, NameCapabilitiesThatExist) {
  expect_refused("needs.htp: no such capability (did you mean \"http\"?)",
                 [] { parsed("return { needs = { htp = 'x' } }"); });
  expect_refused("is no host (no scheme, no path)",
                 [] { parsed("return { needs = { http = 'https://x.example/y' } }"); });
  expect_refused("needs: must be a table", [] { parsed("return { needs = 'http' }"); });
  EXPECT_EQ(
      parsed("return { needs = { run = 'trivy', http = { 'a.example', 'b.example' } } }").needs,
      (Grants{{"run", {"trivy"}}, {"http", {"a.example", "b.example"}}}));
}

std::string denial(const std::string& needs, const Grants& granted) {
  return failure_of(
      [&] { check_grants(parsed("return { needs = " + needs + " }"), "my-gate", granted); });
}

TEST(Grants, MustCoverWhatIsNeeded) {
  const std::string why =
      denial("{ http = { 'hooks.slack.com', 'b.example:8443' }, secret = 'slack', run = 'trivy' }",
             {{"run", {"trivy"}}, {"http", {"hooks.slack.com"}}});
  EXPECT_EQ(why,
            "denied: plugin \"gate\" needs http b.example:8443 and secret slack, which is not "
            "allowed; to allow it, write\n"
            "  plugins:\n"
            "    my-gate:\n"
            "      allow:\n"
            "        http: [hooks.slack.com, \"b.example:8443\"]\n"
            "        secret: [slack]\n"
            "        run: [trivy]");
  EXPECT_EQ(denial("{ http = '*' }", {{"http", {"a.example"}}}), "nothing");
  EXPECT_NE(denial("{ http = '*' }", {}).find("http: [THE-http-NAMES]"), std::string::npos);
  EXPECT_NE(denial("{ http = '*' }", {{"http", {"*"}}})
                .find("\"*\" is no name; each one that is allowed is listed"),
            std::string::npos);
  EXPECT_EQ(denial("{ http = 'gitea.lan' }", {{"http", {"private:gitea.lan:3000"}}}), "nothing");
  EXPECT_NE(denial("{ http = 'private:gitea.lan' }", {{"http", {"gitea.lan"}}}), "nothing");
  EXPECT_NE(denial("{ http = 'gitea.lan:80' }", {{"http", {"gitea.lan:81"}}}), "nothing");
  EXPECT_EQ(denial("{ registry = 'r.example/acme/shop' }", {{"registry", {"r.example/**"}}}),
            "nothing");
  EXPECT_EQ(denial("{ registry = 'r.example/acme/*' }", {{"registry", {"r.example/acme/**"}}}),
            "nothing");
  EXPECT_NE(denial("{ registry = 'r.example/**' }", {{"registry", {"r.example/*"}}}), "nothing");
  EXPECT_NE(denial("{ scan = 'staged' }", {{"scan", {"r.example/**"}}}), "nothing");
  EXPECT_EQ(denial("{}", {{"run", {"sh"}}}), "nothing");
}

TEST(Grants, GiveNoMoreThanIsNeeded) {
  const Seat asked = seat(
      "return { needs = { secret = 'mine' }, on_push = function() return skip(tostring(secret "
      "'other')) end }",
      {{"secret", {"mine", "other"}}});
  const Decision decision = ask_one(asked);
  ASSERT_EQ(decision.problems.size(), 1U);
  EXPECT_NE(decision.problems[0].value.find("secret \"other\" is not among what the plugin needs; "
                                            "its file would say: needs = { secret = \"other\" }"),
            std::string::npos);
}

TEST(Grants, AreNothingWithoutSomebodyToPerform) {
  const Decision decision = ask_one(
      seat("return { needs = { run = 'sh' }, on_push = function() run { program = 'sh' } end }",
           {{"run", {"sh"}}}));
  ASSERT_EQ(decision.problems.size(), 1U);
  EXPECT_NE(decision.problems[0].value.find("run is not performed in a dry run"),
            std::string::npos);
}

/// What on_push's body wishes in a dry run that looks by `look`, and what is not known then.
struct Rehearsed {
  explicit Rehearsed(const std::string& body, const Perform& look = {}) {
    const Seat asked = seat(
        "return { needs = { http = '*', run = 'sh', secret = 'hook' }, on_push = function()\n" +
            body + "\nend }",
        {{"http", {"a.example"}}, {"run", {"sh"}}, {"secret", {"hook"}}});
    DryRun dry;
    decision = ask_one(asked, Hook::on_push, some_push(), {}, dry.performer(look));
    for (const auto& said : dry.take_unknown(decision)) unknown.push_back(said.plugin);
    for (const auto& said : dry.wished()) wished.push_back(said.value);
  }
  Decision decision;
  std::vector<std::string> wished, unknown;
};

TEST(DryRun, SaysOnceWhatWouldBeDone) {
  const Rehearsed tried(
      "for i = 1, 3 do pcall(http, { url = 'https://a.example/x' }) end\n"
      "pcall(http, { url = secret 'hook', text = 'x' })\n"
      "pcall(run, { program = 'sh', args = { '-c', 'true' } })\n"
      "return { tags = 'x' }");
  EXPECT_EQ(tried.wished, (std::vector<std::string>{"would GET https://a.example/x",
                                                    "would POST the URL in secret \"hook\"",
                                                    "would run sh -c true"}));
  EXPECT_TRUE(tried.unknown.empty());
  EXPECT_EQ(tried.decision.tags.size(), 1U);
}

TEST(DryRun, CallsNoFailureWhatHangsOnTheRefusalAlone) {
  const Rehearsed tried("run { program = 'sh' }");
  EXPECT_TRUE(tried.decision.problems.empty());
  EXPECT_EQ(tried.unknown, std::vector<std::string>{"it"});
  const Rehearsed broken("pcall(run, { program = 'sh' }) error 'broken'");
  EXPECT_EQ(broken.decision.problems.size(), 1U);
  EXPECT_TRUE(broken.unknown.empty());
}

TEST(DryRun, LooksWhereItMayAndChangesNothing) {
  std::vector<std::string> looked;
  const Perform look = [&](const Wish& wish) -> boost::json::value {
    looked.emplace_back(wish.body.at("method").as_string());
    return {{"status", 200}};
  };
  const Rehearsed tried(
      "http { url = 'https://a.example/x' } pcall(http, { url = 'https://a.example/y', method = "
      "'PUT', text = 'x' })",
      look);
  EXPECT_EQ(looked, std::vector<std::string>{"GET"});
  EXPECT_EQ(tried.wished, std::vector<std::string>{"would PUT https://a.example/y"});
}

TEST(Wishes, AreCompleteWhenTheyArePerformed) {
  Wish seen;
  const Perform perform = [&](const Wish& wish) -> boost::json::value {
    seen = wish;
    return {{"status", 200}};
  };
  const Seat asked = seat(
      "return { needs = { http = '*', secret = 'slack' }, on_push = function() http { url = "
      "'https://a.example/x', json = { 1 }, headers = { T = secret 'slack' }, timeout = '5s' } end "
      "}",
      {{"http", {"a.example"}}, {"secret", {"slack"}}});
  const Decision decision = ask_one(asked, Hook::on_push, some_push(), {}, perform);
  EXPECT_TRUE(decision.problems.empty());
  EXPECT_EQ(seen.seat, "it");
  EXPECT_EQ(seen.capability, "http");
  EXPECT_EQ(
      boost::json::serialize(seen.body),
      R"({"headers":{"T":{"$secret":"slack"}},"json":[1],"timeout":"5s","url":"https://a.example/x","method":"POST"})");
  EXPECT_EQ(seen.timeout, std::chrono::seconds(5));
  EXPECT_EQ(seen.granted, (Grants{{"http", {"a.example"}}, {"secret", {"slack"}}}));
}

TEST(Files, AreReadWithTheirName) {
  const os::ScratchFolder folder;
  os::replace_file(
      folder.path() / "tag-it.lua",
      "-- tag-it: tags it.\nreturn { on_push = function() return { tags = 'x' } end }");
  const Plugin plugin = load_plugin(folder.path() / "tag-it.lua");
  EXPECT_EQ(plugin.name, "tag-it");
  EXPECT_EQ(plugin.about, "tags it.");
  EXPECT_EQ(failure_of([&] { load_plugin(folder.path() / "none.lua"); }).substr(0, 9), "not_found");
}

}  // namespace
}  // namespace lighterman::policy::test
