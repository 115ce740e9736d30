#include "core/error.hpp"
#include "house.hpp"

namespace lighterman::api {
namespace {

config::Config with_token(const std::string& name, const std::string& value) {
  config::Config config;
  config.tokens.push_back({name, std::string(os::sha256(value).hex()), "", Role::trigger});
  return config;
}

httplib::Headers bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

TEST(Access, NeedsAToken) {
  House house(House::quick(), with_token("ci", "t0ken"));
  const auto without = house.get("/api/v1/runs");
  EXPECT_EQ(without.status, 401);
  EXPECT_EQ(without.get_header_value("WWW-Authenticate"), "Bearer realm=\"lighterman\"");
  const auto wrong = house.get("/api/v1/runs", bearer("t0keN"));
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(detail_of(wrong).find("t0keN"), std::string::npos);
  EXPECT_EQ(house.get("/api/v1/runs", {{"Authorization", "Basic dDBrZW4="}}).status, 401);
  EXPECT_EQ(house.get("/api/v1/runs", bearer("")).status, 401);
  EXPECT_EQ(house.get("/api/v1/runs", bearer("t0ken")).status, 200);
  EXPECT_EQ(house.get("/api/v1/runs", {{"Authorization", "bearer t0ken"}}).status, 200);
}

TEST(Access, GuardsEveryOperationThatIsNotOpen) {
  House house(House::quick(), with_token("ci", "t0ken"));
  for (const char* path : {"/api/v1/runs", "/api/v1/runs/1", "/api/v1/runs/1/log",
                           "/api/v1/runs/1/events", "/api/v1/sources"})
    EXPECT_EQ(house.get(path).status, 401) << path;
  for (const char* path : {"/api/v1/runs", "/api/v1/runs/1/cancel", "/api/v1/runs/1/retry"})
    EXPECT_EQ(house.post(path, "{}").status, 401) << path;
  for (const char* path : {"/healthz", "/readyz", "/version", "/openapi.json", "/api/v1/healthz"})
    EXPECT_EQ(house.get(path).status, 200) << path;
}

TEST(Access, LetsEachRoleDoWhatItMayAndNoMore) {
  config::Config config;
  for (const Role role : {Role::viewer, Role::trigger, Role::operate}) {
    const std::string name(render(role));
    config.tokens.push_back({name, std::string(os::sha256(name).hex()), "", role});
  }
  House house(House::quick(), config);
  const auto start = [&](const std::string& who) {
    const std::string wish = concat(R"({"source":"hello","ref":")", who, "\"}");
    return house.post("/api/v1/runs", wish, bearer(who));
  };
  const auto refused = start("viewer");
  EXPECT_EQ(refused.status, 403);
  EXPECT_NE(detail_of(refused).find("has the role viewer, and this needs trigger"),
            std::string::npos);
  EXPECT_EQ(start("trigger").status, 202);
  EXPECT_EQ(start("operator").status, 202);
  for (const char* who : {"viewer", "trigger", "operator"})
    EXPECT_EQ(house.get("/api/v1/runs", bearer(who)).status, 200) << who;

