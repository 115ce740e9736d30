#include "pipeline/replicate.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <set>

#include "core/error.hpp"
#include "core/json.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "pipeline/carry.hpp"
#include "pipeline/due.hpp"
#include "pipeline/selection.hpp"
#include "pipeline/signing.hpp"
#include "registry/referrers.hpp"
#include "support/background.hpp"
#include "support/registry.hpp"
#include "trust/keyring.hpp"

namespace lighterman::pipeline {
namespace {

TEST(Selection, OfTheHandbooksPolicyAReleaseGoesAndACandidateDoesNot) {
  const Selection releases({R"(^v\d+\.\d+\.\d+$)"});
  EXPECT_TRUE(releases.takes("v1.2.3"));
  EXPECT_FALSE(releases.takes("v1.2.3-rc1"));
}

TEST(Selection, TakesAnExpressionWithoutAnchorsForOne) {
  const Selection releases({R"(v\d+\.\d+)"});
  EXPECT_TRUE(releases.takes("v1.2"));
  EXPECT_FALSE(releases.takes("main"));
}

TEST(Selection, UnderstandsHarborsGlobs) {
  const Selection some({"{dev,prod}-*", "library/**"});
  EXPECT_TRUE(some.has("prod-1"));
  EXPECT_TRUE(some.has("library/a/b"));
  EXPECT_FALSE(some.has("test-1"));
  EXPECT_TRUE(Selection({}).takes("anything"));
  EXPECT_FALSE(Selection({}).has("anything"));
  EXPECT_THROW(Selection({"^(v"}), Error);
  EXPECT_THROW(Selection({"{a,b,c,d,e,f}{a,b,c,d,e,f}{a,b,c,d,e,f}{a,b,c,d,e,f}"}), Error);
}

TEST(Selection, KnowsTagsThatAreNoImages) {
  const std::string hex(64, 'a');
  EXPECT_TRUE(is_artifact_tag("sha256-" + hex));
  EXPECT_TRUE(is_artifact_tag("sha256-" + hex + ".sig"));
  EXPECT_FALSE(is_artifact_tag("sha256-abc"));
  EXPECT_FALSE(is_artifact_tag("sha256-" + hex + "f"));
}

TEST_F(CarryTest, ARuleCarriesWhatIsMissingAndOnlyWhatItIsFor) {
  config::ReplicateRule& releases = rule("releases");
  releases.tags = {R"(^v\d+\.\d+\.\d+$)"};
  releases.labels = {"team=shop"};
  push("v1.2.3", "one", R"({"team":"shop"})");
  push("v1.2.3-rc1", "two", R"({"team":"shop"})");
  push("v2.0.0", "three", R"({"team":"other"})");
  run();
  EXPECT_EQ(missing("releases"), std::set<std::string>{"v1.2.3"});
  EXPECT_EQ(plan.left_out, 2u);
  EXPECT_EQ(replicator->perform_rule("releases", true, never).missing.size(), 1u);
  EXPECT_TRUE(store.replications({}).empty()) << "a dry run carries nothing";
  replicator->perform_rule("releases", false, never);
  ASSERT_TRUE(settled());
  EXPECT_EQ(tags(far, mirror), std::set<std::string>{"v1.2.3"});
  EXPECT_TRUE(missing("releases").empty());
  EXPECT_EQ(plan.same, 1u);
  EXPECT_THROW(replicator->perform_rule("relaeses", false, never), Error);
}

TEST_F(CarryTest, OfWholeRegistriesTheCatalogTellsWhatIsThere) {
  config::ReplicateRule& all = rule("all");
  all.to = far.host();
  all.rename = "{repository}";
  all.from = {concat(near.host(), "/acme/**")};
  push("1", "one");
  EXPECT_EQ(missing("all"), std::set<std::string>{"1"});
  EXPECT_EQ(plan.missing.front().target.name(), concat(far.host(), "/acme/shop"));
}

TEST_F(CarryTest, TagsThatVanishedGoOnlyWhereTheRuleSaysSo) {
  rule("keep");
  rule("mirror").delete_vanished = true;
  push("1", "one");
  push("2", "two");
  run();
  replicator->perform_rule("keep", false, never);
  ASSERT_TRUE(settled());
  client(near).delete_manifest(shop.at(*client(near).find_tag(shop.with_tag("2"), never)), never);
  replicator->perform_rule("keep", false, never);
  EXPECT_EQ(tags(far, mirror), (std::set<std::string>{"1", "2"}));
  replicator->perform_rule("mirror", false, never);
  EXPECT_FALSE(client(far).find_tag(mirror.with_tag("2"), never));
  EXPECT_TRUE(client(far).find_tag(mirror.with_tag("1"), never));
}

TEST_F(CarryTest, WhatARuleCarriedOfOnePlatformIsThereTheNextTime) {
  push("amd64", "one", R"({"team":"web"})");
  push("arm64", "two");
  boost::json::array parts;
  for (const char* architecture : {"amd64", "arm64"}) {
    const auto part = client(near).find_manifest(shop.with_tag(architecture), never);
    boost::json::object entry =
        lighterman::to_json(Descriptor{part->media_type, part->digest, part->bytes.size()})
            .as_object();
    entry["platform"] = {{"os", "linux"}, {"architecture", architecture}};
    parts.push_back(std::move(entry));
  }
  const boost::json::object index{
      {"schemaVersion", 2}, {"mediaType", media::oci_index}, {"manifests", std::move(parts)}};
  client(near).put_manifest(shop.with_tag("1.0"), std::string(media::oci_index),
                            boost::json::serialize(index), never);
  config::ReplicateRule& mirrored = rule("mirror");
  mirrored.tags = {"1.0"};
  mirrored.labels = {"team=web"};
  mirrored.terms.platforms = {"linux/amd64"};
  run();
  EXPECT_EQ(missing("mirror"), std::set<std::string>{"1.0"}) << "an index has its images' labels";
  replicator->perform_rule("mirror", false, never);
  ASSERT_TRUE(settled());
  EXPECT_NE(client(far).find_tag(mirror.with_tag("1.0"), never),
            client(near).find_tag(shop.with_tag("1.0"), never));
  EXPECT_TRUE(missing("mirror").empty()) << "it would be carried again and again";
}

TEST_F(CarryTest, ARepositoryThatIsNotThereYetIsNotAskedForEachBlob) {
  for (int i = 0; i < 21; ++i) push(concat("v", i), concat("content ", i));
  rule("mirror");
  run();
  replicator->perform_rule("mirror", false, never);
  ASSERT_TRUE(settled());
  EXPECT_EQ(tags(far, mirror).size(), 21U);
  EXPECT_EQ(far.count_requests("HEAD", "/blobs/"), 0U);
}

TEST_F(CarryTest, AnEmptySourceDeletesNothingOverThere) {
  push("1.0", "one");
  config::ReplicateRule& mirrored = rule("mirror");
  mirrored.delete_vanished = true;
  run();
  replicator->perform_rule("mirror", false, never);
  ASSERT_TRUE(settled());
  ASSERT_EQ(tags(far, mirror), std::set<std::string>{"1.0"});
  mirrored.from = {concat(near.host(), "/typo/shop")};
  start();
  EXPECT_THROW(replicator->perform_rule("mirror", false, never), Error);
  EXPECT_EQ(tags(far, mirror), std::set<std::string>{"1.0"});
}

TEST_F(CarryTest, TwoRepositoriesThatWouldDeleteEachOthersTagsAreRefused) {
  config::ReplicateRule& mirrored = rule("mirror");
  mirrored.delete_vanished = true;
  mirrored.from = {concat(near.host(), "/a/shop"), concat(near.host(), "/b/shop")};
  start();
  try {
    plan_replication(*yard, mirrored, never);
    FAIL() << "both go to mirror/shop";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("a/shop and "), std::string::npos) << error.what();
  }
}

TEST_F(CarryTest, ARepositoryThatCannotBeAskedKeepsTheOthersFromNothing) {
  push("1.0", "one");
  config::ReplicateRule& mirrored = rule("mirror");
  mirrored.from.push_back("127.0.0.1:1/away/other");
  config->registries["127.0.0.1:1"].host = "127.0.0.1:1";
  config->registries["127.0.0.1:1"].retry.attempts = 1;
  start();
  EXPECT_EQ(missing("mirror"), std::set<std::string>{"1.0"});
  ASSERT_EQ(plan.failures.size(), 1U);
  EXPECT_NE(plan.failures[0].find("away/other"), std::string::npos);
}

TEST_F(CarryTest, AnOlderImageThatWasHeldUpDoesNotTakeTheTagBack) {
  const Digest older = push("latest", "older");
  push("1.2.3", "older still");
  run();
  far.stop();
  const std::int64_t first =
      store.add_replication(replication("a", shop.at(older), mirror, {"latest", "1.2.2"}));
  ASSERT_TRUE(support::eventually([&] { return store.get_replication(first).tries > 1; }));
  const Digest newer = push("latest", "newer");
  store.add_replication(replication("a", shop.at(newer), mirror, {"latest", "1.2.3"}));
  far.start();
  ASSERT_TRUE(settled());
  EXPECT_EQ(client(far).find_tag(mirror.with_tag("latest"), never), newer);
  EXPECT_EQ(client(far).find_tag(mirror.with_tag("1.2.2"), never), older);
}

TEST(DueTest, WhatGoesOnFailingIsTriedLessAndLessOften) {
  os::ScratchFolder folder;
  store::Store store({folder.path() / "l.db"});
  Due due(store, "retain", "old");
  const Instant start = parse_time("2026-01-01T00:00:30Z");
  const auto at = [&](int minutes) { return start + std::chrono::minutes(minutes); };
  EXPECT_FALSE(due.is_due("* * * * *", start)) << "first at the schedule's next time";
  ASSERT_TRUE(due.is_due("* * * * *", at(1)));
  due.failed(at(1));
  EXPECT_TRUE(due.is_due("* * * * *", at(2)));
  due.failed(at(2));
  EXPECT_FALSE(due.is_due("* * * * *", at(3)));
  EXPECT_TRUE(due.is_due("* * * * *", at(4)));
  for (int i = 0; i < 20; ++i) due.failed(at(4));
  EXPECT_FALSE(due.is_due("* * * * *", at(60)));
  EXPECT_TRUE(due.is_due("* * * * *", at(70)));
  due.done(at(70));
  EXPECT_TRUE(due.is_due("* * * * *", at(71)));
  due.failed(at(71));
  EXPECT_TRUE(due.is_due("* * * * *", at(72))) << "the failures before the success are over";
}

TEST_F(CarryTest, OnlySignedImagesTravelWhereTheRuleSaysSo) {
  const Secret password("s3cret");
  trust::Keyring ring(folder.path() / "keys");
  ring.add("release", password, system_now());
  config->keys.emplace().folder = folder.path() / "keys";
  rule("signed").terms.only_signed = true;
  push("bare", "one");
  push("signed", "two");
  const trust::Key key = trust::open(ring.entries("release").front(), password);
  attach(get_subject(client(near), shop.with_tag("signed"), never), {key}, {Assertion::signature()},
         SignatureForms::both, system_now(), never);
  run();
  replicator->perform_rule("signed", false, never);
  ASSERT_TRUE(settled());
  EXPECT_FALSE(client(far).find_tag(mirror.with_tag("bare"), never));
  const auto there = get_subject(client(far), mirror.with_tag("signed"), never);
  const std::vector<trust::PublicKey> keys{ring.entries("release").front().public_key};
  EXPECT_TRUE(verify(client(far), there.image, keys, {}, never).good());
  const auto failed = store.replications({.state = ReplicationState::failed});
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed.front().tries, 1) << "what policy forbids is not tried again";
  EXPECT_NE(failed.front().why.find("only signed images"), std::string::npos);
}

