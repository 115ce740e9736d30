#include "house.hpp"

namespace lighterman::api {
namespace {

const std::string push_body = R"({"ref":"refs/heads/main","after":")" + some_commit +
                              R"(","before":")" + other_commit + "\"}";

httplib::Headers signed_by(const std::string& secret, const std::string& body) {
  return {{"X-Hub-Signature-256", "sha256=" + render_hex(os::hmac_sha256(secret, body))}};
}

TEST(Hooks, ASignedPushBecomesARunBeforeItIsAnswered) {
  House house;
  const auto reply = house.post("/hooks/hello", push_body, signed_by("s3cret", push_body));
  ASSERT_EQ(reply.status, 202) << reply.body;
  EXPECT_EQ(parsed(reply).at("run").to_number<int>(), 1);
  EXPECT_EQ(parsed(reply).at("duplicate").as_bool(), false);
  EXPECT_EQ(reply.get_header_value("Location"), house.url() + "/api/v1/runs/1");
  const lighterman::Run stored = house.store.get(1);
  EXPECT_EQ(stored.event.origin, Origin::webhook);
  EXPECT_EQ(stored.event.ref, "refs/heads/main");
  EXPECT_EQ(stored.event.commit, some_commit);
}

TEST(Hooks, ADeliveryThatComesTwiceMakesOneRun) {
  House house;
  const auto headers = signed_by("s3cret", push_body);
  house.post("/hooks/hello", push_body, headers);
  const auto again = house.post("/hooks/hello", push_body, headers);
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(parsed(again).at("duplicate").as_bool(), true);
  EXPECT_EQ(parsed(again).at("run").to_number<int>(), 1);
}

TEST(Hooks, AForgedPushIsRefusedAndLeavesNothing) {
  House house;
  const auto wrong = house.post("/hooks/hello", push_body, signed_by("other", push_body));
  EXPECT_EQ(wrong.status, 401);
  EXPECT_NE(detail_of(wrong).find("does not match"), std::string::npos);
  EXPECT_EQ(detail_of(wrong).find("s3cret"), std::string::npos);
  EXPECT_EQ(house.post("/hooks/hello", push_body).status, 401);
  EXPECT_EQ(parsed(house.get("/api/v1/runs")).at("runs").as_array().size(), 0u);
}

TEST(Hooks, OfAnUnknownSourceNameNoOther) {
  House house;
  const auto reply = house.post("/hooks/helo", push_body, signed_by("s3cret", push_body));
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.body.find("hello"), std::string::npos) << reply.body;
}

TEST(Hooks, OfBranchesNobodyBuildsAreAnsweredAndIgnored) {
  config::Config config;
  config.sources["hello"].branches = {"release/*"};
  House house(House::quick(), config);
  const auto reply = house.post("/hooks/hello", push_body, signed_by("s3cret", push_body));
  EXPECT_EQ(reply.status, 200);
  EXPECT_NE(reply.body.find("not among the source's branches"), std::string::npos) << reply.body;
  EXPECT_EQ(parsed(house.get("/api/v1/runs")).at("runs").as_array().size(), 0u);
}

TEST(Hooks, AuthenticNonsenseIsABadRequest) {
  House house;
  const auto reply = house.post("/hooks/hello", "{", signed_by("s3cret", "{"));
  EXPECT_EQ(reply.status, 400);
  detail_of(reply);
}

TEST(Hooks, ABodyOverTheLimitIsRefusedUnread) {
  Options options = House::quick();
  options.body_limit = 100;
  House house(options);
  const std::string body(101, ' ');
  EXPECT_EQ(house.post("/hooks/hello", body, signed_by("s3cret", body)).status, 413);
}

}  // namespace
}  // namespace lighterman::api
