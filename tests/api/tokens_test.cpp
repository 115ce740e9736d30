// Tokens that are made, what each of them sees and touches, and what is written down about it.
#include "store/tokens.hpp"

#include <future>

#include "api/sessions.hpp"
#include "audit/trail.hpp"
#include "house.hpp"
#include "store/connection.hpp"
#include "store/ledger.hpp"

namespace lighterman::api {
namespace {

httplib::Headers bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

class TokensAt : public ::testing::Test {
 protected:
  static Options options() {
    Options options = House::quick();
    options.clock = [] { return system_now() + skew; };
    return options;
  }
  static config::Config config() {
    config::Config config;
    config.tokens.push_back({"root", std::string(os::sha256("r00t").hex()), "", Role::admin});
    return config;
  }
  void SetUp() override { skew = std::chrono::milliseconds(0); }

  std::string make(const json::object& wish) {
    const auto made = house.post("/api/v1/tokens", json::serialize(wish), bearer("r00t"));
    EXPECT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(made.get_header_value("Cache-Control"), "no-store");
    return made.status == 201 ? json::value_to<std::string>(parsed(made).at("token")) : "";
  }
  int get(const std::string& token, const std::string& path) const {
    return house.get(path, bearer(token)).status;
  }
  int post(const std::string& token, const std::string& path,
           const std::string& body = "{}") const {
    return house.post(path, body, bearer(token)).status;
  }
  RunId push_to(const std::string& source, const std::string& delivery) {
    PushEvent event;
    event.source = source;
    event.delivery = delivery;
    event.ref = "refs/heads/main";
    event.commit = some_commit;
    event.received = system_now();
    return house.store.add(event, store::Store::Supersede::no).run;
  }
  std::vector<std::int64_t> ids(const std::string& token, const std::string& path,
                                const char* list) const {
    std::vector<std::int64_t> found;
    const json::value page = parsed(house.get(path, bearer(token)));
    for (const json::value& each : page.at(list).as_array())
      found.push_back(each.at("id").to_number<std::int64_t>());
    return found;
  }

