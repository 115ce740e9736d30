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

TEST(Log, IsSearchedPieceByPiece) {
  House house;
  const RunId run = house.push("1");
  house.say(run, 60'000);
  house.say(run, 3, "a Needle");
  const httplib::Headers json{{"Accept", "application/json"}};
  const auto search = [&](const std::string& query) {
    return parsed(house.get("/api/v1/runs/1/log?contains=" + query, json));
  };
  const json::value first = search("NEEDLE");
  EXPECT_EQ(first.at("lines").as_array().size(), 0U) << "not all of it was looked at";
  EXPECT_EQ(first.at("last").to_number<int>(), 60'003);
  const json::value rest =
      search(concat("NEEDLE&after=", first.at("next").to_number<std::int64_t>()));
  ASSERT_EQ(rest.at("lines").as_array().size(), 3U);
  EXPECT_EQ(rest.at("lines").at(0).at("number").to_number<int>(), 60'001);
  const json::value two = search("NEEDLE&limit=2&after=59000");
  EXPECT_EQ(two.at("lines").as_array().size(), 2U);
  EXPECT_EQ(two.at("next").to_number<int>(), 60'002);
  EXPECT_EQ(house.get("/api/v1/runs/1/log?contains=x").status, 406);
}

TEST(Log, HasColoursForThoseWhoCanShowThem) {
  House house;
  const RunId run = house.push("1");
  house.say(run, 1, "an \x1b[1;31merror\x1b[0m: no such file");
  EXPECT_NE(house.get("/api/v1/runs/1/log").body.find("| an error: no such file 1\n"),
            std::string::npos);
  const json::value page = parsed(
      house.get("/api/v1/runs/1/log?contains=error:%20no", {{"Accept", "application/json"}}));
  EXPECT_EQ(page.at("lines").at(0).at("text").as_string(),
            "an \x1b[1;31merror\x1b[0m: no such file 1");
}

TEST(Log, HasAnOutlineOfItsSteps) {
  House house;
  const RunId run = house.push("1");
  const auto say = [&](const std::string& stage, const std::string& kind, const std::string& text) {
    house.store.append(run, {{0, parse_time("2026-11-24T08:09:10Z"), "app", stage, kind, text}});
  };
  say("engine", "info", "building");
  say("engine", "step", "[1/2] FROM debian");
  say("engine", "out", "pulled");
  say("engine", "step", "[2/2] RUN make");
  say("engine", "error", "broken");
  say("staging", "warn", "late");
  const json::value outline = parsed(house.get("/api/v1/runs/1/log/outline"));
  EXPECT_EQ(outline.at("last").to_number<int>(), 6);
  EXPECT_TRUE(outline.at("next").is_null());
  std::string told;
  for (const json::value& section : outline.at("sections").as_array())
    told += concat(
        section.at("first").to_number<int>(), ' ', std::string(section.at("stage").as_string()),
        ' ', std::string(section.at("step").as_string()), ' ',
        section.at("errors").to_number<int>(), section.at("warnings").to_number<int>(), '\n');
  EXPECT_EQ(
      told,
      "1 engine  00\n2 engine [1/2] FROM debian 00\n4 engine [2/2] RUN make 10\n6 staging  01\n");
  EXPECT_EQ(
      parsed(house.get("/api/v1/runs/1/log/outline?after=5")).at("sections").as_array().size(), 1U);
}

}  // namespace
}  // namespace lighterman::api
