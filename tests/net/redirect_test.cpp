#include <gtest/gtest.h>
#include <httplib.h>

#include <thread>

#include "core/error.hpp"
#include "net/http.hpp"
#include "net/loopback.hpp"
#include "os/file.hpp"
#include "support/certificate.hpp"

namespace lighterman::net {
namespace {

using test::Connection;
using test::RawServer;

TEST(Redirect, LeadsToNoHostThatIsBelievedUnseen) {
  const os::ScratchFolder folder;
  support::make_certificate(folder.path(), "server");
  httplib::SSLServer secure((folder.path() / "server.crt").c_str(),
                            (folder.path() / "server.key").c_str());
  secure.Get("/", [](const httplib::Request&, httplib::Response& reply) {
    reply.set_content("ok", "text/plain");
  });
  const int port = secure.bind_to_any_port("127.0.0.1");
  std::thread serving([&] { secure.listen_after_bind(); });
  std::string host;
  RawServer server([&](Connection& connection, int) {
    connection.read_head();
    connection.send(concat("HTTP/1.1 307 Go\r\nContent-Length: 0\r\nLocation: https://", host, ':',
                           port, "/\r\nConnection: close\r\n\r\n"));
  });
  Client client;
  Request request;
  request.url = server.url();
  request.follow_redirects = true;
  request.trust.verify = false;
  host = "127.0.0.1";
  EXPECT_EQ(client.perform(request).body, "ok");
  host = "localhost";
  try {
    client.perform(request);
    ADD_FAILURE() << "a certificate that nobody signed was believed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::denied) << error.what();
  }
  secure.stop();
  serving.join();
}

}  // namespace
}  // namespace lighterman::net