  static inline std::chrono::milliseconds skew{0};
  House house{options(), config()};
};
using Ids = std::vector<std::int64_t>;

TEST_F(TokensAt, AreMadeOnceSeenAndThenKnownByTheirHashAlone) {
  const std::string token = make({{"name", "ci"}, {"role", "trigger"}, {"expires", "1h"}});
  EXPECT_TRUE(token.starts_with("lm_"));
  EXPECT_EQ(token.size(), 46U);
  EXPECT_EQ(get(token, "/api/v1/runs"), 200);
  EXPECT_EQ(post(token, "/api/v1/runs", R"({"source":"hello","ref":"main"})"), 202);
  EXPECT_EQ(house.store.get(1).event.author, "ci");
  const auto listed = house.get("/api/v1/tokens", bearer("r00t"));
  EXPECT_EQ(listed.body.find(token), std::string::npos);
  EXPECT_EQ(listed.body.find(std::string(os::sha256(token).hex())), std::string::npos);
  const json::value tokens = parsed(listed).at("tokens");
  ASSERT_EQ(tokens.as_array().size(), 2U);
  EXPECT_EQ(tokens.at(0).at("creator").as_string(), "the configuration");
  EXPECT_EQ(tokens.at(1).at("name").as_string(), "ci");
  EXPECT_EQ(tokens.at(1).at("state").as_string(), "active");
  EXPECT_EQ(tokens.at(1).at("creator").as_string(), "token \"root\"");
  EXPECT_TRUE(tokens.at(1).at("used").is_string());
}

TEST_F(TokensAt, EndWhenTheyExpireAndWhenTheyAreRevoked) {
  const std::string brief = make({{"name", "brief"}, {"role", "viewer"}, {"expires", "1h"}});
  const std::string other = make({{"name", "other"}, {"role", "viewer"}});
  skew = std::chrono::hours(1);
  EXPECT_EQ(get(brief, "/api/v1/runs"), 401);
  EXPECT_EQ(get(other, "/api/v1/runs"), 200);
  EXPECT_EQ(post("r00t", "/api/v1/tokens/other/revoke"), 200);
  EXPECT_EQ(get(other, "/api/v1/runs"), 401);
  EXPECT_EQ(post("r00t", "/api/v1/tokens/other/revoke"), 404);
  EXPECT_EQ(post("r00t", "/api/v1/tokens/root/revoke"), 409) << "it is the configuration's";
  EXPECT_EQ(get("r00t", "/api/v1/runs"), 200);
}

TEST_F(TokensAt, AreAnAdminsToMake) {
  const std::string operate = make({{"name", "op"}, {"role", "operator"}});
  EXPECT_EQ(get(operate, "/api/v1/tokens"), 403);
  EXPECT_EQ(post(operate, "/api/v1/tokens", R"({"name":"x","role":"viewer"})"), 403);
  EXPECT_EQ(post(operate, "/api/v1/tokens/op/revoke"), 403);
  EXPECT_EQ(get(operate, "/api/v1/audit"), 403);
  const std::string narrow = make({{"name", "narrow"}, {"role", "admin"}, {"sources", {"hello"}}});
  EXPECT_EQ(post(narrow, "/api/v1/tokens", R"({"name":"x","role":"admin"})"), 403)
      << "it would see more than its maker";
  EXPECT_EQ(get(narrow, "/api/v1/audit"), 403);
}

TEST_F(TokensAt, RefuseWhatMakesNoSense) {
  const auto status = [&](const char* wish) { return post("r00t", "/api/v1/tokens", wish); };
  EXPECT_EQ(status(R"({"name":"a b","role":"viewer"})"), 400);
  EXPECT_EQ(status(R"({"name":"x","role":"god"})"), 400);
  EXPECT_EQ(status(R"({"name":"x"})"), 400);
  EXPECT_EQ(status(R"({"name":"x","role":"viewer","expires":"soon"})"), 400);
  EXPECT_EQ(status(R"({"name":"x","role":"viewer","expires":"2020-01-01T00:00:00Z"})"), 400);
  EXPECT_EQ(status(R"({"name":"x","role":"viewer","sources":["helo"]})"), 422);
  EXPECT_EQ(status(R"({"name":"root","role":"viewer"})"), 409);
  EXPECT_EQ(status(R"({"name":"x","role":"viewer"})"), 201);
  EXPECT_EQ(status(R"({"name":"x","role":"viewer"})"), 409);
}

TEST_F(TokensAt, OfASourceSeeItsRunsAndNoOthers) {
  const RunId mine = push_to("hello", "1"), alien = push_to("other", "2");
  const RunId late = push_to("hello", "3");
  const std::string token = make({{"name", "t"}, {"role", "operator"}, {"sources", {"hello"}}});
  EXPECT_EQ(ids(token, "/api/v1/runs", "runs"), (Ids{late, mine}));
  EXPECT_EQ(ids(token, "/api/v1/runs?source=other", "runs"), Ids());
  EXPECT_EQ(ids("r00t", "/api/v1/runs", "runs"), (Ids{late, alien, mine}));
  const std::string one = concat("/api/v1/runs/", alien);
  for (const char* rest : {"", "/log", "/log/outline", "/events", "/images/app/findings"}) {
    const auto seen = house.get(one + rest, bearer(token));
    EXPECT_EQ(seen.status, 404) << rest;
    EXPECT_EQ(detail_of(seen), concat("run ", alien, " does not exist")) << rest;
  }
  for (const char* rest : {"/cancel", "/retry"}) EXPECT_EQ(post(token, one + rest), 404) << rest;
  EXPECT_EQ(post(token, one + "/allow", R"({"reason":"x"})"), 404);
  EXPECT_EQ(house.store.get(alien).state, RunState::queued);
  EXPECT_EQ(get(token, concat("/api/v1/runs/", mine)), 200);
  EXPECT_EQ(post(token, concat("/api/v1/runs/", mine, "/cancel")), 202);
}

TEST_F(TokensAt, OfASourceGetPagesThatHaveNoGaps) {
  Ids wanted;
  for (int turn = 0; turn < 6; ++turn) {
    wanted.insert(wanted.begin(), push_to("hello", concat("h", turn)));
    push_to("other", concat("o", turn));
  }
  const std::string token = make({{"name", "t"}, {"role", "viewer"}, {"sources", {"hello"}}});
  Ids found;
  std::string cursor;
  do {
    const json::value page = parsed(house.get(
        concat("/api/v1/runs?limit=4", cursor.empty() ? "" : "&cursor=", cursor), bearer(token)));
    for (const json::value& each : page.at("runs").as_array())
      found.push_back(each.at("id").to_number<std::int64_t>());
    cursor = page.at("next").is_null() ? "" : json::value_to<std::string>(page.at("next"));
  } while (!cursor.empty());
  EXPECT_EQ(found, wanted);
}

TEST_F(TokensAt, OfASourceLearnNothingOfOtherSources) {
  const std::string token = make({{"name", "t"}, {"role", "admin"}, {"sources", {"hello"}}});
  const auto sources = house.get("/api/v1/sources", bearer(token));
  EXPECT_NE(sources.body.find("hello"), std::string::npos);
  EXPECT_EQ(sources.body.find("other"), std::string::npos);
  // What exists and what does not exist look the same.
  const auto refused = [&](const char* path, const char* name) {
    const auto reply =
        house.post(path, concat(R"({"source":")", name, R"(","ref":"main"})"), bearer(token));
    EXPECT_EQ(reply.status, 422) << path;
    return reply.body;
  };
  for (const char* path : {"/api/v1/runs", "/api/v1/plan"}) {
    std::string known = refused(path, "other"), unknown = refused(path, "oxxer");
    known.replace(known.find("other"), 5, "oxxer");
    EXPECT_EQ(known, unknown);
  }
  push_to("other", "1");
  house.store.claim({});
  house.store.finish(1, RunState::failed, "x");
  EXPECT_NE(house.get("/badge/other.svg", bearer(token)).body.find("no runs"), std::string::npos);
  for (const char* path : {"/api/v1/keys", "/metrics", "/api/v1/tokens", "/api/v1/audit"})
    EXPECT_EQ(get(token, path), 403) << path;
  for (const char* path : {"/api/v1/rescan", "/api/v1/replications", "/api/v1/retention"})
    EXPECT_EQ(post(token, path), 403) << path;
  EXPECT_EQ(get(token, "/api/v1/status"), 200);
}

TEST_F(TokensAt, OfASourceSeeWhatTravelsOfItsRuns) {
  const RunId mine = push_to("hello", "1"), alien = push_to("other", "2");
  Replication replication = House::replication();
  replication.run = alien;
  const auto hidden = house.store.add_replication(replication);
  replication.run = mine;
  replication.tags = {"mine"};
  replication.target = Reference::parse("far.example/mine");
  const auto seen = house.store.add_replication(replication);
  const std::string token = make({{"name", "t"}, {"role", "operator"}, {"sources", {"hello"}}});
  EXPECT_EQ(ids(token, "/api/v1/replications", "replications"), Ids{seen});
  EXPECT_EQ(ids("r00t", "/api/v1/replications", "replications"), (Ids{seen, hidden}));
  EXPECT_EQ(get(token, concat("/api/v1/replications/", hidden)), 404);
  EXPECT_EQ(post(token, concat("/api/v1/replications/", hidden, "/cancel")), 404);
  EXPECT_EQ(post(token, concat("/api/v1/replications/", seen, "/cancel")), 202);
}

TEST_F(TokensAt, OfASourceFollowItsRunsAndHearOfNoOthers) {
  push_to("other", "1");
  push_to("hello", "2");
  const std::string token = make({{"name", "t"}, {"role", "viewer"}, {"sources", {"hello"}}});
  Line line(house.port());
  line.send(concat("GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ", token,
                   "\r\n\r\n"));
  line.read_until("\"id\":2");
  push_to("other", "3");
  push_to("hello", "4");
  const std::string& told = line.read_until("\"id\":4");
  EXPECT_NE(told.find("\"id\":4"), std::string::npos);
  EXPECT_EQ(told.find("\"other\""), std::string::npos) << told;
}

TEST_F(TokensAt, ThatAreRevokedHearNoMore) {
  push_to("hello", "1");
  const std::string token = make({{"name", "t"}, {"role", "viewer"}});
  Line line(house.port());
  line.send(concat("GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ", token,
                   "\r\n\r\n"));
  line.read_until("\"id\":1");
  EXPECT_EQ(post("r00t", "/api/v1/tokens/t/revoke"), 200);
  line.read_to_end();
  EXPECT_TRUE(line.ended());
}

TEST_F(TokensAt, LogInToThePageAndOutWithTheirEnd) {
  const std::string token = make({{"name", "t"}, {"role", "viewer"}, {"sources", {"hello"}}});
  const auto login = house.post("/api/v1/session", json::serialize(json::object{{"token", token}}));
  ASSERT_EQ(login.status, 200);
  EXPECT_EQ(parsed(login).at("sources"), json::array{"hello"});
  const std::string cookie = login.get_header_value("Set-Cookie");
  const httplib::Headers with{{"Cookie", cookie.substr(0, cookie.find(';'))}};
  EXPECT_EQ(house.get("/api/v1/session", with).status, 200);
  EXPECT_EQ(post("r00t", "/api/v1/tokens/t/revoke"), 200);
  EXPECT_EQ(house.get("/api/v1/session", with).status, 401);
}

TEST_F(TokensAt, ThatAreGuessedTooOftenWait) {
  const std::string made = make({{"name", "ci"}, {"role", "trigger"}});
  for (std::size_t turn = 0; turn < Attempts::most; ++turn)
    EXPECT_EQ(get(concat("guess", turn), "/api/v1/runs"), 401);
  const auto late = house.get("/api/v1/runs", bearer("guess"));
  EXPECT_EQ(late.status, 429);
  EXPECT_GT(std::stoi(late.get_header_value("Retry-After")), 0);
  EXPECT_EQ(get("r00t", "/api/v1/runs"), 429) << "or guessing would go on";
  EXPECT_EQ(get(made, "/api/v1/runs"), 200) << "nobody guesses that one";
  // A client of a proxy that we trust is another one.
  httplib::Headers elsewhere = bearer("r00t");
  elsewhere.emplace("X-Forwarded-For", "192.0.2.1");
  EXPECT_EQ(house.get("/api/v1/runs", elsewhere).status, 200);
  skew = std::chrono::minutes(1);
  EXPECT_EQ(get("r00t", "/api/v1/runs"), 200);
}

TEST(FirstToken, IsAnAdminsAndEndsTheTimeWithoutTokens) {
  House house;
  EXPECT_EQ(house.get("/api/v1/runs").status, 200);
  for (const char* wish :
       {R"({"name":"ci","role":"trigger"})", R"({"name":"ci","role":"admin","expires":"1h"})",
        R"({"name":"ci","role":"admin","sources":["hello"]})"})
    EXPECT_EQ(house.post("/api/v1/tokens", wish).status, 409) << wish;
  const auto made = house.post("/api/v1/tokens", R"({"name":"root","role":"admin"})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(house.get("/api/v1/runs").status, 401);
  const std::string token = json::value_to<std::string>(parsed(made).at("token"));
  EXPECT_EQ(house.post("/api/v1/tokens", R"({"name":"ci","role":"trigger"})", bearer(token)).status,
            201);
}

TEST(ConfiguredToken, CanBeForSomeSources) {
  config::Config config;
  config.tokens.push_back({"t", std::string(os::sha256("t").hex()), "", Role::viewer, {"other"}});
  House house(House::quick(), config);
  house.push("1");
  EXPECT_EQ(house.get("/api/v1/runs/1", bearer("t")).status, 404);
  EXPECT_EQ(house.get("/api/v1/runs", bearer("t")).status, 200);
}

TEST_F(TokensAt, OfNoSourceAtAllAreNotMadeForAll) {
  const auto none =
      house.post("/api/v1/tokens", R"({"name":"t","role":"viewer","sources":[]})", bearer("r00t"));
  EXPECT_EQ(none.status, 422);
  EXPECT_NE(detail_of(none).find("leave `sources` out"), std::string::npos);
}

TEST_F(TokensAt, OfASourceThatIsNamedTwiceSeeItsRunsOnce) {
  const std::string token =
      make({{"name", "t"}, {"role", "viewer"}, {"sources", {"hello", "hello"}}});
  push_to("hello", "1");
  EXPECT_EQ(ids(token, "/api/v1/runs", "runs"), Ids({1}));
}

TEST_F(TokensAt, WorkWhileTheirUseCannotBeWrittenDown) {
  const std::string token = make({{"name", "t"}, {"role", "viewer"}});
  store::Connection(house.folder() / "store.db", store::Connection::Access::write)
      .execute("CREATE TRIGGER full BEFORE UPDATE ON tokens BEGIN SELECT RAISE(FAIL, 'full'); END");
  EXPECT_EQ(get(token, "/api/v1/runs"), 200);
}

TEST_F(TokensAt, OfASourceSeeTheRegistriesOfNoOthers) {
  config::Config next = config();
  for (const char* name : {"hello", "other"})
    next.sources[name].images["app"].targets = {Reference::parse(concat(name, ".example/app"))};
  house.reload(next);
  const std::string token = make({{"name", "t"}, {"role", "viewer"}, {"sources", {"hello"}}});
  const std::string seen = house.get("/api/v1/registries", bearer(token)).body;
  EXPECT_NE(seen.find("hello.example"), std::string::npos) << seen;
  EXPECT_EQ(seen.find("other.example"), std::string::npos) << seen;
  const auto alien = house.get("/api/v1/registries?host=other.example", bearer(token));
  EXPECT_EQ(alien.status, 404);
  EXPECT_NE(house.get("/api/v1/registries", bearer("r00t")).body.find("other.example"),
            std::string::npos);
}

class Audited : public TokensAt {
 protected:
  json::array entries(const std::string& query = "") {
    const auto reply = house.get("/api/v1/audit?limit=200" + query, bearer("r00t"));
    EXPECT_EQ(reply.status, 200) << reply.body;
    return parsed(reply).at("entries").as_array();
  }
  /// "who: deed subject (why)", newest first.
  std::vector<std::string> told(const std::string& query = "") {
    std::vector<std::string> lines;
    for (const json::value& value : entries(query)) {
      const AuditEntry entry = audit_entry_from(value);
      lines.push_back(concat(entry.who, ": ", entry.deed, ' ', entry.subject,
                             entry.why.empty() ? "" : concat(" (", entry.why, ')')));
    }
    return lines;
  }
};

TEST_F(Audited, DeedsAreWrittenDownWithWhoAndWhyAndFromWhere) {
  const std::string token = make({{"name", "op"}, {"role", "operator"}, {"reason", "on call"}});
  post(token, "/api/v1/runs", R"({"source":"hello","ref":"main","reason":"try it"})");
  post(token, "/api/v1/runs/1/cancel", R"({"reason":"too early"})");
  post(token, "/api/v1/runs/1/cancel");  // it has ended: nothing is done
  post(token, "/api/v1/runs/1/retry", R"({"reason":"now"})");
  house.store.claim({});
  house.store.finish(2, RunState::denied, "too large");
  post(token, "/api/v1/runs/2/allow", R"({"reason":"the customer waits"})");
  post(token, "/api/v1/replications",
       R"({"source":"near.example/shop:1","target":"far.example/shop","tags":["2"]})");
  post(token, "/api/v1/replications", R"({"rule":"far","dry_run":true})");  // looks only
  post(token, "/api/v1/replications", R"({"rule":"far"})");
  post(token, "/api/v1/retention", R"({"rule":"old","apply":true})");
  post(token, "/api/v1/retention", R"({"rule":"old"})");  // looks only
  post("r00t", "/api/v1/tokens/op/revoke", R"({"reason":"left us"})");
  EXPECT_EQ(told(), (std::vector<std::string>{
                        "token \"root\": token revoke token op (left us)",
                        "token \"op\": retain rule old",
                        "token \"op\": replicate rule far",
                        "token \"op\": promote near.example/shop:1 (to far.example/shop as 2)",
                        "token \"op\": allow run 2 (the customer waits)",
                        "token \"op\": retry run 1 as run 2 (now)",
                        "token \"op\": cancel run 1 (too early)",
                        "token \"op\": run run 1 of hello (try it)",
                        "token \"root\": token new token op: operator (on call)",
                    }));
  const AuditEntry entry = audit_entry_from(entries().at(0));
  EXPECT_EQ(entry.address, "127.0.0.1");
  EXPECT_EQ(entry.hash, audit::seal(entry)) << "what the API tells can be checked by itself";
  EXPECT_EQ(told("&deed=cancel").size(), 1U);
}

TEST_F(Audited, LoginsAreNamedAndFailedOnesSummedUp) {
  house.post("/api/v1/session", R"({"token":"r00t"})");
  for (int turn = 0; turn < 5; ++turn) get("guess", "/api/v1/runs");
  httplib::Headers elsewhere = bearer("guess");
  elsewhere.emplace("X-Forwarded-For", "198.51.100.9, 192.0.2.1");
  house.get("/api/v1/runs", elsewhere);
  house.server().tend();
  EXPECT_EQ(store::Ledger(house.store).list({}).size(), 1U) << "the minute is not over";
  skew = std::chrono::minutes(2);
  house.server().tend();
  const auto lines = store::Ledger(house.store).list({});
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].deed, "login failed");
  EXPECT_TRUE(lines[0].subject.starts_with("6 times since ")) << lines[0].subject;
  EXPECT_EQ(lines[0].address, "127.0.0.1 (5), 192.0.2.1 (1)");
  EXPECT_EQ(lines[1].deed, "login");
  EXPECT_EQ(lines[1].who, "token \"root\"");
  for (const AuditEntry& entry : lines)
    EXPECT_EQ(canonical(entry).find("guess"), std::string::npos) << "a guess may be a near miss";
}

TEST_F(Audited, FailedLoginsWaitForAStoreThatIsFull) {
  get("guess", "/api/v1/runs");
  store::Connection database(house.folder() / "store.db", store::Connection::Access::write);
  database.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'x'); END");
  skew = std::chrono::minutes(2);
  EXPECT_THROW(house.server().tend(), std::exception);
  database.execute("DROP TRIGGER full");
  house.server().tend();
  const auto lines = store::Ledger(house.store).list({});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].subject.starts_with("1 time since ")) << lines[0].subject;
  EXPECT_EQ(lines[0].address, "127.0.0.1 (1)");
}

