#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/text.hpp"
#include "os/file.hpp"
#include "os/program.hpp"

namespace lighterman::cli {
namespace {

constexpr const char* plugin_text = R"lua(-- greet.lua: greets whoever pushes.
return {
  settings = {
    word = { type = "text", default = "hello", about = "What to say" },
    days = { type = "number", about = "How long" },
    who = { type = "list", default = { "all" }, about = "Whom" },
  },
  needs = { run = "trivy", http = "*" },
  on_push = function(push)
    if push.title == "break" then error("broken on purpose") end
    if push.title == "run" then return skip(run { program = "trivy" }.output) end
    return { args = { WORD = settings.word, DAYS = settings.days, WHO = #settings.who },
             tags = { "edge", { tag = push.short, moving = false } } }
  end,
}
)lua";

/// A folder with a plugin, and the program.
class PluginVerbs : public ::testing::Test {
 protected:
  PluginVerbs() { write("greet.lua", plugin_text); }

  void write(const std::string& name, const std::string& text) const {
    os::replace_file(folder.path() / name, text);
  }
  std::string file(const std::string& name) const { return (folder.path() / name).string(); }

  /// `lighterman plugin WORDS...`, in the folder.
  os::Outcome say(std::vector<std::string> words, const std::string& input = "") const {
    words.insert(words.begin(), "plugin");
    os::Program program{LIGHTERMAN_PROGRAM, words};
    program.folder = folder.path();
    program.input = input;
    return os::perform(program);
  }
  boost::json::value json(std::vector<std::string> words, const std::string& input = "") const {
    words.emplace_back("--json");
    const os::Outcome said = say(words, input);
    EXPECT_EQ(said.errors, "");
    return boost::json::parse(said.output);
  }

