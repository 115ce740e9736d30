#include "house.hpp"

namespace lighterman::api {
namespace {

const httplib::Headers as_json{{"Accept", "application/json"}};

TEST(Log, IsPlainTextForPeople) {
  House house;
  const RunId run = house.push("1");
  house.store.append(
      run,
      {{0, parse_time("2026-11-24T08:09:10Z"), "", "source", "info", "fetched"},
       {0, parse_time("2026-11-24T08:09:11Z"), "app", "engine", "step", "RUN make"},
       {0, parse_time("2026-11-24T08:09:12Z"), "app", "push", "progress", R"({"layer":"x"})"}});
  const auto reply = house.get("/api/v1/runs/1/log");
  EXPECT_EQ(reply.get_header_value("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(reply.body, "08:09:10 source | fetched\n08:09:11 app engine | RUN make\n");
  EXPECT_EQ(house.get("/api/v1/runs/1/log?after=1&limit=1").body,
            "08:09:11 app engine | RUN make\n");
  EXPECT_EQ(house.get("/api/v1/runs/1/log?after=99").body, "");
}

TEST(Log, IsLinesForPrograms) {
  House house;
  const RunId run = house.push("1");
  house.say(run, 5);
  const json::value page = parsed(house.get("/api/v1/runs/1/log?limit=3", as_json));
  EXPECT_EQ(page.at("lines").as_array().size(), 3U);
  EXPECT_EQ(page.at("next").as_int64(), 3);
  const json::value rest = parsed(house.get("/api/v1/runs/1/log?after=3", as_json));
  EXPECT_EQ(rest.at("lines").as_array().size(), 2U);
  EXPECT_EQ(rest.at("next").as_int64(), 5);  // the run goes on
  house.store.finish(run, RunState::failed, "broken");
  EXPECT_TRUE(parsed(house.get("/api/v1/runs/1/log?after=3", as_json)).at("next").is_null());
}

TEST(Log, OfManyPagesArrivesWhole) {
  House house;
  const RunId run = house.push("1");
  house.say(run, 12'345, std::string(50, 'x'));
  const auto reply = house.get("/api/v1/runs/1/log");
  EXPECT_EQ(std::count(reply.body.begin(), reply.body.end(), '\n'), 12'345);
  EXPECT_TRUE(reply.body.ends_with(" 12345\n"));
  EXPECT_EQ(reply.get_header_value("Content-Length"), std::to_string(reply.body.size()));
}

TEST(Log, GivesTheBytesThatWereAskedFor) {
  House house;
  const RunId run = house.push("1");
  house.say(run, 3000);
  const std::string whole = house.get("/api/v1/runs/1/log").body;
  const auto part = [&](const std::string& range) {
    return house.get("/api/v1/runs/1/log", {{"Range", range}});
  };
  const auto first = part("bytes=0-9");
  EXPECT_EQ(first.status, 206);
  EXPECT_EQ(first.body, whole.substr(0, 10));
  EXPECT_EQ(first.get_header_value("Content-Range"), concat("bytes 0-9/", whole.size()));
  const std::size_t middle = whole.size() / 2;
  EXPECT_EQ(part(concat("bytes=", middle, "-")).body, whole.substr(middle));
  EXPECT_EQ(part(concat("bytes=", middle, "-", middle + 70'000)).body,
            whole.substr(middle, 70'001));
  EXPECT_EQ(part("bytes=-100").body, whole.substr(whole.size() - 100));
  EXPECT_EQ(part(concat("bytes=0-", whole.size() * 2)).body, whole);
  EXPECT_EQ(part("bytes=0-1,5-6").status, 200);  // several: all of it
  const auto behind = part(concat("bytes=", whole.size(), "-"));
  EXPECT_EQ(behind.status, 416);
  EXPECT_EQ(behind.get_header_value("Content-Range"), concat("bytes */", whole.size()));
}

TEST(Log, TellsWhetherItGrew) {
  House house;
  const RunId run = house.push("1");
  house.say(run, 2);
  const std::string etag = house.get("/api/v1/runs/1/log").get_header_value("ETag");
  EXPECT_EQ(house.get("/api/v1/runs/1/log", {{"If-None-Match", etag}}).status, 304);
  EXPECT_EQ(house.get("/api/v1/runs/1/log", {{"Range", "bytes=0-0"}, {"If-Range", etag}}).status,
            206);
  house.say(run, 1);
  EXPECT_EQ(house.get("/api/v1/runs/1/log", {{"If-None-Match", etag}}).status, 200);
  EXPECT_EQ(house.get("/api/v1/runs/1/log", {{"Range", "bytes=0-0"}, {"If-Range", etag}}).status,
            200);
}

}  // namespace
}  // namespace lighterman::api