TEST_F(Audited, NothingIsDeletedOfWhichNoWordCanBeWritten) {
  store::Connection database(house.folder() / "store.db", store::Connection::Access::write);
  database.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'x'); END");
  post("r00t", "/api/v1/replications", R"({"rule":"far"})");
  EXPECT_TRUE(house.wishes.empty());
}

TEST_F(Audited, PushesAreTheirWebhooks) {
  const std::string body = concat(R"({"ref":"refs/heads/main","before":")", other_commit,
                                  R"(","after":")", some_commit, "\"}");
  const httplib::Headers signature{
      {"X-Hub-Signature-256", concat("sha256=", render_hex(os::hmac_sha256("s3cret", body)))}};
  EXPECT_EQ(house.post("/hooks/hello", body, signature).status, 202);
  EXPECT_EQ(house.post("/hooks/hello", body, signature).status, 202) << "it is told twice";
  EXPECT_EQ(house.post("/hooks/hello", body).status, 401);
  const auto lines = told();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0],
            concat("webhook \"hello\": run run 1 of hello (refs/heads/main is ", some_commit, ')'));
}

TEST_F(Audited, PagesGoOnWhereTheLastOneEnded) {
  for (int turn = 0; turn < 5; ++turn) make({{"name", concat("t", turn)}, {"role", "viewer"}});
  const json::value first = parsed(house.get("/api/v1/audit?limit=2", bearer("r00t")));
  EXPECT_EQ(first.at("last_given").to_number<int>(), 5);
  const std::string next = json::value_to<std::string>(first.at("next"));
  const json::value second =
      parsed(house.get(concat("/api/v1/audit?limit=2&cursor=", next), bearer("r00t")));
  EXPECT_EQ(second.at("entries").at(0).at("number").to_number<int>(), 3);
  const json::value after = parsed(house.get("/api/v1/audit?after=3", bearer("r00t")));
  EXPECT_EQ(after.at("entries").at(0).at("number").to_number<int>(), 4);
  EXPECT_EQ(get("r00t", "/api/v1/audit?after=3&who=x"), 400);
  EXPECT_EQ(get("r00t", "/api/v1/audit?since=yesterday"), 400);
}

