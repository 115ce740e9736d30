// Plugins on the way of a real push: before the build, before the tag, and after it.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/guarded.hpp"
#include "net/loopback.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "pipeline/errands.hpp"
#include "pipeline/house.hpp"
#include "pipeline/leftovers.hpp"
#include "pipeline/preview.hpp"
#include "pipeline/replay.hpp"
#include "store/ledger.hpp"
#include "support/failure.hpp"

namespace lighterman::pipeline {
namespace {

/// A shop whose plugins the test writes.
class Policy : public ::testing::Test {
 protected:
  Policy() {
    write_shop(house.git);
    house.git.commit("One");
    house.config.plugin_folders = {folder.path()};
  }
  config::PluginSeat& plugin(const std::string& name, const std::string& text) {
    os::replace_file(folder.path() / (name + ".lua"), text);
    config::PluginSeat& seat = house.config.plugins[name];
    seat.name = name;
    return seat;
  }
  boost::json::value decision(RunId run, const std::string& hook,
                              const std::string& image = "web") {
    return house.store->find_hook(run, image, hook)->decision;
  }

  os::ScratchFolder folder;
  House house;
};

TEST_F(Policy, PluginsDecideTagsArgumentsAndLabels) {
  house.git.write("Dockerfile",
                  "FROM busybox\nARG VERSION=none\nRUN echo $VERSION >/version\nCMD [\"sh\"]\n");
  house.git.commit("Take a version");
  plugin("version", R"(-- version.lua: what is built knows its commit.
return {
  on_push = function(push)
    return {
      tags = { "edge", { tag = "c-" .. push.short, moving = false } },
      args = { VERSION = push.branch .. "-" .. push.title },
      labels = { ["com.example.branch"] = push.branch },
    }
  end,
})");
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_TRUE(house.tag("edge"));
  EXPECT_TRUE(house.tag("c-" + run.commit.substr(0, 12)));
  EXPECT_FALSE(house.tag("main")) << "the usual tags are the plugin's to give";
  EXPECT_EQ(house.content("edge", "/version"), "main-Take a version");
  const auto facts = house.store->find_hook(run.id, "web", "on_staged")->facts;
  EXPECT_EQ(facts.at("labels").at("com.example.branch"), "main");
  EXPECT_NE(house.log(run.id).find("version: tag edge, which moves"), std::string::npos);
}

TEST_F(Policy, OldTagsGoOnlyWhereTheImageGoes) {
  config::PluginSeat& seat = plugin("tidy", R"(-- tidy.lua: one version is enough.
return {
  settings = { repository = { type = "text", default = "", about = "Where" } },
  on_published = function(image)
    local where = settings.repository ~= "" and settings.repository or nil
    return retain { keep = 1, repository = where }
  end,
})");
  house.start();
  house.git.tag("v1.0.0");
  ASSERT_EQ(house.push("refs/tags/v1.0.0").state, RunState::succeeded);
  ASSERT_TRUE(house.tag("1.0.0"));
  house.git.write("late.txt", "second");
  house.git.commit("Two");
  house.git.tag("v1.1.0");
  const lighterman::Run run = house.push("refs/tags/v1.1.0");
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_TRUE(house.tag("1.1.0"));
  EXPECT_FALSE(house.tag("1.0.0"));
  store::LedgerFilter deletions;
  deletions.who = "plugin tidy";
  deletions.deed = "delete";
  const auto audited = store::Ledger(*house.store).list(deletions);
  EXPECT_EQ(std::ranges::count_if(
                audited, [](const AuditEntry& entry) { return entry.subject.ends_with(":1.0.0"); }),
            1);

  seat.settings["repository"] = the_registry().host() + "/somebody/else";
  house.start();
  house.git.write("late.txt", "third");
  house.git.commit("Three");
  house.git.tag("v1.2.0");
  const lighterman::Run other = house.push("refs/tags/v1.2.0");
  ASSERT_EQ(other.state, RunState::succeeded) << other.why;
  const auto actions = house.store->actions(other.id);
  ASSERT_FALSE(actions.empty());
  EXPECT_EQ(actions.at(0).state, ActionState::failed);
  EXPECT_NE(actions.at(0).why.find("may not delete in"), std::string::npos) << actions.at(0).why;
}

TEST_F(Policy, ADeniedImageHasNoTagAndNoManifestAnywhere) {
  plugin("gate", R"(-- gate.lua: nothing passes.
return { on_staged = function(image) return deny("too large: " .. image.size .. " bytes") end })");
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::denied) << run.why << house.log(run.id);
  EXPECT_NE(run.why.find("gate: too large: "), std::string::npos) << run.why;
  EXPECT_FALSE(house.tag("main"));
  const std::string digest(
      house.store->find_stage(run.id, "web", "gate")->result.at("digest").as_string());
  EXPECT_FALSE(house.yard->registry(house.reference().host())
                   .find_manifest(house.reference().at(Digest::parse(digest)), {}));
  EXPECT_FALSE(house.store->find_stage(run.id, "web", "publish:" + house.reference().name()));
}

TEST_F(Policy, ADeniedRunThatSomebodyAllowsPublishesTheVeryImageThatWasDenied) {
  plugin("gate", R"(-- gate.lua: nothing passes; the end is told.
return {
  on_staged = function(image) return deny "too large" end,
  on_finished = function(run) log.info(run.status) end,
})");
  house.start();
  const lighterman::Run denied = house.push();
  ASSERT_EQ(denied.state, RunState::denied) << denied.why << house.log(denied.id);
  const auto gate = house.store->find_stage(denied.id, "web", "gate")->result;
  const auto built = house.store->find_stage(denied.id, "web", "engine");

  house.store->allow(denied.id, {"ann", "the customer waits", system_now()});
  const lighterman::Run run = house.wait(denied.id);
  EXPECT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(house.tag("main")->text(), gate.at("digest").as_string());
  EXPECT_EQ(house.store->find_stage(run.id, "web", "engine")->ended, built->ended)
      << "it was built again";
  EXPECT_NE(house.log(run.id).find("as ann allowed: the customer waits"), std::string::npos);
  EXPECT_EQ(house.store->find_hook(run.id, "", "on_finished")->facts.at("status"), "succeeded");
  EXPECT_THROW(house.store->allow(run.id, {"ann", "again", system_now()}), Error);
}

TEST_F(Policy, TheBuildCacheOfAnEngineStaysBelowItsLimit) {
  house.config.engines.front().builder = Builder::buildkit;
  house.image().reuse = Reuse::never;
  house.start();
  const lighterman::Run first = house.push();
  ASSERT_EQ(first.state, RunState::succeeded) << first.why;
  const auto cached = [&](RunId run) {
    return house.store->find_stage(run, "web", "engine")->result.at("cached_steps").as_int64();
  };
  const auto clear = [&] {
    clear_leftovers(*house.yard, *house.store, {house.staging->address(), system_now(), {}},
                    [](const auto& why) { ADD_FAILURE() << why; }, {});
  };
  clear();
  EXPECT_GT(cached(house.push().id), 0) << "without a limit the engine keeps what it likes";
  house.config.engines.front().cache_limit = 1;
  house.start();
  clear();
  EXPECT_LT(house.yard->engine(house.config.engines.front().name).prune_cache(0, {}), 100'000u)
      << "hardly anything was left";
}

TEST_F(Policy, AnAllowedImageThatIsGoneIsNotBuiltAgain) {
  plugin("gate", R"(-- gate.lua: nothing passes.
return { on_staged = function(image) return deny "too large" end })");
  house.start();
  const lighterman::Run denied = house.push();
  ASSERT_EQ(denied.state, RunState::denied) << denied.why;
  const std::string names = concat(house.staging->address(), "/*/*");
  engine::Engine& engine = house.yard->engine(house.config.engines.front().name);
  ClearTerms terms{house.staging->address(), system_now(), std::chrono::hours(1)};
  clear_leftovers(*house.yard, *house.store, terms, [](const auto&) {}, {});
  EXPECT_EQ(engine.names(names, {}).size(), 1U) << "somebody may still allow it";
  terms.now += std::chrono::hours(2);
  clear_leftovers(*house.yard, *house.store, terms, [](const auto&) {}, {});
  EXPECT_TRUE(engine.names(names, {}).empty());

  house.stop();
  std::filesystem::remove_all(house.config.data / "staging");
  house.start();
  house.store->allow(denied.id, {"ann", "the customer waits", system_now()});
  const lighterman::Run run = house.wait(denied.id);
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("the denied image is no longer in the engine"), std::string::npos)
      << run.why;
  EXPECT_FALSE(house.tag("main"));
}

TEST_F(Policy, AHookThatFailsBeforeTheTagDenies) {
  plugin("gate", R"(-- gate.lua: looks at what is not there.
return { on_staged = function(image) return deny(image.nothing.here) end })");
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::denied) << run.why;
  EXPECT_NE(run.why.find("its hook failed, which denies"), std::string::npos) << run.why;
  EXPECT_NE(run.why.find("gate.lua:2"), std::string::npos) << run.why;
  EXPECT_FALSE(house.tag("main"));
}