  os::ScratchFolder folder;
};

void expect_part(const std::string& part, const std::string& whole) {
  EXPECT_NE(whole.find(part), std::string::npos) << whole;
}

TEST_F(PluginVerbs, ListWhatCanBeUsedAndWhereItComesFrom) {
  write("broken.lua", "return 1\n");
  const os::Outcome said = say({"list", "--folder", "."});
  EXPECT_EQ(said.exit_code, 0) << said.errors;
  expect_part("greets whoever pushes\n", said.output);
  expect_part("from ./greet.lua\n", said.output);
  expect_part("broken: ", said.output);
  expect_part("\ntag-semver ", said.output);
  bool shipped = false, mine = false;
  const boost::json::value listed = json({"list", "--folder", "."});
  for (const auto& each : listed.as_array()) {
    shipped =
        shipped || (each.at("name") == "tag-semver" && each.at("from") == "ships with lighterman");
    mine = mine || (each.at("name") == "greet" && each.at("hooks").at(0) == "on_push");
  }
  EXPECT_TRUE(shipped);
  EXPECT_TRUE(mine);
}

TEST_F(PluginVerbs, ShowAManualWithLinesToPaste) {
  const os::Outcome said = say({"show", "greet", "--folder", "."});
  EXPECT_EQ(said.exit_code, 0) << said.errors;
  expect_part("greet: greets whoever pushes.", said.output);
  expect_part("  word (text, default \"hello\")\n      What to say", said.output);
  expect_part(
      "  plugins:\n    greet:\n      settings:\n        # days: 1\n        who: [all]\n"
      "        word: hello\n      allow:\n        http: [HOST]  # those you choose\n"
      "        run: [trivy]\n",
      said.output);
  EXPECT_EQ(json({"show", "./greet.lua"}).at("settings").at(0).at("name"), "days");
}

TEST_F(PluginVerbs, TryAPluginOnSamplesOnPartsAndOnAWholeEvent) {
  const os::Outcome said = say({"try", "greet.lua"});
  EXPECT_EQ(said.exit_code, 0) << said.errors;
  EXPECT_EQ(said.output,
            "greet, on_push:\n"
            "  tag edge, which moves\n"
            "  tag 4f0c1a2b9d3e, which stays\n"
            "  build argument WHO=1\n"
            "  build argument WORD=hello\n");
  const auto partial =
      json({"try", "greet.lua", "-", "--partial"}, R"({"commit":"0123456789abcdef"})");
  EXPECT_EQ(partial.at("tags").at(1).at("tag"), "0123456789ab");
  write("event.json", R"({"short":"whole"})");
  EXPECT_EQ(json({"try", "greet", "event.json", "--folder", "."}).at("tags").at(1).at("tag"),
            "whole");
  EXPECT_EQ(say({"try", "greet.lua", "nowhere.json"}).exit_code, 3);
  write("event.json", "{");
  EXPECT_EQ(say({"try", "greet.lua", "event.json"}).exit_code, 2);
}

TEST_F(PluginVerbs, TryWithSettingsOfEachType) {
  const auto tried = json(
      {"try", "greet.lua", "--set", "word=true", "--set", "days=3", "--set", R"(who=["a","b"])"});
  EXPECT_EQ(tried.at("args").at("WORD").at("value"), "true");
  EXPECT_EQ(tried.at("args").at("DAYS").at("value"), "3");
  EXPECT_EQ(tried.at("args").at("WHO").at("value"), "2");
  const os::Outcome said = say({"try", "greet.lua", "--set", "wrod=x"});
  EXPECT_EQ(said.exit_code, 2);
  expect_part("has no setting \"wrod\" (did you mean \"word\"?)", said.errors);
  EXPECT_EQ(say({"try", "greet.lua", "--set", "word"}).exit_code, 2);
}

TEST_F(PluginVerbs, TryFailsWithTheHookAndPerformsNothing) {
  const os::Outcome broken = say({"try", "greet.lua", "-", "--partial"}, R"({"title":"break"})");
  EXPECT_EQ(broken.exit_code, 1);
  expect_part("failed: on_push: greet.lua:", broken.output);
  expect_part("broken on purpose", broken.output);
  const os::Outcome dry = say({"try", "greet.lua", "-", "--partial"}, R"({"title":"run"})");
  EXPECT_EQ(dry.exit_code, 1);
  expect_part("  would run trivy\n  what it says then, a dry run cannot know\n", dry.output);
  expect_part("has no on_staged", say({"try", "greet.lua", "--hook", "on_staged"}).errors);
}

TEST_F(PluginVerbs, TryASeatOfAConfiguration) {
  write("lighterman.yml",
        "engines: [{name: local, host: \"unix:///run/docker.sock\"}]\n"
        "plugin_folders: [.]\n"
        "plugins:\n  polite: {use: greet, settings: {word: good day}, allow: {run: [trivy]}}\n");
  const os::Outcome said = say({"try", "polite", "--config", "lighterman.yml"});
  EXPECT_EQ(said.exit_code, 0) << said.errors;
  expect_part("polite, on_push:\n", said.output);
  expect_part("WORD=good day\n", said.output);
  write("wrong.yml", "plugns: {}\n");
  EXPECT_EQ(say({"list", "--config", "wrong.yml"}).exit_code, 6);
  EXPECT_EQ(say({"list", "--config", "nowhere.yml"}).exit_code, 6);
}

TEST_F(PluginVerbs, TestShowsATreeAndFailsWithTheTests) {
  write("greet_spec.lua", R"(describe("greet", function()
  local greet = plugin("greet")
  it("says hello", function() expect(greet.on_push(push {}).args.WORD).to_be "hello" end)
  it("says bye", function() expect(greet.on_push(push {}).args.WORD).to_be "bye" end)
end)
)");
  const os::Outcome said = say({"test", "."});
  EXPECT_EQ(said.exit_code, 1);
  expect_part(
      "./greet_spec.lua\n  greet\n    ✓ says hello\n    ✗ says bye\n"
      "        greet_spec.lua:4: expected \"bye\", got \"hello\"\n\n1 passed, 1 failed (",
      said.output);
  const auto results = json({"test", "greet.lua"});
  EXPECT_EQ(results.at("failed"), 1);
  EXPECT_EQ(results.at("results").at(1).at("message"),
            "greet_spec.lua:4: expected \"bye\", got \"hello\"");
  write("greet_spec.lua", "it('is well', function() expect(1).to_be(1) end)\n");
  EXPECT_EQ(say({"test", "greet_spec.lua"}).exit_code, 0);
  EXPECT_EQ(say({"test", "nowhere"}).exit_code, 3);
}

TEST_F(PluginVerbs, FactsCanBeGivenBackToTry) {
  const os::Outcome facts = say({"facts", "on_push"});
  EXPECT_EQ(facts.exit_code, 0);
  EXPECT_EQ(say({"try", "greet.lua", "-"}, facts.output).output, say({"try", "greet.lua"}).output);
  EXPECT_EQ(say({"facts", "on_pusch"}).exit_code, 2);
}

TEST_F(PluginVerbs, NameWhatIsNotThere) {
  const os::Outcome said = say({"show", "great", "--folder", "."});
  EXPECT_EQ(said.exit_code, 3);
  expect_part("no plugin \"great\" (did you mean \"greet\"?)", said.errors);
  EXPECT_EQ(say({"show", "../greet.lua"}).exit_code, 3);
  EXPECT_EQ(say({"shwo"}).exit_code, 2);
  EXPECT_EQ(say({"list", "--folder", "nowhere"}).exit_code, 3);
}

}  // namespace
}  // namespace lighterman::cli