TEST_F(Audited, TheTrailIsVerifiedAndWhatIsBrokenIsNamed) {
  for (const char* name : {"a", "b", "c"}) make({{"name", name}, {"role", "viewer"}});
  const auto verify = [&] {
    return parsed(house.get("/api/v1/audit/verification", bearer("r00t")));
  };
  const json::value whole = verify();
  EXPECT_EQ(whole.at("entries").to_number<int>(), 3);
  EXPECT_EQ(whole.at("fault_count").to_number<int>(), 0);
  EXPECT_EQ(whole.at("head"),
            json::value(concat("3:", store::Ledger(house.store).list({}).front().hash)));
  store::Connection database(house.folder() / "store.db", store::Connection::Access::write);
  database.execute("DROP TRIGGER audit_stays");
  database.execute("UPDATE audit SET who = 'nobody' WHERE number = 2");
  const json::value broken = verify();
  EXPECT_GT(broken.at("fault_count").to_number<int>(), 0);
  EXPECT_NE(broken.at("faults").at(0).as_string().find("entry 2"), json::string::npos)
      << json::serialize(broken);
  const std::string token = make({{"name", "v"}, {"role", "operator"}});
  EXPECT_EQ(get(token, "/api/v1/audit/verification"), 403);
}

TEST_F(Audited, TheTrailIsVerifiedForOneAtATime) {
  make({{"name", "a"}, {"role", "viewer"}});
  store::Connection(house.folder() / "store.db", store::Connection::Access::write)
      .execute(
          "INSERT INTO audit (moment, who, deed, subject, why, address, previous, hash)"
          " WITH RECURSIVE more (turn) AS (SELECT 1 UNION ALL SELECT turn + 1 FROM more"
          " WHERE turn < 60000)"
          " SELECT moment, who, deed, subject, why, address, previous, hash FROM audit, more");
  const auto verify = [&] { return house.get("/api/v1/audit/verification", bearer("r00t")); };
  std::future<httplib::Response> other = std::async(std::launch::async, verify);
  const httplib::Response mine = verify(), theirs = other.get();
  EXPECT_EQ(mine.status + theirs.status, 200 + 409);
  EXPECT_NE(detail_of(mine.status == 409 ? mine : theirs).find("wait"), std::string::npos);
  EXPECT_EQ(verify().status, 200) << "and then the next";
}

