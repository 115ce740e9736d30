// https by the daemon itself.
#include "os/tls.hpp"

#include <future>

#include "core/error.hpp"
#include "house.hpp"
#include "net/http.hpp"
#include "support/background.hpp"
#include "support/certificate.hpp"

namespace lighterman::api {
namespace {

class Tls : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"first", "second"}) support::make_certificate(folder.path(), name);
    use("first");
    Options options = House::quick();
    options.tls = [this] { return served.with([](const auto& tls) { return tls; }); };
    house = std::make_unique<House>(options);
  }
  std::string file(const std::string& name) const { return (folder.path() / name).string(); }
  void use(const std::string& name) {
    auto next = std::make_shared<const os::ServerTls>(file(name + ".crt"), file(name + ".key"));
    served.with([&](auto& tls) { tls = std::move(next); });
  }
  net::Request request(const std::string& path, const std::string& believed = "first") const {
    net::Request request;
    request.url = concat("https://127.0.0.1:", house->port(), path);
    request.trust.ca_file = file(believed + ".crt");
    request.use_proxy = false;
    return request;
  }
  /// What `curl` says with these words about the daemon's front page of health.
  os::Outcome curl(std::vector<std::string> words) const {
    words.insert(words.end(), {"--noproxy", "*", "-sS", "--cacert", file("first.crt"),
                               concat("https://127.0.0.1:", house->port(), "/healthz")});
    return os::perform({"curl", words});
  }

  os::ScratchFolder folder;
  Guarded<std::shared_ptr<const os::ServerTls>> served;  // shared with the connections under it
  std::unique_ptr<House> house;
};

TEST_F(Tls, CarriesRequestsAndLongAnswers) {
  net::Client client;
  EXPECT_EQ(client.perform(request("/healthz")).status, 200);
  const RunId run = house->push("1");
  house->say(run, 20'000, std::string(100, 'x'));
  const net::Response log = client.perform(request(concat("/api/v1/runs/", run, "/log")));
  EXPECT_EQ(log.status, 200);
  EXPECT_GT(log.body.size(), 2'000'000U);
  net::Request big = request("/hooks/hello");
  big.method = "POST";
  big.headers.add("Content-Type", "application/json");
  big.body = std::string(3'000'000, ' ');
  EXPECT_EQ(client.perform(big).status, 401) << "read to its end, and signed by nobody";
  EXPECT_EQ(client.perform(request("/healthz")).status, 200);
}

TEST_F(Tls, IsOfVersion12OrNewer) {
  for (const char* version : {"1.2", "1.3"})
    EXPECT_EQ(curl({"--tls-max", version}).exit_code, 0) << version;
  // The client allows anything, so it is the daemon who refuses.
  const os::Outcome old =
      curl({"--tls-max", "1.1", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0"});
  EXPECT_EQ(old.exit_code, 35) << old.errors;
  EXPECT_NE(old.errors.find("protocol version"), std::string::npos) << old.errors;
}

TEST_F(Tls, ChangesItsCertificateAndDropsNobody) {
  const RunId run = house->push("1");
  Guarded<std::string> told;
  std::stop_source stop;
  auto following = std::async(std::launch::async, [&] {
    net::Client client;
    try {
      client.stream(
          request(concat("/api/v1/runs/", run, "/events")),
          [&](std::string_view bytes) { told.with([&](std::string& all) { all += bytes; }); }, {},
          stop.get_token());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::cancelled) << error.what();
    }
  });
  const auto hears = [&](const std::string& part) {
    return support::eventually([&] {
      return told.with([&](const std::string& all) { return all.find(part) != std::string::npos; });
    });
  };
  EXPECT_TRUE(hears("\"state\":\"queued\""));
  use("second");
  net::Client client;
  EXPECT_EQ(client.perform(request("/healthz", "second")).status, 200);
  EXPECT_THROW(client.perform(request("/healthz", "first")), Error) << "it is another one now";
  house->say(run, 1, "after the change");
  EXPECT_TRUE(hears("after the change 1"));
  stop.request_stop();
  following.get();
}

TEST_F(Tls, AnswersRequestsThatCameTogether) {
  // The body's end and the next request are in one record, of which the body takes a part.
  const std::size_t length = 200'000;
  const std::string both =
      concat("POST /hooks/hello HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n",
             "Content-Length: ", length, "\r\n\r\n", std::string(length, ' '),
             "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  os::Program client{"openssl",
                     {"s_client", "-quiet", "-ign_eof", "-connect",
                      concat("127.0.0.1:", house->port()), "-CAfile", file("first.crt")}};
  client.input = both;
  const os::Outcome said = os::perform(client);
  EXPECT_NE(said.output.find("HTTP/1.1 401"), std::string::npos) << said.output << said.errors;
  EXPECT_NE(said.output.find("HTTP/1.1 200"), std::string::npos) << said.output;
}

TEST_F(Tls, HangsUpOnThoseWhoDoNotSpeakIt) {
  Line line(house->port());
  line.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  line.read_to_end();
  EXPECT_TRUE(line.ended());
  EXPECT_EQ(net::Client().perform(request("/healthz")).status, 200);
}

TEST_F(Tls, GivesAHandshakeThatDripsNoMoreTimeThanARequest) {
  Options options = House::quick();
  options.request_limit = std::chrono::milliseconds(500);
  options.tls = [this] { return served.with([](const auto& tls) { return tls; }); };
  House brisk(options);
  Line line(brisk.port());
  // The beginning of a client's first record, which announces 512 bytes.
  const std::string begin("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  const auto start = std::chrono::steady_clock::now();
  line.send(begin);
  for (int turn = 0; turn < 100 && !line.ended(); ++turn) {
    line.send("x");
    pollfd watched{line.descriptor(), POLLIN, 0};
    if (::poll(&watched, 1, 100) > 0) line.read_to_end();
  }
  EXPECT_TRUE(line.ended());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_F(Tls, MakesCookiesThatPlainHttpDoesNotGet) {
  config::Config config;
  config.tokens.push_back({"ann", std::string(os::sha256("t0ken").hex()), "", Role::viewer});
  house->reload(config);
  net::Request login = request("/api/v1/session");
  login.method = "POST";
  login.headers.add("Content-Type", "application/json");
  login.body = std::string(R"({"token":"t0ken"})");
  EXPECT_TRUE(net::Client().perform(login).headers.find("Set-Cookie")->ends_with("; Secure"));
}

TEST_F(Tls, SaysWhatIsWrongWithItsFiles) {
  const auto refusal = [&](const std::string& certificate, const std::string& key) {
    try {
      os::ServerTls(file(certificate), file(key));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(refusal("none.crt", "first.key").find("none.crt\" is not a certificate"),
            std::string::npos);
  EXPECT_NE(refusal("first.crt", "first.crt").find("is not the certificate's key"),
            std::string::npos);
  EXPECT_NE(refusal("first.crt", "second.key").find("second.key"), std::string::npos);
}

}  // namespace
}  // namespace lighterman::api