TEST_F(Policy, AGateSeesWhatItNeedsToJudge) {
  plugin("look", R"(-- look.lua: says what it sees.
return {
  on_staged = function(image)
    local last = image.layers[#image.layers]
    local words = { last.instruction, "line " .. tostring(last.line), last.stage,
      image.bases[1].image, image.push.branch, image.config.cmd[2], image.target,
      image.previous and "again" or "first", tostring(last.new), image.staging.reference }
    return { tags = { "t-" .. #image.layers }, deny = table.concat(words, "|") }
  end,
})");
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_NE(run.why.find("late.txt"), std::string::npos) << run.why;
  EXPECT_NE(run.why.find("|line 6|stage-1|busybox|main|/built.txt|" + house.reference().name() +
                         "|first|true|127.0.0.1:"),
            std::string::npos)
      << run.why;
}

TEST_F(Policy, ANoticeIsToldOnceItsReceiverIsBackAndOnlyOnce) {
  Guarded<std::vector<std::string>> told;
  test::RawServer server([&](test::Connection& connection, int number) {
    const std::string head = connection.read_head();
    const auto at = lower(head).find("content-length: ");
    const std::string body = connection.read(std::stoul(head.substr(at + 16)));
    if (number == 1) {
      connection.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    } else {
      told.with([&](auto& all) { all.push_back(head + body); });
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
  });
  const std::string host = concat("127.0.0.1:", server.port());
  os::replace_file(folder.path() / "key", "s3cret-key");
  house.config.secrets["key"] = concat("file:", (folder.path() / "key").string());
  plugin("tell", concat(R"(-- tell.lua: tells how runs end.
return {
  needs = { http = "*", secret = "key" },
  on_finished = function(run)
    return post { url = "http://)",
                        host, R"(/hook", json = { status = run.status, tags = run.images[1].tags },
      hmac = { secret = secret "key", header = "X-Signature-256" } }
  end,
})"))
      .allow = {{"http", {"private:" + host}}, {"secret", {"key"}}};
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  Errands errands([this] { return house.yard; }, *house.store, [](const ActionRecord&) {},
                  {5, std::chrono::milliseconds(10), std::chrono::milliseconds(50), {}});
  ASSERT_TRUE(support::eventually(
      [&] { return house.store->actions(run.id).at(0).state == ActionState::done; },
      std::chrono::seconds(20)))
      << house.store->actions(run.id).at(0).why;
  EXPECT_EQ(house.store->actions(run.id).at(0).tries, 2);
  const std::string got = told.with([](auto& all) { return all.size() == 1 ? all[0] : ""; });
  const std::string body = got.substr(got.find("\r\n\r\n") + 4);
  EXPECT_NE(body.find("\"status\":\"succeeded\""), std::string::npos) << got;
  EXPECT_NE(body.find(house.reference().name() + ":main"), std::string::npos) << got;
  EXPECT_NE(
      lower(got).find("x-signature-256: sha256=" + render_hex(os::hmac_sha256("s3cret-key", body))),
      std::string::npos)
      << got;
  EXPECT_EQ(boost::json::serialize(house.store->actions(run.id).at(0).body).find("s3cret"),
            std::string::npos);
}

TEST_F(Policy, ANoticeToAPluginThatIsGoneSaysSo) {
  plugin("tell", R"(-- tell.lua: tells.
return {
  needs = { http = "*" },
  on_finished = function() return post { url = "http://chat.example/", text = "done" } end,
})")
      .allow = {{"http", {"chat.example"}}};
  house.start();
  const lighterman::Run run = house.push();
  house.config.plugins.clear();
  house.start();
  Errands errands([this] { return house.yard; }, *house.store, [](const ActionRecord&) {});
  ASSERT_TRUE(support::eventually(
      [&] { return house.store->actions(run.id).at(0).state == ActionState::failed; },
      std::chrono::seconds(20)));
  EXPECT_EQ(house.store->actions(run.id).at(0).why,
            "plugin \"tell\" is no longer in the configuration");
}

TEST_F(Policy, AHookThatFailsAfterThePublishLeavesItPublishedWithProblems) {
  plugin("after", R"(-- after.lua: fails late.
return { on_published = function(image) error("cannot tell " .. image.references[1]) end })");
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::succeeded);
  EXPECT_TRUE(run.why.starts_with("published with problems: image \"web\": after: ")) << run.why;
  EXPECT_NE(run.why.find(house.reference().name() + "@sha256:"), std::string::npos) << run.why;
  EXPECT_TRUE(house.tag("main"));
  EXPECT_NE(house.log(run.id).find("asked again"), std::string::npos);
}

TEST_F(Policy, APluginThatIsEditedCountsFromTheNextPushAndABrokenOneDoesNot) {
  plugin("gate", "-- gate.lua: no.\nreturn { on_staged = function() return deny 'no' end }");
  house.start();
  EXPECT_EQ(house.push().state, RunState::denied);
  plugin("gate", "-- gate.lua: yes.\nreturn { on_staged = function() end }");
  const auto news = house.yard->rulebook().refresh();
  ASSERT_TRUE(news);
  EXPECT_TRUE(news->good) << news->text;
  EXPECT_EQ(house.push().state, RunState::succeeded);

  plugin("gate", "-- gate.lua: broken.\nreturn { on_stagd = function() end }");
  const auto bad = house.yard->rulebook().refresh();
  ASSERT_TRUE(bad);
  EXPECT_FALSE(bad->good);
  EXPECT_NE(bad->text.find("did you mean \"on_staged\""), std::string::npos) << bad->text;
  EXPECT_FALSE(house.yard->rulebook().refresh()) << "told once";
  EXPECT_EQ(house.push().state, RunState::succeeded);
}

TEST_F(Policy, APluginWhoseSpecFailsIsNotPutLive) {
  plugin("gate", "-- gate.lua: yes.\nreturn { on_staged = function() end }");
  house.start();
  plugin("gate", "-- gate.lua: no.\nreturn { on_staged = function() return deny 'no' end }");
  os::replace_file(folder.path() / "gate_spec.lua", R"(
describe("gate", function()
  it("lets everything pass", function()
    expect(plugin("gate").on_staged(image {}).deny).to_be_nil()
  end)
end))");
  const auto news = house.yard->rulebook().refresh();
  ASSERT_TRUE(news);
  EXPECT_FALSE(news->good);
  EXPECT_NE(news->text.find("its spec fails: lets everything pass"), std::string::npos)
      << news->text;
  EXPECT_EQ(house.push().state, RunState::succeeded);
}

TEST_F(Policy, AMissingPluginKeepsTheConfigurationFromLoading) {
  house.config.plugins["tag-semvr"].name = "tag-semvr";
  expect_refused("did you mean \"tag-semver\"", [&] { house.start(); });
}

TEST_F(Policy, APlanSaysWhatAPushWouldDoAndDoesNothing) {
  plugin("gate", R"(-- gate.lua: small images only.
return { on_staged = function(image) if image.size > 10 then return deny "too large" end end })");
  plugin("tags", R"(-- tags.lua: an edge tag.
return { on_push = function() return { tags = "edge" } end })");
  house.start();
  PushEvent event;
  event.source = "shop";
  event.ref = "refs/heads/main";
  event.received = system_now();
  boost::json::value plan = preview(*house.yard, *house.store, event, {});
  EXPECT_EQ(plan.at("images").at(0).at("judged_by"),
            "an image without layers: none was staged yet");
  EXPECT_FALSE(plan.at("images").at(0).as_object().contains("denied"));

  ASSERT_EQ(house.push().state, RunState::denied);
  plan = preview(*house.yard, *house.store, event, {});
  EXPECT_EQ(plan.at("images").at(0).at("judged_by"), "the image of run 1");
  EXPECT_EQ(plan.at("images").at(0).at("denied"), "gate: too large");
  EXPECT_EQ(plan.at("images").at(0).at("tags").at(0).at("tag"), "edge");
  EXPECT_EQ(house.store->list({}).size(), 1u);
  EXPECT_FALSE(house.tag("edge"));
}

TEST_F(Policy, APlanSaysWhatItCannotKnowAndWhatWouldBeAsked) {
  plugin("gate", R"(-- gate.lua: asks a program.
return { needs = { run = "verdict" }, on_staged = function(image)
  if run { program = "verdict", args = { image.name } }.code ~= 0 then return deny "no" end
end })")
      .allow = {{"run", {"verdict"}}};
  plugin("tell", R"(-- tell.lua: reads what is published.
return { needs = { http = "*" }, on_published = function(image)
  http { url = "https://mirror.example/" .. image.name }
end })")
      .allow = {{"http", {"mirror.example"}}};
  house.start();
  PushEvent event;
  event.source = "shop";
  event.ref = "refs/heads/main";
  event.received = system_now();
  const boost::json::value plan = preview(*house.yard, *house.store, event, {});
  const boost::json::object& image = plan.at("images").at(0).as_object();
  EXPECT_FALSE(image.contains("denied"));
  EXPECT_EQ(image.at("unknown"), (boost::json::array{"gate"}));
  std::vector<std::string> said;
  for (const auto& each : image.at("said").as_array()) {
    said.push_back(concat(each.at("plugin").as_string(), ": ", each.at("text").as_string()));
  }
  EXPECT_EQ(said, (std::vector<std::string>{"gate: would run verdict web",
                                            "gate: what it says then, a dry run cannot know",
                                            "tell: would GET https://mirror.example/web",
                                            "tell: what it says then, a dry run cannot know"}));
}

TEST_F(Policy, AnOlderVersionBehindAPrefixMovesNoTagBack) {
  config::PluginSeat& versions = house.config.plugins["versions"];
  versions.name = "versions";
  versions.use = "tag-semver";
  versions.settings = {{"strip", "shop-"}};
  house.start();
  house.git.tag("shop-v1.4.0");
  ASSERT_EQ(house.push("refs/tags/shop-v1.4.0").state, RunState::succeeded);
  const auto newest = house.tag("latest");
  // By history the mended 1.3 is newer.
  house.git.write("late.txt", "mended");
  house.git.commit("Mend 1.3");
  house.git.tag("shop-v1.3.9");
  const lighterman::Run late = house.push("refs/tags/shop-v1.3.9");
  ASSERT_EQ(late.state, RunState::succeeded) << late.why;
  EXPECT_EQ(house.tag("latest"), newest);
  EXPECT_EQ(house.tag("1"), newest);
  EXPECT_NE(house.tag("1.3"), newest);
  EXPECT_EQ(house.tag("1.3"), house.tag("1.3.9"));
  EXPECT_NE(house.log(late.id).find("it holds 1.4.0, which is newer than 1.3.9"), std::string::npos)
      << house.log(late.id);
  // A daemon that has lost its memory reads the version in the image's label.
  house.stop();
  std::filesystem::remove_all(house.config.data);
  house.start();
  ASSERT_EQ(house.push("refs/tags/shop-v1.3.9").state, RunState::succeeded);
  EXPECT_EQ(house.tag("latest"), newest);
}

TEST_F(Policy, AStopDoesNotWaitForAHookThatIsTold) {
  std::atomic<bool> answering = false;
  test::RawServer server([&](test::Connection& connection, int) {
    connection.read_head();
    if (!answering) return connection.await_end();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  const std::string host = concat("127.0.0.1:", server.port());
  plugin("ask", concat(R"(-- ask.lua: asks at the end.
return { needs = { http = "*" }, on_finished = function(run)
  log.info("answered " .. http { url = "http://)",
                       host, R"(/", timeout = "14m" }.status)
end })"))
      .allow = {{"http", {"private:" + host}}};
  house.start();
  const RunId run = house.begin();
  ASSERT_TRUE(
      support::eventually([&] { return server.connections() == 1; }, std::chrono::seconds(120)))
      << house.log(run);
  house.workers->stop(std::chrono::milliseconds(100));
  // As after a power cut: it goes on, and the hook is asked again.
  EXPECT_EQ(house.store->get(run).state, RunState::queued);
  answering = true;
  house.start();
  EXPECT_EQ(house.wait(run).state, RunState::succeeded);
  EXPECT_NE(house.log(run).find("ask: answered 200"), std::string::npos) << house.log(run);
}

TEST_F(Policy, ANoticeIsToldAtItsTimeWithoutLookingForIt) {
  std::atomic<int> told = 0;
  test::RawServer server([&](test::Connection& connection, int) {
    connection.read_head();
    ++told;
    connection.send("HTTP/1.1 204 Told\r\nConnection: close\r\n\r\n");
  });
  const std::string host = concat("127.0.0.1:", server.port());
  plugin("tell", concat(R"(-- tell.lua: tells.
return { needs = { http = "*" }, on_finished = function()
  return post { url = "http://)",
                        host, R"(/" }
end })"))
      .allow = {{"http", {"private:" + host}}};
  house.start();
  Guarded<std::vector<ActionRecord>> done;
  Errands errands(
      [this] { return house.yard; }, *house.store,
      [&](const ActionRecord& action) { done.with([&](auto& all) { all.push_back(action); }); });
  const auto count = [&] { return done.with([](const auto& all) { return all.size(); }); };
  house.push();
  ASSERT_TRUE(support::eventually([&] { return count() == 1; }, std::chrono::seconds(60)));
  ActionRecord again = done.with([](const auto& all) { return all.front(); });
  again.state = ActionState::waiting;
  again.due = system_now() + std::chrono::seconds(2);
  house.store->put_action(again);
  ASSERT_TRUE(support::eventually([&] { return count() == 2; }, std::chrono::seconds(60)));
  EXPECT_GE(system_now(), again.due);
  EXPECT_EQ(told, 2);
}

TEST_F(Policy, AReplayShowsWhatAnotherRuleWouldHaveDecided) {
  const std::string rule = R"(-- gate.lua: by size.
return {
  settings = { limit = { type = "number", default = 10, about = "bytes" } },
  on_staged = function(image) if image.size > settings.limit then return deny "too large" end end,
})";
  plugin("gate", rule);
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::denied);
  const HookRecord record = *house.store->find_hook(run.id, "web", "on_staged");
  EXPECT_FALSE(said_by("gate", policy::decision_from(record.decision)).deny.empty());

  policy::Seat seat = house.yard->rulebook().seats()->at(0);
  EXPECT_EQ(ask_again({seat}, record).deny.size(), 1u);
  seat.settings["limit"] = 1'000'000'000;
  EXPECT_TRUE(ask_again({seat}, hook_record_from(to_json(record))).deny.empty());
}

TEST_F(Policy, AReplayGivesCapabilitiesTheAnswersOfThatRun) {
  plugin("ask", R"(-- ask.lua: asks a program.
return {
  needs = { run = "echo" },
  on_push = function(push)
    return { labels = { said = run { program = "echo", args = { push.branch } }.output } }
  end,
})")
      .allow = {{"run", {"echo"}}};
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const HookRecord record = *house.store->find_hook(run.id, "web", "on_push");
  const policy::Decision again = ask_again(*house.yard->rulebook().seats(), record);
  EXPECT_EQ(to_json(again), record.decision);
  HookRecord other = record;
  other.answers = boost::json::array();
  EXPECT_EQ(ask_again(*house.yard->rulebook().seats(), other).problems.size(), 1u);
}

TEST_F(Policy, ARunThatBeginsAgainAfterItsVerdictKeepsIt) {
  plugin("gate", R"(-- gate.lua: yes.
return { on_staged = function() return { tags = "gated" } end })");
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded);
  EXPECT_TRUE(house.tag("gated"));
  EXPECT_EQ(house.store->find_stage(run.id, "web", "gate")->result.at("digest").as_string(),
            house.tag("gated")->text());
}

}  // namespace
}  // namespace lighterman::pipeline
