#include "net/upgrade.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "core/error.hpp"
#include "net/loopback.hpp"
#include "os/file.hpp"

namespace lighterman::net {
namespace {

using test::Connection;
using test::RawServer;

constexpr const char* switching =
    "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

Request session(const std::string& url) {
  Request request;
  request.method = "POST";
  request.url = url;
  request.headers.add("Connection", "Upgrade");
  request.headers.add("Upgrade", "h2c");
  return request;
}

std::string read_some(int descriptor, std::size_t wanted) {
  std::string got;
  std::array<char, 65536> room{};
  while (got.size() < wanted) {
    pollfd waiting{descriptor, POLLIN, 0};
    if (poll(&waiting, 1, 5000) <= 0) break;
    const ssize_t count = read(descriptor, room.data(), std::min(room.size(), wanted - got.size()));
    if (count <= 0) break;
    got.append(room.data(), static_cast<std::size_t>(count));
  }
  return got;
}

TEST(Upgraded, CarriesBytesBothWaysOverAUnixSocket) {
  const os::ScratchFolder folder;
  const std::string path = folder.path() / "engine.sock";
  std::string head;
  RawServer server(
      [&](Connection& connection, int) {
        head = connection.read_head();
        connection.send(concat(switching, "hello"));  // the new protocol begins at once
        const std::string big = connection.read(3 << 20);
        connection.send(concat(big.size(), "!"));
        connection.await_end();
      },
      path);
  Request request = session("http://docker/session");
  request.unix_socket = path;
  Upgraded upgraded = Upgraded::open(request);
  const int descriptor = upgraded.take_descriptor();
  EXPECT_NE(fcntl(descriptor, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(read_some(descriptor, 5), "hello");
  const std::string big(3 << 20, 'b');
  std::string_view left = big;
  while (!left.empty()) {
    pollfd waiting{descriptor, POLLOUT, 0};
    ASSERT_GT(poll(&waiting, 1, 5000), 0);
    const ssize_t count = write(descriptor, left.data(), left.size());
    if (count > 0) left.remove_prefix(static_cast<std::size_t>(count));
  }
  EXPECT_EQ(read_some(descriptor, 8), "3145728!");
  EXPECT_TRUE(head.starts_with("POST /session HTTP/1.1\r\nHost: docker\r\n")) << head;
  close(descriptor);
}

TEST(Upgraded, SaysWhatTheServerSaidInsteadOfUpgrading) {
  for (const auto& [status, kind] : {std::pair("400 Bad Request", ErrorKind::invalid),
                                     std::pair("503 Busy", ErrorKind::unavailable)}) {
    RawServer server([&, status = status](Connection& connection, int) {
      connection.read_head();
      connection.send(concat("HTTP/1.1 ", status,
                             "\r\nContent-Length: 24\r\n\r\n{\"message\":\"no session\"}"));
    });
    try {
      Upgraded::open(session(server.url("/session?secret=1")));
      ADD_FAILURE() << "it was upgraded";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      EXPECT_NE(std::string(error.what()).find("no session"), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
    }
  }
}

TEST(Upgraded, TellsTheUserThatTheServerHasEnded) {
  RawServer server([](Connection& connection, int) {
    connection.read_head();
    connection.send(concat(switching, "bye"));
  });
  Upgraded upgraded = Upgraded::open(session(server.url()));
  const int descriptor = upgraded.take_descriptor();
  EXPECT_EQ(read_some(descriptor, 100), "bye");
  close(descriptor);
}

TEST(Upgraded, EndsTheConnectionWhenItEnds) {
  std::atomic<bool> ended = false;
  RawServer server([&](Connection& connection, int) {
    connection.read_head();
    connection.send(switching);
    connection.await_end();
    ended = true;
  });
  int descriptor = -1;
  {
    Upgraded upgraded = Upgraded::open(session(server.url()));
    descriptor = upgraded.take_descriptor();
  }
  while (!ended) std::this_thread::yield();
  EXPECT_EQ(read_some(descriptor, 1), "");
  close(descriptor);
}

TEST(Upgraded, StopsWhileItWaitsForTheAnswer) {
  RawServer server([](Connection& connection, int) { connection.await_end(); });
  std::stop_source stopping;
  const std::jthread asker([&] {
    while (server.connections() == 0) std::this_thread::yield();
    stopping.request_stop();
  });
  try {
    Upgraded::open(session(server.url()), stopping.get_token());
    ADD_FAILURE() << "it was upgraded";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
}

}  // namespace
}  // namespace lighterman::net
