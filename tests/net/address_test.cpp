#include "net/address.hpp"

#include <gtest/gtest.h>

#include <initializer_list>

#include "net/http.hpp"
#include "net/loopback.hpp"

namespace lighterman::net {
namespace {

TEST(Address, IsPublicOnlyWhereTheInternetIs) {
  for (const char* host : {"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "[2606:4700::1111]",
                           "[64:ff9b::808:808]", "[::ffff:8.8.8.8]", "hooks.example", "10.example"})
    EXPECT_TRUE(may_be_public(host)) << host;
  for (const char* host : {"0.0.0.0",
                           "10.0.0.1",
                           "100.64.0.1",
                           "100.100.100.200",
                           "127.0.0.1",
                           "127.1",
                           "0x7f000001",
                           "2130706433",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "192.0.0.192",
                           "198.18.0.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "168.63.129.16",
                           "[::]",
                           "[::1]",
                           "[::ffff:10.0.0.1]",
                           "[::10.0.0.1]",
                           "[64:ff9b::a00:1]",
                           "[2002:a00:1::]",
                           "[2001::1]",
                           "[fd00:ec2::254]",
                           "[fe80::1]",
                           "[fe80::1%25eth0]",
                           "[fec0::1]",
                           "[ff02::1]",
                           "[2001:db8::1]"})
    EXPECT_FALSE(may_be_public(host)) << host;
}

TEST(Address, OfANameIsLookedAtWhenItIsConnectedTo) {
  test::RawServer server([](test::Connection& connection, int) {
    connection.read_head();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  Client client;
  Request request;
  request.url = concat("http://localhost:", server.port(), "/");
  // A kept connection of somebody who may must not serve somebody who may not.
  EXPECT_EQ(client.perform(request).body, "ok");
  request.public_addresses_only = true;
  try {
    client.perform(request);
    ADD_FAILURE() << "it connected";
  } catch (const NotPublic& refused) {
    EXPECT_NE(std::string(refused.what()).find("which is no public address"), std::string::npos)
        << refused.what();
  }
  EXPECT_EQ(server.connections(), 1);
}

}  // namespace
}  // namespace lighterman::net
