#include <atomic>

#include "api/sessions.hpp"
#include "house.hpp"

namespace lighterman::api {
namespace {

config::Config with_token(const std::string& value, Role role = Role::trigger) {
  config::Config config;
  config.tokens.push_back({"ann", std::string(os::sha256(value).hex()), "", role});
  return config;
}

httplib::Response log_in(const House& house, const std::string& token,
                         const httplib::Headers& headers = {}) {
  return house.post("/api/v1/session", json::serialize(json::object{{"token", token}}), headers);
}

/// What a browser would send of what it was given.
httplib::Headers cookie_of(const httplib::Response& reply) {
  const std::string given = reply.get_header_value("Set-Cookie");
  return {{"Cookie", "theme=dark; " + given.substr(0, given.find(';'))}};
}

httplib::Headers with(httplib::Headers headers, const std::string& name, const std::string& value) {
  headers.emplace(name, value);
  return headers;
}

const std::string wish = R"({"source":"hello","ref":"main"})";

TEST(Session, StandsForTheTokenWithoutHoldingIt) {
  House house(House::quick(), with_token("t0ken"));
  const auto reply = log_in(house, "t0ken");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(
      parsed(reply),
      (json::object{
          {"caller", "ann"}, {"role", "trigger"}, {"sources", json::array()}, {"tokens", true}}));
  const std::string cookie = reply.get_header_value("Set-Cookie");
  EXPECT_EQ(cookie.find("t0ken"), std::string::npos);
  EXPECT_EQ(cookie.find(os::sha256("t0ken").hex()), std::string::npos);
  EXPECT_TRUE(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict")) << cookie;
  const auto again = log_in(house, "t0ken");
  EXPECT_NE(again.get_header_value("Set-Cookie"), cookie);

  EXPECT_EQ(house.get("/api/v1/runs").status, 401);
  EXPECT_EQ(house.get("/api/v1/runs", cookie_of(reply)).status, 200);
  EXPECT_EQ(parsed(house.get("/api/v1/session", cookie_of(reply))).at("caller"), "ann");
  EXPECT_EQ(house.get("/api/v1/runs", {{"Cookie", "lighterman="}}).status, 401);
  EXPECT_EQ(house.get("/api/v1/runs", {{"Cookie", "lighterman=0123; a"}}).status, 401);
}

TEST(Session, TellsTheBrowserToKeepTheCookieToHttpsWhereThatIsSpoken) {
  House house(House::quick(), with_token("t0ken"));
  const auto cookie = [&](const httplib::Headers& headers) {
    return log_in(house, "t0ken", headers).get_header_value("Set-Cookie");
  };
  EXPECT_TRUE(cookie({{"X-Forwarded-Proto", "https"}}).ends_with("; Secure"));
  EXPECT_FALSE(cookie({{"X-Forwarded-Proto", "http"}}).ends_with("; Secure"));
  config::Config config = with_token("t0ken");
  config.public_url = "https://builds.example/";
  house.reload(config);
  EXPECT_TRUE(cookie({{"Host", "builds.example"}}).ends_with("; Secure"));
  EXPECT_FALSE(cookie({{"Host", "127.0.0.1:7070"}}).ends_with("; Secure"));
}

TEST(Session, ChangesThingsOnlyFromOurOwnPage) {
  House house(House::quick(), with_token("t0ken"));
  const httplib::Headers cookie = cookie_of(log_in(house, "t0ken"));
  const auto forged = house.post("/api/v1/runs", wish, cookie);
  EXPECT_EQ(forged.status, 403);
  EXPECT_NE(detail_of(forged).find("own page"), std::string::npos);
  const httplib::Headers ours = with(cookie, "X-Lighterman", "page");
  for (const char* site : {"cross-site", "same-site", "none"})
    EXPECT_EQ(house.post("/api/v1/runs", wish, with(ours, "Sec-Fetch-Site", site)).status, 403);
  EXPECT_EQ(house.post("/api/v1/runs", wish, with(ours, "Sec-Fetch-Site", "same-origin")).status,
            202);
  EXPECT_EQ(house.store.get(1).event.author, "ann");
  // Programs with a token are no browsers.
  EXPECT_EQ(house.post("/api/v1/runs", wish, {{"Authorization", "Bearer t0ken"}}).status, 202);
}

TEST(Session, HasTheRoleThatItsTokenHasNow) {
  House house(House::quick(), with_token("t0ken", Role::viewer));
  const httplib::Headers cookie = with(cookie_of(log_in(house, "t0ken")), "X-Lighterman", "page");
  EXPECT_EQ(house.post("/api/v1/runs", wish, cookie).status, 403);
  house.reload(with_token("t0ken", Role::operate));
  EXPECT_EQ(house.post("/api/v1/runs", wish, cookie).status, 202);
  house.reload(with_token("another"));
  EXPECT_EQ(house.get("/api/v1/runs", cookie).status, 401) << "its token is none of ours any more";
}

TEST(Session, EndsWhenSomebodyLogsOut) {
  House house(House::quick(), with_token("t0ken"));
  const httplib::Headers cookie = cookie_of(log_in(house, "t0ken"));
  EXPECT_EQ(house.client().Delete("/api/v1/session", cookie)->status, 403);
  const auto reply = house.client().Delete("/api/v1/session", with(cookie, "X-Lighterman", "page"));
  EXPECT_EQ(reply->status, 204);
  EXPECT_NE(reply->get_header_value("Set-Cookie").find("Max-Age=0"), std::string::npos);
  EXPECT_EQ(house.get("/api/v1/runs", cookie).status, 401);
}

TEST(Session, EndsWhenItIsNotUsedAndWhenItIsOld) {
  std::atomic<std::int64_t> hours{0};
  Options options = House::quick();
  options.clock = [&] { return Instant(std::chrono::hours(500'000 + hours)); };
  House house(options, with_token("t0ken"));
  const httplib::Headers cookie = cookie_of(log_in(house, "t0ken"));
  for (hours = 0; hours <= 160; hours += 11)
    EXPECT_EQ(house.get("/api/v1/runs", cookie).status, 200) << hours;
  hours = 169;
  EXPECT_EQ(house.get("/api/v1/runs", cookie).status, 401) << "a week is over";
  const httplib::Headers other = cookie_of(log_in(house, "t0ken"));
  hours = 182;
  EXPECT_EQ(house.get("/api/v1/runs", other).status, 401) << "unused for half a day";
}

TEST(Session, LetsNobodyTryManyTokens) {
  std::atomic<std::int64_t> seconds{0};
  Options options = House::quick();
  options.clock = [&] { return Instant(std::chrono::seconds(1'800'000'000 + seconds)); };
  House house(options, with_token("t0ken"));
  for (int count = 0; count < 20; ++count)
    EXPECT_EQ(log_in(house, "old").status, 401) << "an old token again and again is no guess";
  EXPECT_EQ(log_in(house, "t0ken").status, 200);
  for (std::size_t count = 1; count < Attempts::most; ++count)
    EXPECT_EQ(log_in(house, concat("wrong", count)).status, 401);
  const auto refused = log_in(house, "t0ken");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.get_header_value("Retry-After"), "60");
  EXPECT_EQ(log_in(house, "t0ken", {{"X-Forwarded-For", "192.0.2.1, 198.51.100.7"}}).status, 200)
      << "behind a proxy on this machine others are not kept out";
  EXPECT_EQ(house.get("/api/v1/runs", {{"Authorization", "Bearer t0ken"}}).status, 429)
      << "there is one door, and the same lock";
  seconds = 61;
  EXPECT_EQ(log_in(house, "t0ken").status, 200);
}

TEST(Session, RefusesWhatIsNoLogin) {
  House house(House::quick(), with_token("t0ken"));
  EXPECT_EQ(house.post("/api/v1/session", "{}").status, 400);
  EXPECT_EQ(house.post("/api/v1/session", R"({"token":"t0ken","x":1})").status, 400);
  EXPECT_EQ(house.client()
                .Post("/api/v1/session", "token=t0ken", "application/x-www-form-urlencoded")
                ->status,
            415);
}

TEST(Session, IsNotNeededWithoutTokens) {
  House house;
  EXPECT_EQ(parsed(house.get("/api/v1/session")),
            (json::object{
                {"caller", ""}, {"role", "admin"}, {"sources", json::array()}, {"tokens", false}}));
}

TEST(Sessions, AreBoundedAndTheLongestUnusedGoFirst) {
  Sessions sessions;
  const Instant start(std::chrono::hours(500'000));
  const std::string used = sessions.begin("a", start);
  const std::string unused = sessions.begin("a", start);
  for (std::size_t count = 2; count < Sessions::most; ++count) sessions.begin("a", start);
  EXPECT_TRUE(sessions.find(used, start + std::chrono::minutes(1)));
  for (std::size_t count = 2; count < Sessions::most; ++count)
    sessions.begin("b", start + std::chrono::minutes(2));
  EXPECT_TRUE(sessions.find(used, start + std::chrono::minutes(3)));
  sessions.begin("b", start + std::chrono::minutes(3));
  EXPECT_FALSE(sessions.find(unused, start + std::chrono::minutes(3)));
}

TEST(Attempts, CountNetworksAndNotSingleIpv6Addresses) {
  EXPECT_EQ(network_of("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), network_of("2001:db8:1:2::1"));
  EXPECT_NE(network_of("2001:db8:1:2::1"), network_of("2001:db8:1:3::1"));
  EXPECT_NE(network_of("::ffff:192.0.2.7"), network_of("::ffff:192.0.2.8"));
  Attempts attempts;
  const Instant now(std::chrono::hours(500'000));
  for (std::size_t count = 0; count < Attempts::most_addresses + 10; ++count)
    attempts.add(std::to_string(count), "wrong", now);
  EXPECT_EQ(attempts.wait_of("5", now), std::chrono::seconds(0));
}

}  // namespace
}  // namespace lighterman::api
