#include "net/server.hpp"

#include <gtest/gtest.h>
#include <httplib.h>

#include <thread>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/program.hpp"
#include "support/background.hpp"

namespace lighterman::net {
namespace {

TEST(Server, ShowsWhenItsCertificateEndsThoughNobodyBelievesIt) {
  const os::ScratchFolder folder;
  const std::string key = (folder.path() / "key.pem").string(),
                    certificate = (folder.path() / "cert.pem").string();
  const os::Outcome made =
      os::perform({"openssl",
                   {"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10", "-subj",
                    "/CN=other.example", "-keyout", key, "-out", certificate}});
  ASSERT_EQ(made.exit_code, 0) << made.errors;
  httplib::SSLServer server(certificate.c_str(), key.c_str());
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&] { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::yield();
  const auto end = certificate_end(concat("https://127.0.0.1:", port, "/v2/"));
  server.stop();
  thread.join();
  ASSERT_TRUE(end);
  const auto left = *end - system_now();
  EXPECT_GT(left, std::chrono::hours(24 * 10 - 1));
  EXPECT_LT(left, std::chrono::hours(24 * 10 + 1));
}

TEST(Server, ThatIsNotThereIsUnavailable) {
  try {
    certificate_end(concat("https://127.0.0.1:", support::free_port(), "/"));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  }
}

TEST(Server, ShowsItsClockWithEachAnswer) {
  Response answer;
  EXPECT_FALSE(clock_of(answer));
  answer.headers.add("Date", "Tue, 24 Nov 2026 08:09:10 GMT");
  EXPECT_EQ(clock_of(answer), parse_time("2026-11-24T08:09:10Z"));
}

}  // namespace
}  // namespace lighterman::net
