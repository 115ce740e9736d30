#include "net/http.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "core/error.hpp"
#include "net/loopback.hpp"
#include "os/file.hpp"

namespace lighterman::net {
namespace {

using namespace std::chrono_literals;
using test::Connection;
using test::RawServer;

constexpr const char* ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Request get(const std::string& url) {
  Request request;
  request.url = url;
  return request;
}

Request put(const std::string& url, std::variant<std::monostate, std::string, Upload> body) {
  Request request = get(url);
  request.method = "PUT";
  request.body = std::move(body);
  return request;
}

/// `size` bytes of 'x', counted as they are taken.
Pull endless(std::uint64_t size, std::uint64_t* taken) {
  return [size, taken](char* into, std::size_t room) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(room, size - *taken));
    std::fill_n(into, count, 'x');
    *taken += count;
    return count;
  };
}

template <class Work>
Error failure_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::internal, "nothing was thrown"};
}

TEST(Http, KeepsAConnectionForTheNextRequest) {
  RawServer server([](Connection& connection, int) {
    while (!connection.read_head().empty()) connection.send(ok);
  });
  Client client;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.perform(get(server.url())).body, "ok");
  EXPECT_EQ(server.connections(), 1);
}

TEST(Http, SpeaksOverAUnixSocket) {
  const os::ScratchFolder folder;
  const std::string path = folder.path() / "engine.sock";
  std::string head;
  RawServer server(
      [&](Connection& connection, int) {
        head = connection.read_head();
        connection.send(ok);
      },
      path);
  Client client;
  Request request = get("http://docker/v1.41/info");
  request.unix_socket = path;
  EXPECT_EQ(client.perform(request).status, 200);
  EXPECT_TRUE(head.starts_with("GET /v1.41/info HTTP/1.1\r\nHost: docker\r\n")) << head;
}

TEST(Http, SendsABodyOfUnknownSizeInChunksAndNeverAsksForPermission) {
  std::string head;
  std::string body;
  RawServer server([&](Connection& connection, int) {
    head = connection.read_head();
    body = connection.read_until("0\r\n\r\n");
    connection.send(ok);
  });
  Client client;
  std::uint64_t taken = 0;
  EXPECT_EQ(client.perform(put(server.url(), Upload{endless(3, &taken), {}})).status, 200);
  EXPECT_EQ(body, "3\r\nxxx\r\n0\r\n\r\n");
  EXPECT_NE(lower(head).find("transfer-encoding: chunked"), std::string::npos) << head;
  EXPECT_EQ(lower(head).find("expect:"), std::string::npos) << head;
}

TEST(Http, SendsAnEmptyBodyWithItsLength) {
  std::string head;
  RawServer server([&](Connection& connection, int) {
    head = connection.read_head();
    connection.send(ok);
  });
  Client client;
  Request request = get(server.url());
  request.method = "POST";
  client.perform(request);
  EXPECT_NE(head.find("Content-Length: 0"), std::string::npos) << head;
}

/// What a server does that has made up its mind: answers and closes, with unread bytes behind.
class EarlyAnswer : public testing::TestWithParam<const char*> {};

TEST_P(EarlyAnswer, EndsTheSendingAndIsReturned) {
  for (const bool sized : {true, false}) {
    RawServer server([&](Connection& connection, int) {
      connection.read_head();
      connection.read(100'000);
      connection.send(GetParam());
    });
    Client client;
    std::uint64_t taken = 0;
    constexpr std::uint64_t whole = 1ULL << 30;
    const Response answer = client.perform(put(
        server.url(), Upload{endless(whole, &taken), sized ? std::optional(whole) : std::nullopt}));
    EXPECT_NE(answer.status, 0);
    EXPECT_EQ(answer.body, "enough") << answer.status;
    EXPECT_LT(taken, whole / 2);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Http, EarlyAnswer,
    testing::Values(
        "HTTP/1.1 413 Too Large\r\nContent-Length: 6\r\n\r\nenough",
        "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 6\r\n\r\nenough",
        "HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nenough\r\n0\r\n\r\n",
        "HTTP/1.1 400 No\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        "6\r\nenough\r\n0\r\n\r\n",
        "HTTP/1.0 413 Too Large\r\n\r\nenough",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nenough",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nenough\r\n0\r\n\r\n"));

TEST(Http, ReturnsARefusalAlsoWhenTheNextWriteHitsAClosedConnection) {
  // The body is slow, so the server has answered and gone before the next bytes are written.
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> gone = false;
    RawServer server([&](Connection& connection, int) {
      connection.read_head();
      connection.read(10);
      connection.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
      connection.end();
      gone = true;
    });
    std::uint64_t taken = 0;
    const Pull body = [&, inner = endless(1ULL << 30, &taken)](char* into, std::size_t room) {
      while (taken > 1'000'000 && !gone) std::this_thread::yield();
      return inner(into, room);
    };
    Client client;
    EXPECT_EQ(client.perform(put(server.url(), Upload{body, 1ULL << 30})).status, 401);
  }
}

TEST(Http, ReadsAnAnswerThatStreamsWhileTheBodyIsStillSent) {
  RawServer server([](Connection& connection, int) {
    connection.read_head();
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    connection.read_until("0\r\n\r\n");
    connection.send("4\r\nlast\r\n0\r\n\r\n");
  });
  Client client;
  std::string seen;
  std::uint64_t taken = 0;
  // The body goes on only after the first words of the answer.
  const Pull body = [&, inner = endless(1'000'000, &taken)](char* into, std::size_t room) {
    return inner(into, taken == 0 || !seen.empty() ? room : 1);
  };
  Request request = put(server.url(), Upload{body, {}});
  client.stream(request, [&](std::string_view bytes) { seen += bytes; });
  EXPECT_EQ(seen, "firstlast");
  EXPECT_EQ(taken, 1'000'000U);
}

TEST(Http, TakesAStreamThatEndsTooEarlyForACut) {
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nshort", ""}) {
    RawServer server([&](Connection& connection, int) {
      connection.read_head();
      connection.send(answer);
    });
    Client client;
    const Error error = failure_of([&] { client.stream(get(server.url()), [](auto) {}); });
    EXPECT_EQ(error.kind(), ErrorKind::unavailable) << answer;
  }
}

