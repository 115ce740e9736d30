#include "core/version.hpp"

#include <gtest/gtest.h>

namespace lighterman {
namespace {

TEST(Version, IsReadFromAGitTagWithOrWithoutV) {
  EXPECT_EQ(Version::parse("v1.2.3")->text(), "1.2.3");
  EXPECT_EQ(Version::parse("1.2.3-rc.1+build.5")->text(), "1.2.3-rc.1");
}

TEST(Version, IsNotWhateverLooksLikeOne) {
  for (const char* tag : {"", "v", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", "release-1.2.3",
                          "1.2.3-", "1.2.3-01", "v1.2.3-a..b", "1.2.99999999999999999999"}) {
    EXPECT_FALSE(Version::parse(tag)) << tag;
  }
}

TEST(Version, OrdersAsTheSpecificationSays) {
  const char* ascending[] = {"1.0.0-alpha",  "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
                             "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",       "1.0.0",
                             "1.0.1",        "1.2.0",         "1.10.0",           "2.0.0"};
  for (std::size_t i = 0; i + 1 < std::size(ascending); ++i) {
    EXPECT_LT(*Version::parse(ascending[i]), *Version::parse(ascending[i + 1])) << ascending[i];
  }
}

}  // namespace
}  // namespace lighterman
