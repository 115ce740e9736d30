// The doctor's rounds over the API.
#include <atomic>

#include "house.hpp"

namespace lighterman::api {
namespace {

/// Looks that come when the test lets them.
class CheckupAt : public ::testing::Test {
 protected:
  static Options options() {
    Options options = House::quick();
    options.checkup_limit = std::chrono::milliseconds(300);
    return options;
  }
  json::value report() const { return parsed(house.get("/api/v1/checkup")); }
  json::value wait_for_the_end() const {
    json::value now = report();
    for (int tries = 0; tries < 500 && now.at("state") != "done"; ++tries, now = report())
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return now;
  }

  std::atomic<bool> go{false};
  Examine examine = [this](const TellLook& tell, const std::stop_token& stop) {
    tell({"engine local", "version 20.10", "", Health::good});
    while (!go && !stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "stopped");
    tell({"registry r", "does not answer", "look at its address", Health::broken});
  };
  House house{options(), {}, examine};
};

TEST_F(CheckupAt, TellsWhatWasSeenAsItGoesAndAtTheEndHowToMendIt) {
  EXPECT_EQ(report().at("state"), "none");
  go = true;
  EXPECT_EQ(house.post("/api/v1/checkup", "{}").status, 202);
  const json::value done = wait_for_the_end();
  EXPECT_EQ(done.at("well"), false);
  EXPECT_EQ(done.at("why"), "");
  ASSERT_EQ(done.at("looks").as_array().size(), 2U);
  EXPECT_EQ(done.at("looks").at(0).at("health"), "ok");
  EXPECT_EQ(done.at("looks").at(1).at("advice"), "look at its address");
  EXPECT_EQ(house.post("/api/v1/checkup", "{}").status, 202) << "and again";
}

TEST_F(CheckupAt, IsOneAtATimeAndEndsInBoundedTimeWhateverHangs) {
  EXPECT_EQ(house.post("/api/v1/checkup", "{}").status, 202);
  const auto second = house.post("/api/v1/checkup", "{}");
  EXPECT_EQ(second.status, 409);
  EXPECT_NE(detail_of(second).find("under way"), std::string::npos);
  const json::value done = wait_for_the_end();
  EXPECT_EQ(done.at("well"), false);
  EXPECT_NE(done.at("why").as_string().find("not done within"), std::string::npos);
  EXPECT_EQ(done.at("looks").as_array().size(), 1U) << "what was seen is told";
}

TEST_F(CheckupAt, EndsAtOnceWhenTheDaemonStops) {
  House patient(House::quick(), {}, examine);
  EXPECT_EQ(patient.post("/api/v1/checkup", "{}").status, 202);
  patient.server().stop_checkups();
  json::value now;
  for (int tries = 0; tries < 500; ++tries) {
    now = parsed(patient.get("/api/v1/checkup"));
    if (now.at("state") == "done") break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(now.at("state"), "done");
  EXPECT_EQ(now.at("why"), "stopped");
}

TEST_F(CheckupAt, IsForOperatorsOfAllSources) {
  config::Config config;
  config.tokens.push_back({"v", std::string(os::sha256("v").hex()), "", Role::trigger});
  config.tokens.push_back({"o", std::string(os::sha256("o").hex()), "", Role::operate});
  config.tokens.push_back({"s", std::string(os::sha256("s").hex()), "", Role::operate, {"hello"}});
  house.reload(config);
  const auto status = [&](const std::string& token) {
    return house.post("/api/v1/checkup", "{}", {{"Authorization", "Bearer " + token}}).status;
  };
  EXPECT_EQ(status("v"), 403);
  EXPECT_EQ(status("s"), 403);
  EXPECT_EQ(status("o"), 202);
}

}  // namespace
}  // namespace lighterman::api
