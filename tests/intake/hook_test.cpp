#include "intake/hook.hpp"

#include <gtest/gtest.h>

#include <map>

#include "core/error.hpp"
#include "core/text.hpp"
#include "core/time.hpp"
#include "os/hash.hpp"
#include "support/failure.hpp"

namespace lighterman::intake {
namespace {

const std::string before(40, 'a'), after(40, 'b');
const Instant now = parse_time("2026-11-24T08:00:00Z");

/// What a forge posts; header names are in lower case.
struct Post {
  std::map<std::string, std::string> headers;
  std::string body;

  std::string hmac(const std::string& secret = "s3cret") const {
    return render_hex(os::hmac_sha256(secret, body));
  }
  Reading read(const std::string& forge = "") const {
    const Delivery delivery{[this](std::string_view name) {
                              const auto found = headers.find(lower(name));
                              return found == headers.end() ? std::string() : found->second;
                            },
                            body};
    return read_hook(delivery, {"hello", forge, Secret("s3cret")}, now);
  }
  PushEvent push() const {
    const Reading reading = read();
    if (const auto* pushes = std::get_if<std::vector<PushEvent>>(&reading)) return pushes->at(0);
    ADD_FAILURE() << "no push: " << why();
    return {};
  }
  std::string why() const {
    const Reading reading = read();
    if (const auto* ignored = std::get_if<Ignored>(&reading)) return ignored->why;
    if (const auto* rejected = std::get_if<Rejected>(&reading)) return rejected->why;
    return "it is a push";
  }
};

std::string github_body(const std::string& ref, const std::string& to = after,
                        const std::string& message = "Say more") {
  return concat(R"({"ref":")", ref, R"(","before":")", before, R"(","after":")", to,
                R"(","deleted":)",
                to.find_first_not_of('0') == std::string::npos ? "true" : "false",
                R"(,"head_commit":{"id":")", after, R"(","message":")", message,
                R"("},"pusher":{"name":"ann"}})");
}

Post github(std::string body) {
  Post post{{{"x-github-event", "push"}, {"x-github-delivery", "d-1"}}, std::move(body)};
  post.headers["x-hub-signature-256"] = "sha256=" + post.hmac();
  return post;
}

TEST(Hook, OfGitHubSaysWhatWasPushed) {
  const PushEvent push = github(github_body("refs/heads/main")).push();
  EXPECT_EQ(push.source, "hello");
  EXPECT_EQ(push.ref, "refs/heads/main");
  EXPECT_EQ(push.before, before);
  EXPECT_EQ(push.commit, after);
  EXPECT_EQ(push.message, "Say more");
  EXPECT_EQ(push.author, "ann");
  EXPECT_EQ(push.forge, "github");
  EXPECT_EQ(push.received, now);
}

TEST(Hook, OfAnAnnotatedTagNamesItsCommitAndNotTheTagObject) {
  const PushEvent push = github(github_body("refs/tags/v1.0", std::string(40, 'c'))).push();
  EXPECT_EQ(push.tag(), "v1.0");
  EXPECT_EQ(push.commit, after);
}

TEST(Hook, OfForgejoGiteaAndGogsIsSignedWithoutAPrefix) {
  for (const char* forge : {"forgejo", "gitea", "gogs"}) {
    Post post{{{concat("x-", forge, "-event"), "push"}}, github_body("refs/heads/main")};
    post.headers[concat("x-", forge, "-signature")] = post.hmac();
    EXPECT_EQ(post.push().commit, after) << forge;
    EXPECT_EQ(post.push().forge, forge);
    post.headers[concat("x-", forge, "-signature")] = post.hmac("other");
    EXPECT_NE(post.why().find("is not believed"), std::string::npos) << forge;
  }
}

TEST(Hook, OfGitLabBringsTheToken) {
  Post post{{{"x-gitlab-event", "Push Hook"}, {"x-gitlab-token", "s3cret"}},
            concat(R"({"ref":"refs/heads/main","before":")", before, R"(","after":")", after,
                   R"(","user_username":"ann","commits":[{"id":")", after,
                   R"(","message":"Say more"}]})")};
  EXPECT_EQ(post.push().commit, after);
  EXPECT_EQ(post.push().message, "Say more");
  post.headers["x-gitlab-token"] = "s3creT";
  EXPECT_NE(post.why().find("X-Gitlab-Token is not the source's secret"), std::string::npos);
}