class Proxied : public ::testing::Test {
 protected:
  static config::Config config(std::vector<std::string> trusted) {
    config::Config config;
    config.trusted_proxies = std::move(trusted);
    config.tokens.push_back({"root", std::string(os::sha256("r00t").hex()), "", Role::admin});
    config.identity.emplace();
    config.identity->groups = {{"dev", Role::trigger}, {"ops", Role::admin}};
    return config;
  }
  static int post(const House& house, const httplib::Headers& headers) {
    return house.post("/api/v1/runs", R"({"source":"hello","ref":"main"})", headers).status;
  }
  /// Who the run's audit entry says it was, and from where.
  static std::string last(House& house) {
    const auto entries = store::Ledger(house.store).list({.limit = 1});
    return entries.empty() ? "" : concat(entries[0].who, " from ", entries[0].address);
  }
};

TEST_F(Proxied, UsersComeWithTheBestRoleOfTheirGroups) {
  House house(House::quick(), config({"127.0.0.1"}));
  httplib::Headers ann{{"X-Forwarded-User", "ann@example.com"},
                       {"X-Forwarded-Groups", "staff, dev"},
                       {"X-Forwarded-For", "192.0.2.9"},
                       {"X-Lighterman", "1"}};
  EXPECT_EQ(post(house, ann), 202);
  EXPECT_EQ(house.store.get(1).event.author, "ann@example.com");
  EXPECT_EQ(last(house), "user \"ann@example.com\" from 192.0.2.9");
  EXPECT_EQ(house.get("/api/v1/tokens", ann).status, 403);
  ann.erase("X-Forwarded-Groups");
  EXPECT_EQ(house.get("/api/v1/runs", ann).status, 403) << "no group, no role";
  ann.emplace("X-Forwarded-Groups", "dev,ops");
  EXPECT_EQ(house.get("/api/v1/tokens", ann).status, 200);
  EXPECT_EQ(house.get("/api/v1/runs").status, 401) << "who is not vouched for needs a token";
}

