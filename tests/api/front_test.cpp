#include <atomic>
#include <thread>

#include "core/error.hpp"
#include "house.hpp"

namespace lighterman::api {
namespace {

const std::string health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

Options with_limits(unsigned threads, std::chrono::milliseconds request_limit) {
  Options options = House::quick();
  options.threads = threads;
  options.request_limit = request_limit;
  return options;
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; ++at) ++count;
  return count;
}

TEST(Front, SaysWhatTheChoicesAre) {
  House house;
  const auto reply = house.client().Delete("/api/v1/runs");
  EXPECT_EQ(reply->status, 405);
  EXPECT_EQ(reply->get_header_value("Allow"), "POST, GET, HEAD");
  EXPECT_EQ(house.client().Put("/hooks/hello", "", "text/plain")->status, 405);
  EXPECT_EQ(reply->get_header_value("X-Content-Type-Options"), "nosniff");
}

TEST(Front, ServesManyRequestsOnOneConnection) {
  House house;
  Line line(house.port());
  line.send(health + health + health.substr(0, 20));
  line.read_until("ok\"}HTTP/1.1 200 OK");
  line.send(health.substr(20) + "GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(count_of(line.read_to_end(), "HTTP/1.1 200 OK"), 4U);
  EXPECT_TRUE(line.ended());
}

TEST(Front, RefusesWhatIsNotHttpAndHangsUp) {
  House house;
  for (const std::string& request : std::vector<std::string>{
           "nonsense\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
           "POST /hooks/hello HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
           "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: "
           "chunked\r\n\r\n"}) {
    Line line(house.port());
    line.send(request);
    const std::string& answer = line.read_to_end();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << answer;
    EXPECT_NE(answer.find("application/problem+json"), std::string::npos);
    EXPECT_TRUE(line.ended());
  }
}

TEST(Front, RefusesEndlessHeads) {
  House house;
  Line line(house.port());
  line.send("GET /healthz HTTP/1.1\r\nX: " + std::string(40'000, 'x'));
  EXPECT_TRUE(line.read_to_end().starts_with("HTTP/1.1 431"));
  Line path(house.port());
  path.send("GET /" + std::string(9'000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(path.read_to_end().starts_with("HTTP/1.1 414"));
}

TEST(Front, GivesNoThreadToClientsThatDawdle) {
  House house(with_limits(1, std::chrono::milliseconds(1500)));
  std::vector<std::unique_ptr<Line>> slow;
  for (int count = 0; count < 30; ++count) {
    slow.push_back(std::make_unique<Line>(house.port()));
    slow.back()->send("POST /hooks/hello HTTP/1.1\r\nContent-Length: 100\r\n");
    if (count % 2 == 0) slow.back()->send("\r\nhalf of the body");
  }
  EXPECT_EQ(house.get("/healthz").status, 200);
  for (const auto& line : slow) {
    EXPECT_TRUE(line->read_to_end().starts_with("HTTP/1.1 408"));
    EXPECT_TRUE(line->ended());
  }
}

TEST(Front, EndsRequestsThatTrickle) {
  House house(with_limits(2, std::chrono::milliseconds(600)));
  Line line(house.port());
  bool taken = true;
  // Byte by byte, which would wind up a timeout of silence again and again.
  for (int count = 0; count < 10'000 && taken; ++count) {
    taken = line.send("x");
    pollfd watched{line.descriptor(), POLLIN, 0};
    if (::poll(&watched, 1, 20) > 0) break;
  }
  EXPECT_TRUE(line.read_to_end().starts_with("HTTP/1.1 408"));
}

TEST(Front, SparesThreadsForTheQuickWhileBigBodiesCreep) {
  House house(with_limits(4, std::chrono::seconds(5)));
  std::vector<std::unique_ptr<Line>> slow;
  const std::string begin =
      concat("POST /hooks/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
             std::string(100'000, 'x'));
  for (int count = 0; count < 4; ++count) {
    slow.push_back(std::make_unique<Line>(house.port()));
    slow.back()->send(begin);
  }
  // Two may wait for their client; the others are sent away at once.
  int refused = 0;
  for (const auto& line : slow) {
    pollfd watched{line->descriptor(), POLLIN, 0};
    if (::poll(&watched, 1, 1500) > 0 && line->read_to_end().starts_with("HTTP/1.1 503")) ++refused;
  }
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(house.get("/healthz").status, 200);
}

TEST(Front, AnswersQuicklyWhenTooMuchWaits) {
  Options options = House::quick();
  options.waiting = 0;
  House house(options);
  const auto reply = house.get("/healthz");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.get_header_value("Retry-After"), "5");
  EXPECT_NE(detail_of(reply).find("too many"), std::string::npos);
}

TEST(Front, ClosesTheIdlestConnectionForANewOne) {
  Options options = House::quick();
  options.connections = 3;
  House house(options);
  std::vector<std::unique_ptr<Line>> idle;
  for (int count = 0; count < 3; ++count) {
    idle.push_back(std::make_unique<Line>(house.port()));
    idle.back()->send(health);
    idle.back()->read_until("ok");
  }
  // A connection is idle from when the porter has it back, a moment after its answer came.
  for (int round = 0; round < 20; ++round) {
    for (const std::size_t busy : {1, 2}) {
      idle[busy]->send(health);
      idle[busy]->read_until("ok");
    }
  }
  EXPECT_EQ(house.get("/healthz").status, 200);
  idle.front()->read_to_end();
  EXPECT_TRUE(idle.front()->ended());
}

TEST(Front, RefusesConnectionsWhenAllAreBusy) {
  Options options = House::quick();
  options.connections = 2;
  House house(options);
  Line first(house.port());
  Line second(house.port());
  first.send("GET");
  second.send("GET");
  // Whether the two have been seen shows in that a third is sent away.
  std::string answer;
  for (int attempt = 0; attempt < 1000 && !answer.starts_with("HTTP/1.1 503"); ++attempt) {
    Line third(house.port());
    third.send(health + "x");
    answer = third.read_until("}");
    if (answer.empty()) break;
  }
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503")) << answer;
}

TEST(Front, HangsUpOnSilence) {
  Options options = House::quick();
  options.keep_alive = std::chrono::milliseconds(50);
  House house(options);
  Line line(house.port());
  line.send(health);
  line.read_to_end();
  EXPECT_TRUE(line.ended());
}

TEST(Front, TakesBodiesInChunks) {
  House house;
  const std::string head =
      "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  Line line(house.port());
  line.send(head + "a;x=y\r\n{\"source\":\r\n");
  line.send("16\r\n\"hello\", \"ref\":\"main\"}\r\n0\r\nTrailer: 1\r\n\r\n" + health);
  const std::string& answer = line.read_until("ok");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 202")) << answer;
  EXPECT_EQ(house.store.get(1).event.ref, "refs/heads/main");
  for (const char* broken :
       {"x\r\n", "-1\r\n", "5\r\nabcdefgh\r\n", "fffffffffffffffff\r\n", "\r\n"}) {
    Line other(house.port());
    other.send(head + broken + "\r\n\r\n\r\n");
    EXPECT_TRUE(other.read_to_end().starts_with("HTTP/1.1 400")) << broken;
  }
}

TEST(Front, AsksForABodyThatWaitsToBeAskedFor) {
  House house;
  Line line(house.port());
  line.send(
      "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Expect: 100-continue\r\nContent-Length: 32\r\n\r\n");
  EXPECT_TRUE(line.read_until("100 Continue\r\n\r\n").starts_with("HTTP/1.1 100"));
  line.send(R"({"source":"hello","ref":"main"} )");
  EXPECT_NE(line.read_until("queued").find("HTTP/1.1 202"), std::string::npos);

  Line large(house.port());
  large.send(
      "POST /hooks/hello HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
      "Content-Length: 99999999999\r\n\r\n");
  EXPECT_TRUE(large.read_to_end().starts_with("HTTP/1.1 413"));
}

TEST(Front, SaysWhyItCannotListen) {
  House house;
  const auto kind_of = [&](const std::string& listen) {
    Options options;
    options.listen = listen;
    Server server(
        options, house.store, [&] { return house.config(); }, [] { return Readiness(); }, {});
    try {
      server.start();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(listen), std::string::npos);
      return error.kind();
    }
    return ErrorKind::internal;
  };
  EXPECT_EQ(kind_of(house.server().address()), ErrorKind::conflict);
  EXPECT_EQ(kind_of("7070"), ErrorKind::invalid);
  EXPECT_EQ(kind_of("127.0.0.1:70700"), ErrorKind::invalid);
  EXPECT_EQ(kind_of("203.0.113.1:0"), ErrorKind::invalid);
}

TEST(Front, StopsWithConnectionsOpen) {
  auto house = std::make_unique<House>();
  Line idle(house->port());
  idle.send(health);
  idle.read_until("ok");
  Line half(house->port());
  half.send("GET");
  Line following(house->port());
  following.send(
      concat("GET /api/v1/runs/", house->push("1"), "/events HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  following.read_until("event: run");
  house.reset();
  for (Line* line : {&idle, &half, &following}) {
    line->read_to_end();
    EXPECT_TRUE(line->ended());
  }
}

TEST(Front, ServesManyAtOnce) {
  House house;
  std::atomic<int> good{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 16; ++caller) {
    callers.emplace_back([&, caller] {
      httplib::Client client = house.client();
      client.set_keep_alive(true);
      for (int count = 0; count < 20; ++count) {
        const auto reply = client.Post(
            "/api/v1/runs", concat(R"({"source":"hello","ref":"b)", caller, "-", count, "\"}"),
            "application/json");
        if (reply && reply->status == 202) ++good;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(good, 320);
  EXPECT_EQ(
      house.store
          .list(
              {.source = {}, .branch = {}, .commit = {}, .state = {}, .before = {}, .limit = 1000})
          .size(),
      320U);
}

}  // namespace
}  // namespace lighterman::api
