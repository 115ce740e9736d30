#include "net/network.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace lighterman::net {
namespace {

TEST(Network, ContainsWhatItsFirstBitsSay) {
  EXPECT_TRUE(Network::parse("10.0.0.0/8").contains("10.255.0.1"));
  EXPECT_FALSE(Network::parse("10.0.0.0/8").contains("11.0.0.1"));
  EXPECT_TRUE(Network::parse("192.0.2.128/25").contains("192.0.2.200"));
  EXPECT_FALSE(Network::parse("192.0.2.128/25").contains("192.0.2.100"));
  EXPECT_TRUE(Network::parse("192.0.2.1").contains("192.0.2.1"));
  EXPECT_FALSE(Network::parse("192.0.2.1").contains("192.0.2.2"));
  EXPECT_TRUE(Network::parse("0.0.0.0/0").contains("8.8.8.8"));
  EXPECT_FALSE(Network::parse("0.0.0.0/0").contains("2001:db8::1"));
  EXPECT_TRUE(Network::parse("fd00::/8").contains("fdff::1"));
  EXPECT_FALSE(Network::parse("::1/128").contains("::2"));
  EXPECT_TRUE(Network::parse("127.0.0.0/8").contains("::ffff:127.0.0.1"));
  EXPECT_FALSE(Network::parse("0.0.0.0/0").contains("unknown"));
}

TEST(Network, RefusesWhatIsNone) {
  for (const char* given : {"", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0.0/-1",
                            "10.0.0.0/8x", "example.com", "10.0.0.0/8/8"})
    EXPECT_THROW(Network::parse(given), Error) << given;
}

}  // namespace
}  // namespace lighterman::net
