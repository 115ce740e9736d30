// How fast the API lists among many runs, and how fast many who follow one log hear of a line.
// Usage: bench_api RUNS FOLLOWERS; prints milliseconds: p50 and p99 of lists, then of lines.
#include <arpa/inet.h>
#include <httplib.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "api/server.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "store/schema.hpp"

namespace lighterman {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

void print(const char* what, std::vector<double> took) {
  std::ranges::sort(took);
  const auto at = [&](double part) {
    return took[static_cast<std::size_t>(part * static_cast<double>(took.size() - 1))];
  };
  std::printf("%s p50 %.2f p99 %.2f\n", what, at(0.5), at(0.99));
}

/// A hundred sources, of whose runs every tenth failed.
void fill(const std::filesystem::path& file, int runs) {
  store::Connection database(file, store::Connection::Access::write);
  store::migrate(database, store::schema_steps());
  database.execute(concat(
      "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ", runs,
      ") INSERT INTO events (id, source, delivery, received, body) SELECT i, 's' || (i % 100),"
      " 'd' || i, i, '{\"source\":\"s' || (i % 100) || '\",\"delivery\":\"d' || i || '\","
      "\"origin\":\"webhook\",\"ref\":\"refs/heads/main\",\"commit\":\"\",\"author\":\"ann\","
      "\"title\":\"Say hello\",\"received\":\"2026-01-02T03:04:05.000Z\"}' FROM n;"
      "INSERT INTO runs (id, source, ref, asked_commit, asks, state, created, started, ended)"
      " SELECT id, source, 'refs/heads/main', '', '', iif(id % 10 = 0, 'failed', 'succeeded'),"
      " id, id, id FROM events; COMMIT"));
}

int connected(int port, RunId run) {
  const int line = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(line, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw Error(ErrorKind::internal, "the server does not listen");
  const std::string request =
      concat("GET /api/v1/runs/", run, "/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  if (::send(line, request.data(), request.size(), MSG_NOSIGNAL) < 0)
    throw Error(ErrorKind::internal, "the server hung up");
  return line;
}

/// Reads from each until it has heard `mark`; how long each took.
std::vector<double> heard(const std::vector<int>& lines, const std::string& mark,
                          Clock::time_point begin) {
  std::vector<double> took;
  std::vector<pollfd> waiting;
  for (const int line : lines) waiting.push_back({line, POLLIN, 0});
  std::map<int, std::string> tails;
  while (!waiting.empty()) {
    if (::poll(waiting.data(), waiting.size(), 30'000) <= 0)
      throw Error(ErrorKind::internal, concat(waiting.size(), " did not hear of a line"));
    std::erase_if(waiting, [&](const pollfd& each) {
      if (each.revents == 0) return false;
      char bytes[16384];
      const ssize_t count = ::recv(each.fd, bytes, sizeof bytes, MSG_DONTWAIT);
      if (count <= 0) throw Error(ErrorKind::internal, "the server hung up");
      std::string& tail = tails[each.fd];
      tail.append(bytes, static_cast<std::size_t>(count));
      if (tail.find(mark) == std::string::npos) return false;
      took.push_back(milliseconds_since(begin));
      return true;
    });
  }
  return took;
}

void measure(int runs, int followers) {
  const os::ScratchFolder folder;
  fill(folder.path() / "l.db", runs);
  store::Store store({folder.path() / "l.db"});
  const auto config = std::make_shared<const config::Config>();
  api::Options options;
  options.listen = "127.0.0.1:0";
  options.connections = static_cast<std::size_t>(followers) + 100;
  options.followers = static_cast<std::size_t>(followers);
  api::Server server(
      options, store, [&] { return config; }, [] { return api::Readiness(); },
      [](const PushEvent&) { return boost::json::value(); });
  server.start();
  const int port = std::stoi(server.address().substr(server.address().rfind(':') + 1));

  httplib::Client client("127.0.0.1", port);
  client.set_keep_alive(true);
  const std::string middle = std::to_string(runs / 2);
  std::vector<double> took;
  for (int turn = 0; turn < 1000; ++turn) {
    const std::string paths[] = {"/api/v1/runs",
                                 "/api/v1/runs?state=failed",
                                 concat("/api/v1/runs?source=s", turn % 100),
                                 concat("/api/v1/runs?cursor=", middle),
                                 "/api/v1/runs?state=denied",
                                 "/api/v1/runs?branch=none"};
    const auto begin = Clock::now();
    const auto answer = client.Get(paths[turn % 6]);
    if (!answer || answer->status != 200) throw Error(ErrorKind::internal, "a list failed");
    took.push_back(milliseconds_since(begin));
  }
  print(concat("lists among ", runs, " runs:").c_str(), took);

  PushEvent event;
  event.source = "s1";
  event.delivery = "the last one";
  event.ref = "refs/heads/main";
  const RunId run = store.add(event, store::Store::Supersede::no).run;
  std::vector<int> lines;
  for (int each = 0; each < followers; ++each) lines.push_back(connected(port, run));
  heard(lines, "event: run", Clock::now());
  took.clear();
  for (int turn = 0; turn < 20; ++turn) {
    const std::string mark = concat("line ", turn, " of the log");
    const auto begin = Clock::now();
    store.append(run, {{0, system_now(), "app", "engine", "out", mark}});
    const std::vector<double> each = heard(lines, mark, begin);
    took.insert(took.end(), each.begin(), each.end());
  }
  print(concat("a line to ", followers, " followers:").c_str(), took);
  for (const int line : lines) ::close(line);
}

}  // namespace
}  // namespace lighterman

int main(int count, char** words) {
  if (count != 3) return 2;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  try {
    lighterman::measure(std::stoi(words[1]), std::stoi(words[2]));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