TEST_F(CarryTest, IsTriedAgainWhileTheOtherRegistryIsAway) {
  push("1", "one");
  far.stop();
  run();
  const Replication sent = replicator->send(shop.with_tag("1"), mirror, {}, {}, "ann", never);
  EXPECT_EQ(sent.tags, std::vector<std::string>{"1"});
  EXPECT_TRUE(support::eventually([&] { return store.get_replication(sent.id).tries > 1; }));
  far.start();
  ASSERT_TRUE(settled());
  EXPECT_EQ(store.get_replication(sent.id).state, ReplicationState::done)
      << store.get_replication(sent.id).why;
  EXPECT_THROW(replicator->send(shop.with_tag("nope"), mirror, {}, {}, "ann", never), Error);
}

TEST_F(CarryTest, OneThatIsCancelledOrTakesTooLongStops) {
  const std::string much(8 << 20, 'x');
  push("1", much);
  config->registries[far.host()].push_limit = 1 << 20;
  config->replication_limit = std::chrono::seconds(1);
  run();
  const Replication slow = replicator->send(shop.with_tag("1"), mirror, {"slow"}, {}, "ann", never);
  ASSERT_TRUE(support::eventually(
      [&] {
        return store.get_replication(slow.id).why.find("longer than 1s") != std::string::npos;
      },
      std::chrono::seconds(30)));
  EXPECT_TRUE(store.cancel_replication(slow.id, "cancelled by ann"));
  ASSERT_TRUE(settled());
  EXPECT_EQ(store.get_replication(slow.id).state, ReplicationState::cancelled);
  EXPECT_FALSE(client(far).find_tag(mirror.with_tag("slow"), never));
}

