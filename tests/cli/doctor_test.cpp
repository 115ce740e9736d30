// `lighterman doctor` over a real engine, a real registry and a real repository, and over none.
#include <gtest/gtest.h>

#include <set>

#include "cli/daemon.hpp"
#include "core/text.hpp"
#include "net/http.hpp"
#include "support/forge.hpp"

namespace lighterman::cli {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Doctor, FindsAllWellWhereAPushWouldBePublished) {
  Harbour harbour;
  std::filesystem::create_directory(harbour.file("data"));
  const Said said = harbour.say({"doctor", "--config", "lighterman.yml"});
  EXPECT_EQ(said.code, 0) << said.out << said.err;
  EXPECT_TRUE(has(said.out, "ok: engine real: version ")) << said.out;
  EXPECT_TRUE(has(said.out, "ok: disk of engine real: images take ")) << said.out;
  EXPECT_TRUE(has(said.out, "ok: source shop: 1 branch or tag")) << said.out;
  EXPECT_TRUE(has(said.out, concat("ok: registry ", the_registry().host(), ": answers at http://")))
      << said.out;
  EXPECT_TRUE(has(said.out, concat("ok: push to ", harbour.image(), ": an upload could be begun")))
      << said.out;
  EXPECT_TRUE(has(said.out, concat("ok: what ", the_registry().host(),
                                   " can: lists no referrers, has a catalog")))
      << said.out;
  EXPECT_TRUE(has(said.out, "free, ")) << said.out;
  EXPECT_TRUE(has(said.out, "pushes can be built and published")) << said.out;
}

TEST(Doctor, IsAskedOfTheDaemonTooWhichGoesOnWorking) {
  Harbour harbour;
  harbour.start();
  net::Client client;
  const auto ask = [&](const std::string& method) {
    net::Request request;
    request.method = method;
    request.url = concat(harbour.environment.at("LIGHTERMAN_SERVER"), "/api/v1/checkup");
    return client.perform(request);
  };
  EXPECT_EQ(ask("POST").status, 202);
  boost::json::value report;
  EXPECT_TRUE(support::eventually(
      [&] {
        report = boost::json::parse(ask("GET").body);
        return report.at("state") == "done";
      },
      std::chrono::seconds(60)));
  EXPECT_EQ(report.at("well"), true) << report;
  std::set<std::string> seen;
  for (const auto& look : report.at("looks").as_array())
    seen.insert(boost::json::value_to<std::string>(look.at("what")));
  for (const std::string& what : {std::string("engine real"), std::string("source shop"),
                                  concat("push to ", harbour.image())})
    EXPECT_TRUE(seen.contains(what)) << what << ": " << report;
}

TEST(Doctor, TriesTheTokenForCommitStatusesWithoutSettingAny) {
  support::FakeForge forge;
  Harbour harbour;
  os::replace_file(harbour.file("forge.token"), "t0ken-of-the-forge\n", 0600);
  harbour.write_config(concat(
      "    forge: gitlab\n    status: {api: \"", forge.url("/api/v4"),
      "\", repository: acme/shop, token: \"file:", harbour.file("forge.token").string(), "\"}\n"));
  const std::vector<std::string> words{"doctor", "--config", "lighterman.yml"};
  EXPECT_TRUE(has(harbour.say(words).out, "ok: commit statuses of shop: "));
  EXPECT_EQ(forge.calls().at(0).line(), "GET /api/v4/projects/acme%2Fshop HTTP/1.1");
  forge.next("401 Unauthorized");
  const Said refused = harbour.say(words);
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(has(refused.out, "it does not know the token")) << refused.out;
  EXPECT_FALSE(has(refused.out, "t0ken")) << refused.out;
}

TEST(Doctor, NamesEachThingThatIsBrokenAndHowToMendIt) {
  Harbour harbour;
  const std::string gone = concat("127.0.0.1:", support::free_port());
  os::replace_file(
      harbour.file("ill.yml"),
      concat("data: ", harbour.file("data").string(), "\nengines: [{name: far, host: \"tcp://",
             gone, "\"}]\n", "keys: {folder: ", harbour.file("no-keys").string(), "}\n",
             "scan: {program: /bin/true, skip_update: true}\n",
             "sources:\n  shop:\n    url: ", harbour.file("nothing").string(),
             "\n    secret: file:", harbour.file("hook.secret").string(), "\n    image: ", gone,
             "/shop\n"));
  const Said said = harbour.say({"doctor", "--config", "ill.yml", "--json"});
  EXPECT_EQ(said.code, 1) << said.err;
  const boost::json::value told = boost::json::parse(said.out);
  EXPECT_FALSE(told.at("well").as_bool());
  std::map<std::string, std::string> broken;
  for (const auto& look : told.at("looks").as_array()) {
    if (look.at("health") != "broken") continue;
    EXPECT_FALSE(look.at("seen").as_string().empty());
    broken[boost::json::value_to<std::string>(look.at("what"))] =
        boost::json::value_to<std::string>(look.at("advice"));
  }
  EXPECT_EQ(broken["engine far"], "start it, or set its `host`");
  EXPECT_EQ(broken["source shop"], "look at its `url` and credentials");
  EXPECT_TRUE(has(broken[concat("registry ", gone)], "look at its address")) << said.out;
  EXPECT_TRUE(has(broken["scanner"], "bring one")) << said.out;
  EXPECT_FALSE(broken.contains(concat("push to ", gone, "/shop"))) << "the registry says enough";
}

}  // namespace
}  // namespace lighterman::cli