TEST_F(Proxied, UsersChangeThingsOnlyFromThePage) {
  House house(House::quick(), config({"127.0.0.1"}));
  EXPECT_EQ(post(house, {{"X-Forwarded-User", "ann"}, {"X-Forwarded-Groups", "dev"}}), 403);
}

TEST_F(Proxied, UsersWithALoginOfTheProxysOwnKindComeIn) {
  House house(House::quick(), config({"127.0.0.1"}));
  const httplib::Headers ann{{"X-Forwarded-User", "ann"},
                             {"X-Forwarded-Groups", "dev"},
                             {"Authorization", "Basic YW5uOmg="}};
  EXPECT_EQ(house.get("/api/v1/runs", ann).status, 200);
}

TEST_F(Proxied, NamesThatComeTwiceAreNobodys) {
  House house(House::quick(), config({"127.0.0.1"}));
  for (const char* header : {"X-Forwarded-User", "x-forwarded-groups"}) {
    httplib::Headers ann{{"X-Forwarded-User", "ann"}, {"X-Forwarded-Groups", "dev"}};
    ann.emplace(header, "ops");
    const auto reply = house.get("/api/v1/runs", ann);
    EXPECT_EQ(reply.status, 400) << header;
    EXPECT_NE(detail_of(reply).find("twice"), std::string::npos);
  }
}

