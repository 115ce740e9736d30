#include "store/tokens.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "os/file.hpp"

namespace lighterman::store {
namespace {

class TokensOf : public ::testing::Test {
 protected:
  TokenRecord token(const std::string& name) const {
    TokenRecord made;
    made.name = name;
    made.role = Role::trigger;
    made.scope = Scope({"shop"});
    made.creator = "ann";
    made.created = now;
    made.expires = now + std::chrono::hours(1);
    return made;
  }

  os::ScratchFolder folder;
  Instant now{std::chrono::hours(1000)};
  Store store{{folder.path() / "l.db", [this] { return now; }}};
  Tokens tokens{store};
};

TEST_F(TokensOf, AreFoundByTheirHashAndOutliveTheDaemon) {
  EXPECT_FALSE(tokens.any());
  tokens.add(token("ci"), "aa");
  EXPECT_TRUE(tokens.any());
  Store again({folder.path() / "l.db", [this] { return now; }});
  const auto found = Tokens(again).find("aa");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->name, "ci");
  EXPECT_EQ(found->role, Role::trigger);
  EXPECT_EQ(found->scope, Scope({"shop"}));
  EXPECT_EQ(found->creator, "ann");
  EXPECT_TRUE(found->works(now));
  EXPECT_FALSE(found->works(now + std::chrono::hours(1)));
  EXPECT_FALSE(tokens.find("ab"));
}

TEST_F(TokensOf, GiveANameAgainOnlyAfterItsHolderIsRevoked) {
  tokens.add(token("ci"), "aa");
  EXPECT_THROW(tokens.add(token("ci"), "bb"), Error);
  tokens.revoke("ci");
  EXPECT_FALSE(tokens.find("aa")->works(now));
  EXPECT_THROW(tokens.revoke("ci"), Error) << "it is revoked already";
  tokens.add(token("ci"), "bb");
  EXPECT_TRUE(tokens.find("bb")->works(now));
  EXPECT_EQ(tokens.list().size(), 2U);
}

TEST_F(TokensOf, RememberWhenTheyWereUsed) {
  const std::int64_t id = tokens.add(token("ci"), "aa");
  EXPECT_FALSE(tokens.find("aa")->used);
  tokens.put_used(id, now);
  EXPECT_EQ(tokens.find("aa")->used, now);
}

}  // namespace
}  // namespace lighterman::store
