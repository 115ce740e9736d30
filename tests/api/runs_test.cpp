#include <set>
#include <thread>

#include "api/wish.hpp"
#include "core/error.hpp"
#include "house.hpp"

namespace lighterman::api {
namespace {

TEST(Runs, AreStartedByNameAndRef) {
  House house;
  const auto reply = house.post(
      "/api/v1/runs",
      R"({"source":"hello","ref":"main","images":["app"],"args":{"A":"1"},"reason":"try it"})");
  ASSERT_EQ(reply.status, 202) << reply.body;
  const json::value run = parsed(reply);
  EXPECT_EQ(reply.get_header_value("Location"), house.url() + "/api/v1/runs/1");
  EXPECT_EQ(run.at("url").as_string(), house.url() + "/api/v1/runs/1");
  EXPECT_EQ(run.at("state").as_string(), "queued");
  const lighterman::Run stored = house.store.get(1);
  EXPECT_EQ(stored.event.ref, "refs/heads/main");
  EXPECT_EQ(stored.event.origin, Origin::api);
  EXPECT_EQ(stored.event.images, std::vector<std::string>{"app"});
  EXPECT_EQ(stored.event.args.at("A"), "1");
  EXPECT_EQ(stored.event.reason, "try it");
}

TEST(Runs, TakeRefsAsPeopleWriteThem) {
  EXPECT_EQ(full_ref("main"), "refs/heads/main");
  EXPECT_EQ(full_ref("feature/x"), "refs/heads/feature/x");
  EXPECT_EQ(full_ref("tag:v1.0"), "refs/tags/v1.0");
  EXPECT_EQ(full_ref("refs/tags/v1.0"), "refs/tags/v1.0");
  for (const char* bad : {"", "a..b", "a b", "refs/pull/1/head", "-x\n", "a.lock", "a//b", ".a",
                          "a~1", "a@{1}", "tag:", "refs/heads/", "a.", "a:b"})
    EXPECT_THROW(full_ref(bad), Error) << bad;
}

TEST(Runs, TakeWholeCommitsOnly) {
  EXPECT_EQ(full_commit(std::string(40, 'A')), some_commit);
  EXPECT_EQ(full_commit(std::string(64, '0')).size(), 64U);
  for (const char* bad : {"", "abc", "HEAD", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"})
    EXPECT_THROW(full_commit(bad), Error) << bad;
}

TEST(Runs, ThatCannotBeSaySoAndWhatWasMeant) {
  House house;
  const auto refused = [&](const std::string& body, int status) {
    const auto reply = house.post("/api/v1/runs", body);
    EXPECT_EQ(reply.status, status) << body;
    return detail_of(reply);
  };
  EXPECT_NE(refused(R"({"source":"helo","ref":"main"})", 422).find("did you mean \"hello\"?"),
            std::string::npos);
  EXPECT_NE(refused(R"({"source":"hello","ref":"main","images":["ap"]})", 422)
                .find("did you mean \"app\"?"),
            std::string::npos);
  EXPECT_NE(refused(R"({"source":"hello","reff":"main"})", 400).find("did you mean \"ref\"?"),
            std::string::npos);
  EXPECT_NE(refused(R"({"ref":"main"})", 400).find("body.source"), std::string::npos);
  EXPECT_NE(refused(R"({"source":"hello"})", 400).find("commit is needed"), std::string::npos);
  EXPECT_NE(refused(R"({"source":"hello","ref":7})", 400).find("body.ref"), std::string::npos);
  EXPECT_NE(refused(R"({"source":"hello","ref":"main","args":{"A B":"1"}})", 400).find("A B"),
            std::string::npos);
  EXPECT_NE(refused(R"({"source":)", 400).find("not JSON"), std::string::npos);
  EXPECT_NE(refused("[]", 400).find("object"), std::string::npos);
  EXPECT_TRUE(house.store.list({}).empty());
}

TEST(Runs, StartedWithOneKeyAreOne) {
  House house;
  const httplib::Headers key{{"Idempotency-Key", "k1"}};
  const std::string body = R"({"source":"hello","ref":"main"})";
  const auto first = house.post("/api/v1/runs", body, key);
  const auto again = house.post("/api/v1/runs", body, key);
  EXPECT_EQ(first.status, 202);
  EXPECT_FALSE(first.has_header("Idempotency-Replayed"));
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.get_header_value("Idempotency-Replayed"), "true");
  EXPECT_EQ(parsed(first).at("id"), parsed(again).at("id"));

  const auto other = house.post("/api/v1/runs", R"({"source":"hello","ref":"dev"})", key);
  EXPECT_EQ(other.status, 422);
  EXPECT_NE(detail_of(other).find("Idempotency-Key"), std::string::npos);
  EXPECT_EQ(house.post("/api/v1/runs", R"({"source":"other","ref":"main"})", key).status, 422);
  EXPECT_EQ(house.post("/api/v1/runs", body, {{"Idempotency-Key", "k2"}}).status, 202);
  EXPECT_EQ(house.store.list({}).size(), 2U);
}

TEST(Runs, OfAnOlderCommitDoNotPushNewerOnesOutOfTheQueue) {
  House house;
  const RunId newer = house.push("newer");
  house.post("/api/v1/runs",
             concat(R"({"source":"hello","ref":"main","commit":")", other_commit, "\"}"));
  EXPECT_EQ(house.store.get(newer).state, RunState::queued);
  house.post("/api/v1/runs", R"({"source":"hello","ref":"main"})");
  EXPECT_EQ(house.store.get(newer).state, RunState::superseded);
}

TEST(Runs, AreListedPageByPage) {
  House house;
  for (int count = 0; count < 7; ++count) house.push(std::to_string(count));
  std::vector<std::int64_t> seen;
  std::string cursor;
  int pages = 0;
  for (;; ++pages) {
    const json::value page = parsed(house.get("/api/v1/runs?limit=3" + cursor));
    for (const json::value& run : page.at("runs").as_array())
      seen.push_back(run.at("id").as_int64());
    if (page.at("next").is_null()) break;
    cursor = "&cursor=" + json::value_to<std::string>(page.at("next"));
  }
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(seen, (std::vector<std::int64_t>{7, 6, 5, 4, 3, 2, 1}));
}

TEST(Runs, AreFoundByWhatTheyAre) {
  House house;
  house.push("1");
  house.push("2", "refs/heads/dev", other_commit);
  house.store.finish(house.push("3", "refs/tags/v1"), RunState::failed, "broken");
  const auto count = [&](const std::string& query) {
    return parsed(house.get("/api/v1/runs?" + query)).at("runs").as_array().size();
  };
  EXPECT_EQ(count("source=hello"), 3U);
  EXPECT_EQ(count("source=other"), 0U);
  EXPECT_EQ(count("branch=dev"), 1U);
  EXPECT_EQ(count("commit=" + other_commit), 1U);
  EXPECT_EQ(count("state=failed"), 1U);
  const auto bad_state = house.get("/api/v1/runs?state=done");
  EXPECT_EQ(bad_state.status, 400);
  EXPECT_NE(detail_of(bad_state).find("succeeded"), std::string::npos);
  EXPECT_NE(detail_of(house.get("/api/v1/runs?stat=failed")).find("did you mean \"state\"?"),
            std::string::npos);
  for (const char* bad : {"limit=0", "limit=201", "limit=x", "cursor=x", "limit=1&limit=2"})
    EXPECT_EQ(house.get(concat("/api/v1/runs?", bad)).status, 400) << bad;
}

TEST(Runs, AreShownWithTheirStages) {
  House house;
  const RunId run = house.push("1");
  house.store.begin_stage(run, "", "source");
  house.store.end_stage(run, "", "source", StageState::done, json::object{{"commit", some_commit}});
  const auto reply = house.get("/api/v1/runs/1");
  const json::value shown = parsed(reply);
  ASSERT_EQ(shown.at("stages").as_array().size(), 1U);
  EXPECT_EQ(shown.at("stages").at(0).at("result").at("commit").as_string(), some_commit);
  EXPECT_EQ(shown.at("event").at("ref").as_string(), "refs/heads/main");

  const std::string etag = reply.get_header_value("ETag");
  EXPECT_EQ(house.get("/api/v1/runs/1", {{"If-None-Match", etag}}).status, 304);
  house.store.finish(run, RunState::failed, "broken");
  EXPECT_EQ(house.get("/api/v1/runs/1", {{"If-None-Match", etag}}).status, 200);
  EXPECT_EQ(house.client().Head("/api/v1/runs/1")->status, 200);
}

TEST(Runs, ThatDoNotExistAreNotFound) {
  House house;
  for (const char* path : {"/api/v1/runs/99", "/api/v1/runs/x", "/api/v1/runs/-1",
                           "/api/v1/runs/99/log", "/api/v1/runs/99/events", "/api/v1/nothing"}) {
    const auto reply = house.get(path);
    EXPECT_EQ(reply.status, 404) << path;
    EXPECT_EQ(parsed(reply).at("instance").as_string(), path);
  }
  EXPECT_EQ(house.post("/api/v1/runs/99/cancel", "{}").status, 404);
  EXPECT_EQ(house.post("/api/v1/runs/99/retry", "{}").status, 404);
}

TEST(Runs, AreCancelledUntilTheyHaveEnded) {
  House house;
  const RunId run = house.push("1");
  const auto reply = house.post("/api/v1/runs/1/cancel", R"({"reason":"wrong\nbranch"})");
  EXPECT_EQ(reply.status, 202);
  EXPECT_EQ(house.store.get(run).state, RunState::cancelled);
  EXPECT_EQ(house.store.get(run).why, "cancelled over the API: wrong branch");
  const auto late = house.post("/api/v1/runs/1/cancel", "");
  EXPECT_EQ(late.status, 409);
  EXPECT_NE(detail_of(late).find("ended already (cancelled)"), std::string::npos);
}

TEST(Runs, AreRetriedAsTheyWereOnceTheyHaveEnded) {
  House house;
  const RunId run = house.push("1", "refs/heads/main", "");
  EXPECT_EQ(house.post("/api/v1/runs/1/retry", "").status, 409);
  house.store.claim({});
  house.store.put_commit(run, other_commit);
  house.store.finish(run, RunState::failed, "broken");
  const auto reply = house.post("/api/v1/runs/1/retry", "", {{"Idempotency-Key", "r"}});
  ASSERT_EQ(reply.status, 202) << reply.body;
  const lighterman::Run again = house.store.get(parsed(reply).at("id").as_int64());
  EXPECT_EQ(again.retry_of, run);
  EXPECT_EQ(again.event.origin, Origin::retry);
  EXPECT_EQ(again.event.commit, other_commit);
  EXPECT_EQ(parsed(house.post("/api/v1/runs/1/retry", "", {{"Idempotency-Key", "r"}})).at("id"),
            parsed(reply).at("id"));
  EXPECT_NE(parsed(house.post("/api/v1/runs/1/retry", "", {{"Idempotency-Key", "q"}})).at("id"),
            parsed(reply).at("id"));
}

TEST(Runs, AreTakenFromJsonBodiesOnly) {
  House house;
  const auto reply = house.client().Post("/api/v1/runs", R"({"source":"hello"})", "text/plain");
  EXPECT_EQ(reply->status, 415);
}

}  // namespace
}  // namespace lighterman::api
