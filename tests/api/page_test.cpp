#include "api/page.hpp"

#include "house.hpp"

namespace lighterman::api {
namespace {

TEST(Page, IsServedWithItsPartsAndAPolicyThatLetsNothingElseIn) {
  House house;
  const auto page = house.get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.get_header_value("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.get_header_value_count("Content-Security-Policy"), 1U);
  EXPECT_TRUE(page.get_header_value("Content-Security-Policy")
                  .starts_with("default-src 'none'; script-src 'self'"));
  EXPECT_EQ(page.get_header_value("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(page.get_header_value("Referrer-Policy"), "no-referrer");
  EXPECT_EQ(page.body.find("style="), std::string::npos);
  const std::size_t at = page.body.find("page/");
  const std::string folder = "/" + page.body.substr(at, page.body.find('/', at + 5) - at);
  for (const PageFile& file : page_files()) {
    if (file.name == "index.html") continue;
    const auto part = house.get(concat(folder, "/", file.name));
    EXPECT_EQ(part.status, 200) << file.name;
    EXPECT_EQ(part.body, file.bytes) << file.name;
    EXPECT_EQ(part.get_header_value("Cache-Control"), "public, max-age=31536000, immutable");
  }
  EXPECT_EQ(house.get(folder + "/index.html").status, 404);
  EXPECT_EQ(house.get(folder + "/none.js").status, 404);
  EXPECT_EQ(house.get("/page/0000000000000000/main.js").status, 404) << "of another version";
}

TEST(Page, IsNotSentAgainToThoseWhoHaveIt) {
  House house;
  const auto page = house.get("/");
  EXPECT_EQ(page.get_header_value("Cache-Control"), "no-cache");
  const std::string etag = page.get_header_value("ETag");
  EXPECT_EQ(house.get("/", {{"If-None-Match", etag}}).status, 304);
}

TEST(Page, IsOpenWhereEverythingElseNeedsAToken) {
  config::Config config;
  config.tokens.push_back({"ci", std::string(os::sha256("t0ken").hex()), "", Role::trigger});
  House house(House::quick(), config);
  EXPECT_EQ(house.get("/").status, 200);
  for (const char* path :
       {"/api/v1/session", "/api/v1/events", "/api/v1/runs/1/log/outline", "/badge/hello.svg"})
    EXPECT_EQ(house.get(path).status, 401) << path;
}

TEST(Badge, TellsHowTheNewestRunThatEndedCameOut) {
  House house;
  const auto badge = [&](const std::string& query) {
    return house.get("/badge/hello.svg" + query).body;
  };
  EXPECT_NE(badge("?branch=main").find("hello main: no runs"), std::string::npos);
  const auto end = [&](const std::string& ref, RunState state) {
    const RunId run = house.push(std::to_string(house.store.list({}).size()), ref);
    house.store.claim({});
    house.store.finish(run, state, "");
  };
  end("refs/heads/main", RunState::succeeded);
  end("refs/heads/other", RunState::failed);
  EXPECT_NE(badge("?branch=main").find("hello main: published"), std::string::npos);
  EXPECT_NE(badge("").find("hello: failed"), std::string::npos);
  end("refs/heads/main", RunState::cancelled);
  house.push("queued");
  EXPECT_NE(badge("?branch=main").find("hello main: published"), std::string::npos);
  end("refs/heads/main", RunState::denied);
  EXPECT_EQ(house.get("/badge/hello.svg").get_header_value("Content-Type"), "image/svg+xml");
  EXPECT_EQ(badge("?branch=%3Cscript%3E%22").find("<script"), std::string::npos);
  EXPECT_EQ(house.get("/badge/hello.png").status, 404);
}

TEST(Badge, IsOpenWhereTheConfigurationSaysSo) {
  config::Config config;
  config.tokens.push_back({"ci", std::string(os::sha256("t0ken").hex()), "", Role::trigger});
  config.open_badges = true;
  House house(House::quick(), config);
  EXPECT_EQ(house.get("/badge/hello.svg").status, 200);
  EXPECT_EQ(house.get("/api/v1/runs").status, 401);
  std::string unknown = house.get("/badge/nobody.svg").body;
  EXPECT_NE(unknown.find("nobody: no runs"), std::string::npos) << "an open badge tells no names";
}

}  // namespace
}  // namespace lighterman::api
