#include <atomic>
#include <thread>

#include "house.hpp"

namespace lighterman::api {
namespace {

struct Event {
  std::string name, id;
  json::value value;
};

std::vector<Event> events_in(const std::string& response) {
  std::vector<Event> events;
  std::string text = response.substr(response.find("\r\n\r\n") + 4);
  for (std::size_t end = 0; (end = text.find("\n\n")) != std::string::npos;) {
    Event event;
    for (const std::string& line : split(text.substr(0, end), '\n')) {
      if (line.starts_with("event: ")) event.name = line.substr(7);
      if (line.starts_with("id: ")) event.id = line.substr(4);
      if (line.starts_with("data: ")) event.value = json::parse(line.substr(6));
    }
    if (!event.name.empty()) events.push_back(std::move(event));
    text.erase(0, end + 2);
  }
  return events;
}

std::string request_for(RunId run, const std::string& headers = "") {
  return concat("GET /api/v1/runs/", run, "/events HTTP/1.1\r\nHost: localhost\r\n", headers,
                "\r\n");
}

std::vector<std::string> ids_of(const std::vector<Event>& events) {
  std::vector<std::string> ids;
  for (const Event& event : events)
    if (event.name == "line") ids.push_back(event.id);
  return ids;
}

TEST(Events, TellARunFromItsBeginToItsEnd) {
  House house;
  const RunId run = house.push("1");
  house.say(run, 2);
  Line line(house.port());
  line.send(request_for(run));
  EXPECT_NE(line.read_until("line 2").find("Content-Type: text/event-stream"), std::string::npos);

  house.store.claim({});
  house.store.begin_stage(run, "app", "engine");
  house.say(run, 1);
  line.read_until("id: 3");
  house.store.end_stage(run, "app", "engine", StageState::done, json::object{{"image_id", "x"}});
  house.store.finish(run, RunState::succeeded, "");
  const std::vector<Event> events = events_in(line.read_to_end());

  EXPECT_TRUE(line.ended());
  EXPECT_EQ(ids_of(events), (std::vector<std::string>{"1", "2", "3"}));
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().name, "end");
  EXPECT_EQ(events.back().value.at("state").as_string(), "succeeded");
  const auto told = [&](const std::string& name, const std::string& state) {
    return std::any_of(events.begin(), events.end(), [&](const Event& event) {
      return event.name == name && event.value.at("state").as_string() == state;
    });
  };
  EXPECT_TRUE(told("run", "queued"));
  EXPECT_TRUE(told("run", "succeeded"));
  EXPECT_TRUE(told("stage", "done"));
}

TEST(Events, GoOnAfterTheLineThatWasSeenLast) {
  House house;
  const RunId run = house.push("1");
  house.say(run, 5);
  house.store.finish(run, RunState::failed, "broken");
  Line line(house.port());
  line.send(request_for(run, "Last-Event-ID: 3\r\n"));
  EXPECT_EQ(ids_of(events_in(line.read_to_end())), (std::vector<std::string>{"4", "5"}));
  EXPECT_EQ(house.get("/api/v1/runs/1/events", {{"Last-Event-ID", "x"}}).status, 400);
}

TEST(Events, OfALongLogArriveInOrderAndWhole) {
  House house;
  const RunId run = house.push("1");
  house.say(run, 20'000, std::string(80, 'x'));
  house.store.finish(run, RunState::failed, "broken");
  Line line(house.port());
  line.send(request_for(run));
  const std::vector<std::string> ids = ids_of(events_in(line.read_to_end()));
  ASSERT_EQ(ids.size(), 20'000U);
  for (std::size_t index = 0; index < ids.size(); ++index)
    ASSERT_EQ(ids[index], std::to_string(index + 1));
}

TEST(Events, BeatWhileNothingHappens) {
  Options options = House::quick();
  options.heartbeat = std::chrono::milliseconds(50);
  House house(options);
  Line line(house.port());
  line.send(request_for(house.push("1")));
  EXPECT_NE(line.read_until(": alive\n\n: alive\n\n").find(": alive"), std::string::npos);
}

TEST(Events, ToManyTakeNoThreadFromOthers) {
  Options options = House::quick();
  options.threads = 2;
  options.followers = 20;
  House house(options);
  const RunId run = house.push("1");
  std::vector<std::unique_ptr<Line>> lines;
  for (int count = 0; count < 20; ++count) {
    lines.push_back(std::make_unique<Line>(house.port()));
    lines.back()->send(request_for(run));
    lines.back()->read_until("event: run");
  }
  EXPECT_EQ(house.get("/api/v1/healthz").status, 200);
  const auto further = house.get("/api/v1/runs/1/events");
  EXPECT_EQ(further.status, 503);
  EXPECT_EQ(further.get_header_value("Retry-After"), "30");
  house.say(run, 1);
  for (const auto& line : lines)
    EXPECT_NE(line->read_until("id: 1").find("id: 1"), std::string::npos);

  // One who leaves gives its place away.
  lines.pop_back();
  house.say(run, 1);
  const auto returned = [&] {
    Line again(house.port());
    again.send(request_for(run));
    return again.read_until("event: run").find("HTTP/1.1 200") != std::string::npos;
  };
  bool taken = false;
  for (int attempt = 0; attempt < 200 && !taken; ++attempt) taken = returned();
  EXPECT_TRUE(taken);
}

TEST(Events, ForOneWhoIsGoneBeforeTheyBeginTakeNoPlace) {
  enum Step { idle, armed, asked, gone };
  static std::atomic<int> step{idle};
  Options options = House::quick();
  options.followers = 1;
  // Who asks is looked up with the time: there the client hangs up.
  options.clock = [] {
    int wanted = armed;
    if (step.compare_exchange_strong(wanted, asked)) {
      step.notify_all();
      step.wait(asked);
    }
    return system_now();
  };
  config::Config config;
  config.tokens.push_back({"t", std::string(os::sha256("t").hex()), "", Role::viewer});
  House house(options, config);
  const std::string request = request_for(house.push("1"), "Authorization: Bearer t\r\n");
  for (int turn = 0; turn < 3; ++turn) {
    step = armed;
    {
      Line line(house.port());
      line.send(request);
      step.wait(armed);
      const linger at_once{1, 0};
      ::setsockopt(line.descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    step = gone;
    step.notify_all();
  }
  bool taken = false;
  // One that was not noticed at once is noticed when it takes no heartbeat.
  for (int attempt = 0; attempt < 500 && !taken; ++attempt) {
    Line line(house.port());
    line.send(request);
    taken = line.read_until("\r\n\r\n").find("HTTP/1.1 200") != std::string::npos;
    if (!taken) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(taken);
}

TEST(Events, AreNotHeldUpByOneWhoDoesNotRead) {
  House house;
  const RunId run = house.push("1");
  Line deaf(house.port());
  const int small = 4096;
  ::setsockopt(deaf.descriptor(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  deaf.send(request_for(run));
  house.say(run, 30'000, std::string(200, 'x'));
  Line keen(house.port());
  keen.send(request_for(run));
  EXPECT_NE(keen.read_until("id: 30000").find("id: 30000"), std::string::npos);
}

TEST(Events, TellTheNewestRunsAsTheyComeAndChange) {
  House house;
  house.push("1");
  Line line(house.port());
  line.send("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  line.read_until("\"id\":1");
  house.push("2", "refs/heads/other");
  line.read_until("\"id\":2");
  house.store.claim({});
  house.store.finish(1, RunState::failed, "why not");
  const std::vector<Event> events = events_in(line.read_until("why not\""));
  ASSERT_GE(events.size(), 2U);
  for (const Event& event : events) EXPECT_EQ(event.name, "run");
  EXPECT_EQ(events.at(0).value.at("id").to_number<int>(), 1);
  EXPECT_EQ(events.at(1).value.at("event").at("ref").as_string(), "refs/heads/other");
  EXPECT_FALSE(line.ended());
}

}  // namespace
}  // namespace lighterman::api
