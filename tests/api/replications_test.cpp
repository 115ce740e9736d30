#include "house.hpp"
#include "os/hash.hpp"

namespace lighterman::api {
namespace {

TEST(Replications, AnImageIsCarriedWhereSomebodySaysSo) {
  House house;
  const httplib::Response begun = house.post(
      "/api/v1/replications",
      R"({"source":"near.example/shop:1","target":"far.example/shop:2","platforms":["linux/arm64"]})");
  EXPECT_EQ(begun.status, 202) << begun.body;
  ASSERT_EQ(house.wishes.size(), 1u);
  EXPECT_EQ(house.wishes[0].source->text(), "near.example/shop:1");
  EXPECT_EQ(house.wishes[0].terms.platforms, std::vector<std::string>{"linux/arm64"});
  EXPECT_EQ(house.wishes[0].who, "the API");
  EXPECT_EQ(json::parse(house.get("/api/v1/replications?run=1").body)
                .at("replications")
                .as_array()
                .size(),
            1u);
  EXPECT_EQ(json::parse(house.get("/api/v1/replications?rule=x").body)
                .at("replications")
                .as_array()
                .size(),
            0u);
}

TEST(Replications, AWishThatContradictsItselfIsRefused) {
  House house;
  EXPECT_EQ(house.post("/api/v1/replications", R"({"rule":"far","source":"a.example/b:1"})").status,
            400);
  EXPECT_EQ(house.post("/api/v1/replications", R"({"source":"a.example/B:1","target":"x"})").status,
            400);
  EXPECT_EQ(house.post("/api/v1/replications", "{}").status, 400);
  EXPECT_EQ(house.get("/api/v1/replications/x").status, 404);
  EXPECT_TRUE(house.wishes.empty());
}

TEST(Replications, OnlyAnOperatorMayCarryOrClear) {
  config::Config config;
  config.tokens.push_back({"ann", std::string(os::sha256("secret").hex()), "", Role::trigger});
  House house(House::quick(), config);
  const httplib::Headers ann{{"Authorization", "Bearer secret"}};
  EXPECT_EQ(house.post("/api/v1/replications", R"({"rule":"far"})", ann).status, 403);
  EXPECT_EQ(house.post("/api/v1/retention", R"({"rule":"old","apply":true})", ann).status, 403);
  EXPECT_EQ(house.get("/api/v1/replications", ann).status, 200);
}

}  // namespace
}  // namespace lighterman::api
