#include "policy/decision.hpp"

#include "policy/scene.hpp"

namespace lighterman::policy::test {
namespace {

Decision both(const std::string& a, const std::string& b, Hook hook = Hook::on_push) {
  Question question;
  question.hook = hook;
  question.source = "shop";
  question.facts = some_push();
  const std::string head = concat("return { ", render(hook), " = function() return ");
  return ask({seat(head + a + " end }", {}, "a"), seat(head + b + " end }", {}, "b")}, question);
}

std::string problem_of(const Decision& decision) {
  return decision.problems.size() == 1 ? decision.problems[0].value
                                       : concat(decision.problems.size(), " problems");
}

/// What a hook's answer is refused with.
std::string refusal(Hook hook, const std::string& answer) {
  return problem_of(ask_one(
      seat(concat("return { ", render(hook), " = function() return ", answer, " end }")), hook));
}

TEST(Decisions, KnowTheVersionThatATagMovesBy) {
  const Decision decision =
      both("{ tags = { { tag = '1.3', version = 'v1.3.9' }, 'latest' } }",
           "{ tags = { { tag = 'latest', version = '1.3.9' }, { tag = '1.3', moving = false } } }");
  EXPECT_TRUE(decision.problems.empty());
  ASSERT_EQ(decision.tags.size(), 2U);
  EXPECT_EQ(decision.tags[0].value, (TagPlan{"1.3", false, "1.3.9"}));
  EXPECT_EQ(decision.tags[1].value, (TagPlan{"latest", true, "1.3.9"}));
  EXPECT_EQ(decision_from(to_json(decision)).tags[1].value, decision.tags[1].value);
  const Decision at_odds = both("{ tags = { { tag = '1', version = '1.3.9' } } }",
                                "{ tags = { { tag = '1', version = '1.4.0' } } }");
  ASSERT_EQ(at_odds.problems.size(), 1U);
  EXPECT_EQ(at_odds.problems[0].value,
            "the version of tag 1: plugin \"a\" says \"1.3.9\", plugin \"b\" says \"1.4.0\"");
  EXPECT_NE(refusal(Hook::on_push, "{ tags = { { tag = 'x', version = 'new' } } }")
                .find("tags.version: \"new\" is no version"),
            std::string::npos);
  EXPECT_NE(refusal(Hook::on_push, "{ tags = { { tag = 'x', vresion = '1.0.0' } } }")
                .find("did you mean \"version\"?"),
            std::string::npos);
}

TEST(Decisions, UniteTagsLabelsAndArgs) {
  const Decision decision =
      both("{ tags = { 'x', { tag = 'y' } }, labels = { one = 1 }, args = { A = 'a' } }",
           "{ tags = 'y', labels = { two = true, one = '1' }, args = { B = 'b' } }");
  EXPECT_TRUE(decision.problems.empty());
  ASSERT_EQ(decision.tags.size(), 2U);
  EXPECT_EQ(decision.tags[1].value.tag, "y");
  EXPECT_EQ(decision.tags[1].plugin, "a");
  EXPECT_EQ(decision.labels.at("one").value, "1");
  EXPECT_EQ(decision.labels.at("two").value, "true");
  EXPECT_EQ(decision.args.size(), 2U);
}

TEST(Decisions, KeepATagThatOneOfThemFixes) {
  for (const Decision& decision :
       {both("{ tags = { { tag = 'x', moving = false } } }", "{ tags = 'x' }"),
        both("{ tags = 'x' }", "{ tags = { { tag = 'x', moving = false } } }")}) {
    ASSERT_EQ(decision.tags.size(), 1U);
    EXPECT_FALSE(decision.tags[0].value.moving);
  }
}

TEST(Decisions, NameBothWhereTheyContradict) {
  for (const auto& [key, a, b] : std::vector<std::array<std::string, 3>>{
           {"labels.x", "{ labels = { x = 1 }, skip = 'one' }",
            "{ labels = { x = 2 }, skip = 'two' }"},
           {"args.x", "{ args = { x = 1 }, skip = 'one' }", "{ args = { x = 2 }, skip = 'two' }"},
           {"target", "{ target = '1', skip = 'one' }", "{ target = '2', skip = 'two' }"}}) {
    const Decision decision = both(a, b);
    EXPECT_EQ(problem_of(decision), key + ": plugin \"a\" says \"1\", plugin \"b\" says \"2\"");
    EXPECT_EQ(reasons(decision.skip), "a: one; b: two") << "the rest of an answer still counts";
  }
}

TEST(Decisions, KeepAllReasons) {
  EXPECT_EQ(
      reasons(
          both("deny 'one', deny 'two'", "{ deny = { 'three', 'four' } }", Hook::on_staged).deny),
      "a: one; a: two; b: three; b: four");
  const Decision one = both("nil", "skip 'why'");
  EXPECT_EQ(reasons(one.skip), "b: why");
  const Decision none = both("{}", "nil");
  EXPECT_TRUE(none.skip.empty() && none.tags.empty() && none.problems.empty());
}

TEST(Decisions, HearTheOthersWhenOneFails) {
  const Decision decision = both("nil + 1", "deny 'why'", Hook::on_staged);
  EXPECT_EQ(decision.problems.size(), 1U);
  EXPECT_EQ(reasons(decision.deny), "b: why");
}

TEST(Decisions, TakeAllOrNothingOfOneAnswer) {
  const Decision decision = both("{ tags = 'x' }, { nonsense = 1 }", "{ tags = 'y' }");
  EXPECT_EQ(decision.problems.size(), 1U);
  ASSERT_EQ(decision.tags.size(), 1U);
  EXPECT_EQ(decision.tags[0].value.tag, "y");
}

TEST(Decisions, AskOnlyForTheirSources) {
  Seat limited = seat("return { on_push = function() return skip 'x' end }");
  limited.sources = {"shop*"};
  Question question;
  question.facts = some_push();
  for (const auto& [source, count] : {std::pair{"shop-eu", 1U}, {"bakery", 0U}}) {
    question.source = source;
    EXPECT_EQ(ask({limited}, question).skip.size(), count);
  }
}

TEST(Decisions, SurviveBeingKept) {
  const Decision decision = both(
      "{ tags = { 'x', { tag = 'y', moving = false } }, labels = { l = 1 }, args = { a = 2 }, "
      "target = 'r.example/x', platforms = 'linux/arm64', skip = 'why' }",
      "{ labels = { l = 2 } }");
  const boost::json::value kept = to_json(decision);
  EXPECT_EQ(to_json(decision_from(kept)), kept);
  const Decision acting =
      ask_one(seat("return { on_staged = function() return sign { key = 'release', claims = { a = "
                   "1 } }, attach { kind = 'sbom' } end }"),
              Hook::on_staged);
  EXPECT_EQ(acting.actions.size(), 2U);
  EXPECT_EQ(to_json(decision_from(to_json(acting))), to_json(acting));
}

TEST(Actions, AreTakenWhenTheyAreComplete) {
  for (const auto& [hook, answer] : std::vector<std::pair<Hook, const char*>>{
           {Hook::on_staged, "sign { key = 'release', claims = { commit = 'x' } }"},
           {Hook::on_staged, "attach { kind = 'sbom', format = 'spdx' }"},
           {Hook::on_staged,
            "attach { kind = 'document', predicate_type = 'https://x', document = { a = { 1 } }, "
            "key = 'k' }"},
           {Hook::on_published,
            "replicate { to = { 'a.example/x', 'b.example/y' }, only_signed = true, rename = "
            "'{tag}' }"},
           {Hook::on_published,
            "retain { keep = 10, by = 'time', protect = { 'v*' }, older_than = '30d' }"},
           {Hook::on_published,
            "promote { to = 'r.example/prod', tags = { 'x' }, approve = true }"},
           {Hook::on_rescan, "untag { tags = { 'latest' }, reason = 'bad' }"}}) {
    const Decision decision = ask_one(
        seat(concat("return { ", render(hook), " = function() return ", answer, " end }")), hook);
    EXPECT_TRUE(decision.problems.empty()) << problem_of(decision);
    EXPECT_EQ(decision.actions.size(), 1U) << answer;
  }
}

TEST(Actions, AreRefusedWithWhatIsWrong) {
  for (const auto& [hook, answer, part] : std::vector<std::tuple<Hook, const char*, const char*>>{
           {Hook::on_staged, "sign {}", "sign.key: must be there"},
           {Hook::on_staged, "sign { kye = 'release', key = 'x' }",
            "sign: unknown key \"kye\" (did you mean \"key\"?)"},
           {Hook::on_staged, "sign { key = 'x', claims = 'y' }", "sign.claims: must be a table"},
           {Hook::on_staged, "attach { kind = 'sbm' }", "attach.kind"},
           {Hook::on_staged, "attach { kind = 'document' }", "attach.document: must be there"},
           {Hook::on_staged, "attach { kind = 'sbom', document = { 1 } }", "belongs to kind"},
           {Hook::on_staged, "{ sign = 'release' }", "sign: must be a table"},
           {Hook::on_published, "replicate { tags = { 'x' } }", "replicate.to: must be there"},
           {Hook::on_published, "replicate { to = 'x', only_signed = 'yes' }",
            "replicate.only_signed: must be true or false"},
           {Hook::on_published, "retain { keep = 0 }",
            "retain.keep: must be a whole number from 1"},
           {Hook::on_published, "retain { keep = 1, by = 'age' }", "retain.by"},
           {Hook::on_published, "retain { keep = 1, older_than = 'long' }", "retain.older_than"},
           {Hook::on_published, "promote { to = { 'a', 'b' } }", "promote.to: must be a text"},
           {Hook::on_rescan, "untag { tags = { 1 } }",
            "untag.tags: must be a text or a list of texts"},
           {Hook::on_rescan, "untag 'x'", "table expected"},
           {Hook::on_finished, "post {}", "post.url: must be there"},
           {Hook::on_finished, "post { url = 'https://x.example/', josn = {} }",
            "did you mean \"json\"?"},
           {Hook::on_finished, "post { url = 'https://x.example/', json = {}, text = 'x' }",
            "exclude each other"},
           {Hook::on_finished, "post { url = 'https://x.example/', method = 'GET' }",
            "post.method"},
           {Hook::on_finished, "post { url = 'https://x.example/', hmac = { secret = 'text' } }",
            "post.hmac.secret: must be a secret"},
           {Hook::on_finished, "post { url = 'https://x.example/', expct = { code = 0 } }",
            "did you mean \"expect\"?"},
           {Hook::on_finished, "post { url = 'https://x.example/', expect = { code = {} } }",
            "post.expect.code: must be a text"},
           {Hook::on_finished, "post { url = 'https://x.example/', ok = 200 }",
            "post.ok: must be a list of HTTP statuses"},
           {Hook::on_finished, "post { url = 'https://x.example/', tries = 0 }", "post.tries"},
           {Hook::on_finished, "post { run = 'mail', url = 'x' }", "post: unknown key \"url\""},
           {Hook::on_finished, "post { url = 'https://x.example/' }",
            "is not among what the plugin needs; its file would say: needs = { http = "
            "\"x.example\" }"}}) {
    const std::string why = refusal(hook, answer);
    EXPECT_NE(why.find(part), std::string::npos) << answer << ": " << why;
  }
}

}  // namespace
}  // namespace lighterman::policy::test
