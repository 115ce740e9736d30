#include "net/retry.hpp"

#include <gtest/gtest.h>

#include <ctime>

#include "net/answer.hpp"
#include "net/url.hpp"

namespace lighterman::net {
namespace {

using namespace std::chrono_literals;

const Retry quick{.attempts = 3, .first = 1ms, .longest = 2ms, .report = {}};

TEST(Retry, TriesAgainOnlyWhatMayPass) {
  int calls = 0;
  const int answer = retried(quick, {}, [&] {
    if (++calls < 3) throw Error(ErrorKind::unavailable, "busy");
    return 7;
  });
  EXPECT_EQ(answer, 7);
  EXPECT_EQ(calls, 3);
  calls = 0;
  EXPECT_THROW(retried(quick, {},
                       [&] {
                         ++calls;
                         throw Error(ErrorKind::denied, "no");
                       }),
               Error);
  EXPECT_EQ(calls, 1);
}

TEST(Retry, SaysHowOftenItTried) {
  try {
    retried(quick, {}, [] { throw Error(ErrorKind::unavailable, "down"); });
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "down (after 3 attempts)");
  }
}

TEST(Retry, WaitsAtLeastAsLongAsTheServerAsked) {
  std::chrono::milliseconds told{};
  Retry retry = quick;
  retry.report = [&](int, const std::string&, std::chrono::milliseconds pause) { told = pause; };
  bool first = true;
  retried(retry, {}, [&] {
    if (std::exchange(first, false)) throw Busy("wait", 30ms);
  });
  EXPECT_EQ(told, 30ms);
}

TEST(Retry, StopsDuringAPause) {
  std::stop_source stopping;
  stopping.request_stop();
  try {
    pause(std::chrono::hours(1), stopping.get_token());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
}

TEST(Retry, DoublesItsPausesUpToTheLongest) {
  const Retry retry{.attempts = 9, .first = 100ms, .longest = 1000ms, .report = {}};
  for (int round = 0; round < 50; ++round) {
    EXPECT_GE(backoff(retry, 1), 50ms);
    EXPECT_LE(backoff(retry, 1), 100ms);
    EXPECT_GE(backoff(retry, 3), 200ms);
    EXPECT_LE(backoff(retry, 3), 400ms);
    EXPECT_LE(backoff(retry, 60), 1000ms);
  }
}

TEST(Retry, ReadsRetryAfterAsSecondsAndAsDate) {
  Response answer;
  EXPECT_FALSE(retry_after(answer));
  answer.headers.add("retry-after", "7");
  EXPECT_EQ(retry_after(answer), 7s);
  answer.headers = {{"Retry-After", "soon"}};
  EXPECT_FALSE(retry_after(answer));
  std::array<char, 64> text{};
  const time_t later = std::time(nullptr) + 100;
  tm parts{};
  std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&later, &parts));
  answer.headers = {{"Retry-After", text.data()}};
  EXPECT_NEAR(static_cast<double>(retry_after(answer).value_or(0s).count()), 100'000, 2000);
}

TEST(Url, ResolvesWhatALocationHeaderMayHold) {
  const Url url = Url::parse("https://user:pw@Registry.Example:5000/v2/a/uploads/1?x=1#part");
  EXPECT_EQ(url.text(), "https://registry.example:5000/v2/a/uploads/1?x=1");
  EXPECT_EQ(url.resolve("/v2/b?_state=a%2Fb").text(),
            "https://registry.example:5000/v2/b?_state=a%2Fb");
  EXPECT_EQ(url.resolve("2?y=2").text(), "https://registry.example:5000/v2/a/uploads/2?y=2");
  EXPECT_EQ(url.resolve("https://s3.example/x").origin(), "https://s3.example:443");
  EXPECT_THROW(url.resolve("ftp://s3.example/x"), Error);
}

TEST(Url, KnowsThisMachineOnlyByItsOwnNames) {
  for (const char* url : {"http://127.0.0.1/", "http://localhost:5000/", "http://[::1]:5000/"})
    EXPECT_TRUE(Url::parse(url).is_loopback()) << url;
  for (const char* url :
       {"http://127.evil.example/", "http://localhost.evil.example/", "http://10.0.0.1/"})
    EXPECT_FALSE(Url::parse(url).is_loopback()) << url;
}

TEST(Answer, TakesChunksApartWhereverTheyAreCut) {
  const std::string raw = "4;ext=1\r\nWiki\r\n5\r\npedia\r\n0\r\nX-Trailer: 1\r\n\r\nNEXT";
  for (std::size_t cut = 0; cut <= raw.size(); ++cut) {
    Dechunker dechunker;
    std::string content;
    const Push keep = [&](std::string_view bytes) { content += bytes; };
    dechunker.feed(std::string_view(raw).substr(0, cut), keep);
    dechunker.feed(std::string_view(raw).substr(cut), keep);
    EXPECT_EQ(content, "Wikipedia") << cut;
    EXPECT_TRUE(dechunker.complete()) << cut;
  }
}

}  // namespace
}  // namespace lighterman::net