TEST_F(Proxied, NobodyElseVouchesForAnybody) {
  House house(House::quick(), config({"10.0.0.0/8"}));
  EXPECT_EQ(post(house, {{"X-Forwarded-User", "ann"},
                         {"X-Forwarded-Groups", "ops"},
                         {"X-Forwarded-For", "10.0.0.1"},
                         {"X-Lighterman", "1"}}),
            401);
  httplib::Headers root = bearer("r00t");
  root.emplace("X-Forwarded-For", "192.0.2.9");
  EXPECT_EQ(post(house, root), 202);
  EXPECT_EQ(last(house), "token \"root\" from 127.0.0.1");
}

TEST_F(Proxied, TheFirstHopThatIsNotTrustedIsTheClient) {
  House house(House::quick(), config({"127.0.0.1", "10.0.0.0/8"}));
  const auto from = [&](const std::string& hops) {
    httplib::Headers root = bearer("r00t");
    root.emplace("X-Forwarded-For", hops);
    EXPECT_EQ(post(house, root), 202);
    return last(house);
  };
  EXPECT_EQ(from("198.51.100.1, 192.0.2.9, 10.0.0.7"), "token \"root\" from 192.0.2.9");
  EXPECT_EQ(from("10.0.0.7"), "token \"root\" from 10.0.0.7");
  EXPECT_EQ(from("nonsense, 10.0.0.7"), "token \"root\" from 10.0.0.7");
  EXPECT_EQ(from("2001:db8::1"), "token \"root\" from 2001:db8::1");
}

}  // namespace
}  // namespace lighterman::api