TEST(Http, StopsWithinAFifthOfASecondWhileNothingMoves) {
  RawServer server([](Connection& connection, int) { connection.await_end(); });
  Client client;
  std::stop_source stopping;
  std::chrono::steady_clock::time_point asked;
  const std::jthread asker([&] {
    while (server.connections() == 0) std::this_thread::yield();
    asked = std::chrono::steady_clock::now();
    stopping.request_stop();
  });
  const Error error = failure_of([&] { client.perform(get(server.url()), stopping.get_token()); });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - asked, 200ms);
}

TEST(Http, GivesUpWhenNothingMovesForTheSilenceTimeout) {
  RawServer server([](Connection& connection, int) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
    connection.await_end();
  });
  Client client;
  Request request = get(server.url("/quiet?secret=1"));
  request.silence_timeout = 300ms;
  const Error error = failure_of([&] { client.perform(request); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(std::string(error.what()),
            concat("GET 127.0.0.1:", server.port(), "/quiet: nothing moved for 300 ms"));
}

TEST(Http, NamesNeitherQueryNorPasswordInAnError) {
  Client client;
  Request request = get("http://user:hunter2@127.0.0.1:1/place?token=hunter2");
  request.basic = {"user", Secret("hunter2")};
  const Error error = failure_of([&] { client.perform(request); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos) << error.what();
  EXPECT_NE(std::string(error.what()).find("GET 127.0.0.1:1/place"), std::string::npos)
      << error.what();
  const Error wrong =
      failure_of([&] { client.perform(get("http://user:hunter2@ho st/?x=hunter2")); });
  EXPECT_EQ(wrong.kind(), ErrorKind::invalid);
  EXPECT_EQ(std::string(wrong.what()).find("hunter2"), std::string::npos) << wrong.what();
}

TEST(Http, RefusesAHeaderThatWouldBecomeTwo) {
  Client client;
  Request request = get("http://127.0.0.1:1/");
  request.headers.add("X-Name", "a\r\nX-Other: b");
  EXPECT_EQ(failure_of([&] { client.perform(request); }).kind(), ErrorKind::invalid);
}

TEST(Http, RefusesAnAnswerLongerThanTheLimit) {
  RawServer server([](Connection& connection, int) {
    connection.read_head();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  });
  Client client;
  Request request = get(server.url());
  request.body_limit = 999;
  EXPECT_EQ(failure_of([&] { client.perform(request); }).kind(), ErrorKind::invalid);
}

TEST(Http, KeepsCredentialsFromAnotherHostAfterARedirect) {
  std::string elsewhere_head;
  RawServer elsewhere([&](Connection& connection, int) {
    elsewhere_head = connection.read_head();
    connection.send(ok);
  });
  std::vector<std::string> heads;
  RawServer server([&](Connection& connection, int) {
    heads.push_back(connection.read_head());
    connection.send(concat("HTTP/1.1 307 Go\r\nContent-Length: 3\r\nLocation: ",
                           heads.size() == 1 ? "/second" : elsewhere.url("/blob?sig=1"),
                           "\r\nConnection: close\r\n\r\nxxx"));
  });
  Client client;
  Request request = get(server.url("/first"));
  request.bearer = Secret("token");
  request.follow_redirects = true;
  std::string body;
  const Response answer = client.stream(request, [&](std::string_view bytes) { body += bytes; });
  EXPECT_EQ(body, "ok");
  EXPECT_EQ(answer.url, elsewhere.url("/blob?sig=1"));
  ASSERT_EQ(heads.size(), 2U);
  EXPECT_NE(heads[1].find("GET /second"), std::string::npos);
  EXPECT_NE(heads[1].find("Authorization: Bearer token"), std::string::npos);
  EXPECT_EQ(elsewhere_head.find("Authorization"), std::string::npos) << elsewhere_head;
}

TEST(Http, StopsFollowingRedirectsThatNeverEnd) {
  RawServer server([](Connection& connection, int) {
    while (!connection.read_head().empty())
      connection.send("HTTP/1.1 302 Go\r\nContent-Length: 0\r\nLocation: /again\r\n\r\n");
  });
  Client client;
  Request request = get(server.url());
  request.follow_redirects = true;
  EXPECT_EQ(failure_of([&] { client.perform(request); }).kind(), ErrorKind::invalid);
}

TEST(Http, AsksThroughTheProxyInEitherCaseButNotForThisMachine) {
  std::string head;
  RawServer proxy([&](Connection& connection, int) {
    head = connection.read_head();
    connection.send(ok);
  });
  setenv("HTTP_PROXY", proxy.url().c_str(), 1);
  Client client;
  EXPECT_EQ(client.perform(get("http://registry.invalid/v2/")).status, 200);
  EXPECT_TRUE(head.starts_with("GET http://registry.invalid/v2/ HTTP/1.1")) << head;
  EXPECT_THROW(client.perform(get("http://127.0.0.1:1/")), Error);
  setenv("NO_PROXY", "registry.invalid", 1);
  EXPECT_THROW(client.perform(get("http://registry.invalid/v2/")), Error);
  unsetenv("NO_PROXY");
  unsetenv("HTTP_PROXY");
  EXPECT_EQ(proxy.connections(), 1);
}

TEST(Http, HoldsBackWhatItSendsToTheLimit) {
  RawServer server([](Connection& connection, int) {
    connection.read_head();
    connection.read(600'000);
    connection.send(ok);
  });
  Client client;
  std::uint64_t taken = 0;
  Request request = put(server.url(), Upload{endless(600'000, &taken), 600'000});
  request.send_limit = 1'000'000;
  const auto begin = std::chrono::steady_clock::now();
  client.perform(request);
  EXPECT_GT(std::chrono::steady_clock::now() - begin, 300ms);
}

TEST(Http, PassesOnWhatTheBodyThrows) {
  RawServer server([](Connection& connection, int) { connection.await_end(); });
  Client client;
  const Pull body = [](char*, std::size_t) -> std::size_t {
    throw Error(ErrorKind::conflict, "the layer is gone");
  };
  const Error error = failure_of([&] { client.perform(put(server.url(), Upload{body, {}})); });
  EXPECT_EQ(error.kind(), ErrorKind::conflict);
  EXPECT_STREQ(error.what(), "the layer is gone");
}

TEST(Http, SaysWhenAServerDoesNotSpeakTls) {
  RawServer server([](Connection& connection, int) {
    connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    connection.await_end();
  });
  Client client;
  const Error error =
      failure_of([&] { client.perform(get(concat("https://127.0.0.1:", server.port(), "/"))); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_NE(std::string(error.what()).find("plain http"), std::string::npos) << error.what();
}

TEST(Http, ServesManyThreadsAtOnce) {
  RawServer server([](Connection& connection, int) {
    while (!connection.read_head().empty()) connection.send(ok);
  });
  Client client;
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 20; ++j) good += client.perform(get(server.url())).body == "ok";
      });
    }
  }
  EXPECT_EQ(good, 160);
  EXPECT_LE(server.connections(), 8);
}

TEST(Download, ReadsABodyWhileItArrives) {
  const std::string part(1 << 20, 'y');
  RawServer server([&](Connection& connection, int) {
    connection.read_head();
    connection.send(concat("HTTP/1.1 200 OK\r\nContent-Length: ", 5 * part.size(), "\r\n\r\n"));
    for (int i = 0; i < 5; ++i) connection.send(part);
  });
  Client client;
  Download download(client, get(server.url()));
  EXPECT_EQ(download.head().status, 200);
  std::string room(100'000, '\0');
  std::size_t total = 0;
  while (const std::size_t count = download.read(room.data(), room.size())) total += count;
  EXPECT_EQ(total, 5 * part.size());
}

TEST(Download, ThrowsACutOnlyAfterWhatHadArrived) {
  RawServer server([](Connection& connection, int) {
    connection.read_head();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
  });
  Client client;
  Download download(client, get(server.url()));
  std::string room(100, '\0');
  std::string seen;
  const Error error = failure_of([&] {
    while (const std::size_t count = download.read(room.data(), room.size()))
      seen.append(room.data(), count);
  });
  EXPECT_EQ(seen, "short");
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
}

TEST(Download, KeepsARefusalInItsHead) {
  RawServer server([](Connection& connection, int) {
    connection.read_head();
    connection.send("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone");
  });
  Client client;
  Download download(client, get(server.url()));
  EXPECT_EQ(download.head().status, 404);
  EXPECT_EQ(download.head().body, "gone");
  char byte = 0;
  EXPECT_EQ(download.read(&byte, 1), 0U);
}

TEST(Download, EndsItsTransferWhenItIsDropped) {
  std::atomic<bool> ended = false;
  RawServer server([&](Connection& connection, int) {
    connection.read_head();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\nbegin");
    connection.await_end();
    ended = true;
  });
  Client client;
  { const Download download(client, get(server.url())); }
  while (!ended) std::this_thread::yield();
  SUCCEED();
}

}  // namespace
}  // namespace lighterman::net