  house.store.claim({});
  house.store.finish(1, RunState::denied, "too large");
  const std::string reason = R"({"reason":"the customer waits"})";
  EXPECT_EQ(house.post("/api/v1/runs/1/allow", reason, bearer("trigger")).status, 403);
  EXPECT_EQ(house.post("/api/v1/runs/1/allow", R"({"reason":" "})", bearer("operator")).status,
            422);
  ASSERT_EQ(house.store.get(1).state, RunState::denied);
  EXPECT_EQ(house.post("/api/v1/runs/1/allow", reason, bearer("operator")).status, 202);
  EXPECT_EQ(house.store.get(1).allowed->who, "operator");
  EXPECT_EQ(house.store.journal(1, 0, 10).at(0).text,
            "allowed by token \"operator\": the customer waits");
  const auto again = house.post("/api/v1/runs/1/allow", reason, bearer("operator"));
  EXPECT_EQ(again.status, 409);
  EXPECT_NE(detail_of(again).find("only a denied run can be allowed"), std::string::npos);
}

TEST(Access, RemembersWhoAsked) {
  House house(House::quick(), with_token("ci", "t0ken"));
  house.post("/api/v1/runs", R"({"source":"hello","ref":"main"})", bearer("t0ken"));
  EXPECT_EQ(house.store.get(1).event.author, "ci");
  house.post("/api/v1/runs/1/cancel", "", bearer("t0ken"));
  EXPECT_EQ(house.store.get(1).why, "cancelled by token \"ci\"");
}

TEST(Access, TakesTokensFromFilesAndNewOnesAfterAReload) {
  House house;
  config::Config config;
  os::replace_file(house.folder() / "token", "from-file\n");
  config.tokens.push_back(
      {"ops", "", concat("file:", (house.folder() / "token").string()), Role::trigger});
  house.reload(config);
  EXPECT_EQ(house.get("/api/v1/runs").status, 401);
  EXPECT_EQ(house.get("/api/v1/runs", bearer("from-file")).status, 200);
  house.reload(with_token("ci", "other"));
  EXPECT_EQ(house.get("/api/v1/runs", bearer("from-file")).status, 401);
  EXPECT_EQ(house.get("/api/v1/runs", bearer("other")).status, 200);
}

TEST(Access, StaysShutWhenATokensFileIsMissing) {
  config::Config config;
  config.tokens.push_back({"ops", "", "file:/nowhere/token"});
  House house(House::quick(), config);
  EXPECT_EQ(house.get("/api/v1/runs").status, 401);
  EXPECT_EQ(house.get("/api/v1/runs", bearer("")).status, 401);
}

TEST(Access, WithoutTokensIsForThisMachineOnly) {
  Options options = House::quick();
  options.listen = "0.0.0.0:0";
  House house(options);
  const auto reply = house.get("/api/v1/runs");
  EXPECT_EQ(reply.status, 403);
  EXPECT_NE(detail_of(reply).find("tokens"), std::string::npos);
  EXPECT_EQ(house.get("/healthz").status, 200);
}

TEST(Access, WithoutTokensIsNotForThoseBehindAProxy) {
  House house;
  for (const char* header : {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
                             "Forwarded", "Via", "X-Real-IP"}) {
    const auto reply = house.get("/api/v1/runs", {{header, "192.0.2.9"}});
    EXPECT_EQ(reply.status, 403) << header;
    EXPECT_NE(detail_of(reply).find("lighterman token new"), std::string::npos);
  }
  EXPECT_EQ(house.post("/hooks/hello", "{}", {{"X-Forwarded-For", "192.0.2.9"}}).status, 401)
      << "webhooks are signed, and come by proxies";
  EXPECT_EQ(house.get("/api/v1/runs").status, 200);
}

TEST(Access, WithoutTokensIsNotForAPlaceThatOthersReach) {
  config::Config config;
  config.public_url = "https://builds.example/";
  House house(House::quick(), config);
  EXPECT_EQ(house.get("/api/v1/runs").status, 403);
  EXPECT_EQ(house.get("/healthz").status, 200);
  config.public_url = "http://localhost:7070/";
  house.reload(config);
  EXPECT_EQ(house.get("/api/v1/runs").status, 200);
}

TEST(Access, WithoutTokensIsNotForOtherSitesPages) {
  House house;
  const auto status = [&](const httplib::Headers& headers) {
    return house.get("/api/v1/runs", headers).status;
  };
  EXPECT_EQ(status({{"Host", "attacker.example"}}), 403);
  EXPECT_EQ(status({{"Host", "127.0.0.1.attacker.example"}}), 403);
  EXPECT_EQ(status({{"Host", "localhost:7070"}}), 200);
  EXPECT_EQ(status({{"Host", "[::1]:7070"}}), 200);
  EXPECT_EQ(status({{"Origin", "https://attacker.example"}}), 403);
  EXPECT_EQ(status({{"Origin", "null"}}), 403);
  EXPECT_EQ(status({{"Origin", "http://localhost:7070"}}), 200);
  EXPECT_EQ(status({{"Sec-Fetch-Site", "cross-site"}}), 403);
  EXPECT_EQ(house.get("/api/v1/runs").get_header_value_count("Access-Control-Allow-Origin"), 0U);
}

TEST(Access, TellsReadinessWithItsReason) {
  House house;
  EXPECT_EQ(house.get("/readyz").status, 200);
  house.readiness = {false, "the engine cannot be reached"};
  const auto reply = house.get("/readyz");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(detail_of(reply), "not ready: the engine cannot be reached");
}

TEST(Access, ShowsSourcesWithoutPasswords) {
  config::Config config;
  config.sources["hello"].url = "https://user:hunter2@git.example/acme/hello.git";
  config.sources["other"].url = "https://gl0b-t0ken@git.example/acme/other.git";
  House house(House::quick(), config);
  const auto reply = house.get("/api/v1/sources");
  EXPECT_EQ(reply.body.find("hunter2"), std::string::npos);
  EXPECT_EQ(reply.body.find("gl0b-t0ken"), std::string::npos) << "forges take it for the user";
  const json::value source = parsed(reply).at("sources").at(0);
  EXPECT_EQ(source.at("url").as_string(), "https://git.example/acme/hello.git");
  EXPECT_EQ(source.at("images"), (json::array{"app", "tool"}));
}

}  // namespace
}  // namespace lighterman::api