TEST(Hook, OfBitbucketMayMoveSeveralRefs) {
  Post post{{{"x-event-key", "repo:push"}},
            concat(R"({"actor":{"nickname":"ann"},"push":{"changes":[
              {"new":{"type":"branch","name":"main","target":{"hash":")",
                   after, R"("}},"old":null},
              {"new":null,"old":{"type":"branch","name":"gone","target":{"hash":")",
                   before, R"("}}},
              {"new":{"type":"tag","name":"v1","target":{"hash":")",
                   after, R"("}},"old":null}]}})")};
  post.headers["x-hub-signature"] = "sha256=" + post.hmac();
  const Reading reading = post.read();
  const auto& pushes = std::get<std::vector<PushEvent>>(reading);
  ASSERT_EQ(pushes.size(), 2u);
  EXPECT_EQ(pushes[0].ref, "refs/heads/main");
  EXPECT_EQ(pushes[1].ref, "refs/tags/v1");
  EXPECT_NE(pushes[0].delivery, pushes[1].delivery);
}

TEST(Hook, OfBitbucketDataCenterNamesFullRefs) {
  Post post{{{"x-event-key", "repo:refs_changed"}},
            concat(R"({"actor":{"name":"ann"},"changes":[{"ref":{"id":"refs/heads/main"},
              "fromHash":")",
                   before, R"(","toHash":")", after, R"(","type":"UPDATE"}]})")};
  post.headers["x-hub-signature"] = "sha256=" + post.hmac();
  EXPECT_EQ(post.push().ref, "refs/heads/main");
  EXPECT_EQ(post.push().commit, after);
}

TEST(Hook, OfAnythingElseIsPlainJson) {
  Post post{
      {}, concat(R"({"ref":"refs/heads/main","before":")", before, R"(","after":")", after, "\"}")};
  post.headers["x-hub-signature-256"] = "sha256=" + post.hmac();
  EXPECT_EQ(post.push().commit, after);
  EXPECT_EQ(post.push().forge, "");
}

TEST(Hook, OfStandardWebhooksMustBeFresh) {
  Post post{{{"webhook-id", "m-1"}, {"webhook-timestamp", "1795507200"}},
            github_body("refs/heads/main")};
  const auto sign = [&](const std::string& stamp) {
    post.headers["webhook-timestamp"] = stamp;
    post.headers["webhook-signature"] =
        "v1," + render_base64(os::hmac_sha256("s3cret", concat("m-1.", stamp, '.', post.body)));
  };
  const std::int64_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  sign(std::to_string(seconds - 200));
  EXPECT_EQ(post.push().commit, after);
  sign(std::to_string(seconds - 301));
  EXPECT_NE(post.why().find("five minutes"), std::string::npos);
}

TEST(Hook, AsAFormIsReadToo) {
  Post post{
      {{"x-github-event", "push"}, {"content-type", "application/x-www-form-urlencoded"}},
      "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%2C%22after%22%3A%22" + after + "%22%7D"};
  post.headers["x-hub-signature-256"] = "sha256=" + post.hmac();
  EXPECT_EQ(post.push().commit, after);
}

TEST(Hook, OfADeletionAPingOrASkippedCommitLeadsToNothing) {
  EXPECT_NE(github(github_body("refs/heads/x", std::string(40, '0'))).why().find("was deleted"),
            std::string::npos);
  EXPECT_NE(github(github_body("refs/heads/main", after, "typo [skip ci]")).why().find("skip"),
            std::string::npos);
  Post ping = github(R"({"zen":"Design for failure."})");
  ping.headers["x-github-event"] = "ping";
  EXPECT_EQ(ping.why(), "\"ping\" is not a push");
  EXPECT_NE(github(github_body("refs/pull/1/head")).why().find("neither a branch nor a tag"),
            std::string::npos);
}

TEST(Hook, WithoutASignatureIsNotBelieved) {
  Post post = github(github_body("refs/heads/main"));
  post.headers.erase("x-hub-signature-256");
  EXPECT_TRUE(std::holds_alternative<Rejected>(post.read()));
  EXPECT_NE(post.why().find("X-Hub-Signature-256"), std::string::npos);
}

TEST(Hook, ThatIsAuthenticAndBrokenSaysWhere) {
  expect_refused("webhook", [] { github("{").read(); });
  expect_refused("is not a full commit id",
                 [] { github(R"({"ref":"refs/heads/main","after":"; reboot"})").read(); });
  expect_refused("is not a ref's name",
                 [] { github(R"({"ref":"refs/heads/../x","after":"a"})").read(); });
}

TEST(Hook, ForgesAreNamedWithASuggestion) {
  expect_refused("(did you mean \"github\"?)",
                 [] { github(github_body("refs/heads/main")).read("githup"); });
}

}  // namespace
}  // namespace lighterman::intake