TEST_F(CarryTest, AMirrorIsAskedForWhatArrivedAndTheRulesSpeedIsKept) {
  support::RealRegistry cache({.mirror_of = far.url()});
  auto& mirrored = rule("mirrored");
  mirrored.terms.warm = {cache.url(), "http://127.0.0.1:9"};
  mirrored.terms.push_limit = 300'000;
  push("1.0", std::string(250'000, 'x'));
  run();
  const auto begun = std::chrono::steady_clock::now();
  replicator->perform_rule("mirrored", false, never);
  ASSERT_TRUE(settled());
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(650));
  const Replication done = store.replications({}).at(0);
  EXPECT_EQ(done.state, ReplicationState::done) << done.why;
  ASSERT_EQ(done.notes.size(), 2U);
  EXPECT_NE(done.notes[0].find("has it: 2 blobs"), std::string::npos) << done.notes[0];
  EXPECT_NE(done.notes[1].find("does not have it"), std::string::npos)
      << "a mirror that is away is no failure, and is told: " << done.notes[1];
  far.stop();
  EXPECT_TRUE(
      yard->registry(cache.host())
          .find_manifest(
              Reference::parse(concat(cache.host(), "/mirror/shop")).at(*done.source.digest()),
              never))
      << "the mirror serves it without its source";
}

/// Takes connections, and says nothing.
class SilentPort {
 public:
  SilentPort() {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    auto* const where = reinterpret_cast<sockaddr*>(&address_);
    EXPECT_EQ(::bind(socket_, where, size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    EXPECT_EQ(::getsockname(socket_, where, &size), 0);
  }
  SilentPort(const SilentPort&) = delete;
  SilentPort& operator=(const SilentPort&) = delete;
  ~SilentPort() { ::close(socket_); }
  std::string url() const { return concat("http://127.0.0.1:", ntohs(address_.sin_port)); }

 private:
  int socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address_{};
};

TEST_F(CarryTest, AMirrorIsNotAskedAgainForWhatWasThereBefore) {
  support::RealRegistry cache({.mirror_of = far.url()});
  rule("mirrored").terms.warm = {cache.url()};
  push("1.0", "content");
  run();
  replicator->perform_rule("mirrored", false, never);
  ASSERT_TRUE(settled());
  client(near).put_manifest(shop.with_tag("2.0"), std::string(media::oci_manifest),
                            client(near).find_manifest(shop.with_tag("1.0"), never)->bytes, never);
  replicator->perform_rule("mirrored", false, never);
  ASSERT_TRUE(settled());
  const std::vector<Replication> done = store.replications({});
  ASSERT_EQ(done.size(), 2U);
  for (const Replication& each : done) {
    ASSERT_EQ(each.notes.size(), 1U) << each.why;
    const bool first = each.tags == std::vector<std::string>{"1.0"};
    EXPECT_NE(each.notes[0].find(first ? "has it: 2 blobs" : "has it: 0 blobs"), std::string::npos)
        << each.notes[0];
  }
}

TEST_F(CarryTest, AMirrorThatNeverAnswersDoesNotUndoTheCopy) {
  const SilentPort silent;
  rule("mirrored").terms.warm = {silent.url()};
  config->replication_limit = std::chrono::seconds(2);
  push("1.0", "content");
  run();
  replicator->perform_rule("mirrored", false, never);
  ASSERT_TRUE(settled());
  const Replication done = store.replications({}).at(0);
  EXPECT_EQ(done.state, ReplicationState::done) << done.why;
  EXPECT_EQ(done.tries, 1);
  ASSERT_EQ(done.notes.size(), 1U);
  EXPECT_NE(done.notes[0].find("does not have it"), std::string::npos) << done.notes[0];
}

TEST_F(CarryTest, ARuleWithoutATargetOnlyWarms) {
  support::RealRegistry cache({.mirror_of = near.url()});
  auto& warming = config->replicate.emplace_back();
  warming.name = "warming";
  warming.terms.warm = {cache.url()};
  start();
  const PublishedImage image{
      shop.at(push("1.0", "content")), {}, {{"1.0", TagOutcome::Fate::created, ""}}};
  const auto made = replications_after(*config, 5, {image}, {});
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(made[0].target, shop);
  run();
  store.add_replication(made[0]);
  ASSERT_TRUE(settled());
  const Replication done = store.replications({}).at(0);
  EXPECT_EQ(done.state, ReplicationState::done) << done.why;
  EXPECT_EQ(done.sent_bytes, 0U);
  ASSERT_EQ(done.notes.size(), 1U);
  EXPECT_NE(done.notes[0].find("has it: 2 blobs"), std::string::npos) << done.notes[0];
}

TEST_F(CarryTest, WhatPluginsAskForNamesImageTagsAndPlace) {
  PublishedImage image{shop.at(os::sha256("x")), {}, {}};
  image.tags.push_back({"1.0", TagOutcome::Fate::created, ""});
  image.tags.push_back({"latest", TagOutcome::Fate::held_back, "newer"});
  const auto made = replications_for(
      {"replicate", "releases", {{"to", {far.host() + "/x"}}, {"rename", "m-{name}"}}}, 5, image);
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(made[0].target.name(), far.host() + "/x/m-shop");
  EXPECT_EQ(made[0].tags, std::vector<std::string>{"1.0"});
  EXPECT_EQ(made[0].run, 5);
  const auto promoted =
      replications_for({"promote", "p", {{"to", "production/web"}, {"tags", {"2"}}}}, 5, image);
  EXPECT_EQ(promoted.at(0).target.name(), near.host() + "/production/web");
}

}  // namespace
}  // namespace lighterman::pipeline
