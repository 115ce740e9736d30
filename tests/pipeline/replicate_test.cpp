#include "pipeline/replicate.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "core/error.hpp"
#include "core/json.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "pipeline/replicator.hpp"
#include "pipeline/retention.hpp"
#include "pipeline/selection.hpp"
#include "pipeline/signing.hpp"
#include "registry/fake_harbor.hpp"
#include "registry/referrers.hpp"
#include "support/background.hpp"
#include "support/registry.hpp"
#include "trust/keyring.hpp"

namespace lighterman::pipeline {
namespace {

const std::stop_token never;

TEST(Selection, OfTheHandbooksPolicyAReleaseGoesAndACandidateDoesNot) {
  const Selection releases({R"(^v\d+\.\d+\.\d+$)"});
  EXPECT_TRUE(releases.takes("v1.2.3"));
  EXPECT_FALSE(releases.takes("v1.2.3-rc1"));
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

/// Two real registries under one configuration.
class CarryTest : public ::testing::Test {
 protected:
  CarryTest() {
    config->data = folder.path();
    for (const auto* each : {&near, &far}) {
      registry::Options& options = config->registries[each->host()];
      options.host = each->host();
      options.use_docker_config = false;
      options.retry.attempts = 1;
    }
  }
  config::ReplicateRule& rule(const std::string& name) {
    config::ReplicateRule& made = config->replicate.emplace_back();
    made.name = name;
    made.to = concat(far.host(), "/mirror");
    made.from = {shop.name()};
    return made;
  }
  void start() { yard = std::make_shared<Yard>(config, store); }
  registry::Client& client(const support::RealRegistry& registry) {
    return yard->registry(registry.host());
  }
  Digest push(const std::string& tag, const std::string& content,
              const std::string& labels = "{}") {
    if (!yard) start();
    const auto blob = [&](const std::string& bytes, std::string_view type) {
      const Descriptor descriptor{std::string(type), os::sha256(bytes), bytes.size()};
      client(near).bring({descriptor,
                          [&bytes](std::uint64_t offset) {
                            return [rest = bytes.substr(offset)](char* into,
                                                                 std::size_t room) mutable {
                              const std::size_t part = rest.copy(into, room);
                              rest.erase(0, part);
                              return part;
                            };
                          }},
                         shop, {}, never);
      return descriptor;
    };
    const Descriptor config =
        blob(concat(R"({"os":"linux","architecture":"amd64","created":"2026-01-0)",
                    1 + pushed++ % 9, R"(T00:00:00Z","config":{"Labels":)", labels,
                    R"(},"rootfs":{"type":"layers","diff_ids":[]}})"),
             media::oci_config);
    const Descriptor layer = blob(content, media::oci_layer_gzip);
    return client(near).put_manifest(shop.with_tag(tag), std::string(media::oci_manifest),
                                     Manifest::compose(config, {layer}).bytes(), never);
  }
  std::set<std::string> tags(const support::RealRegistry& registry, const Reference& repository) {
    const auto all = client(registry).tags(repository, never);
    return {all.begin(), all.end()};
  }
  std::set<std::string> missing(const std::string& name) {
    std::set<std::string> found;
    for (const config::ReplicateRule& each : config->replicate) {
      if (each.name != name) continue;
      plan = plan_replication(*yard, each, never);
      for (const Replication& one : plan.missing) found.insert(join(one.tags, ","));
    }
    return found;
  }
  void run() {
    start();
    replicator = std::make_unique<Replicator>(
        [this] { return yard; }, store,
        [this](std::string_view, const std::string& text) {
          told.with([&](std::string& all) { all += text + '\n'; });
        },
        net::Retry{100, std::chrono::milliseconds(50), std::chrono::milliseconds(100), {}});
  }
  bool settled() {
    return support::eventually([&] { return store.replications({.open = true}).empty(); });
  }

  os::ScratchFolder folder;
  store::Store store{{folder.path() / "l.db"}};
  support::RealRegistry near, far;
  std::shared_ptr<config::Config> config = std::make_shared<config::Config>();
  std::shared_ptr<Yard> yard;
  Reference shop = Reference::parse(concat(near.host(), "/acme/shop"));
  Reference mirror = Reference::parse(concat(far.host(), "/mirror/shop"));
  int pushed = 0;
  ReplicatePlan plan;
  Guarded<std::string> told;
  std::unique_ptr<Replicator> replicator;
};

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

// Retention -----------------------------------------------------------------------------------

class RetainTest : public CarryTest {
 protected:
  std::set<std::string> kept(const config::RetainRule& rule) {
    fates = plan_retention(*yard, store, rule, never);
    std::set<std::string> tags;
    for (const TagFate& each : fates.at(0).tags)
      if (each.keep) tags.insert(each.tag);
    return tags;
  }
  void apply() {
    perform_retention(
        *yard, store, fates, [](const std::string&) {}, never);
  }
  config::RetainRule newest(unsigned count) const {
    config::RetainRule rule;
    rule.name = "newest";
    rule.repositories = {shop.name()};
    rule.keep = count;
    return rule;
  }
  std::vector<RepositoryFate> fates;
};

TEST_F(RetainTest, TheNewestVersionsStayByVersionAndNotByName) {
  for (const char* tag : {"1.2.0", "1.10.0", "1.9.0", "1.10.0-rc.1", "latest", "nightly"})
    push(tag, tag);
  EXPECT_EQ(kept(newest(2)), (std::set<std::string>{"1.10.0", "1.10.0-rc.1", "latest", "nightly"}));
  apply();
  EXPECT_EQ(tags(near, shop),
            (std::set<std::string>{"1.10.0", "1.10.0-rc.1", "latest", "nightly"}));
}

TEST_F(RetainTest, ByTimeTheOldestGoAndWhatIsInUseStays) {
  const Digest first = push("a", "a");
  for (const char* tag : {"b", "c", "d"}) push(tag, tag);
  os::replace_file(folder.path() / "in-use",
                   concat("# running\n", first, "\n", shop.with_tag("b").text(), "  # web\n"));
  config::RetainRule rule = newest(1);
  rule.by_version = false;
  rule.deployed = folder.path() / "in-use";
  EXPECT_EQ(kept(rule), (std::set<std::string>{"a", "b", "d"}));
  os::replace_file(folder.path() / "in-use", "no digest: sha256:12\n");
  EXPECT_THROW(kept(rule), Error) << "an unreadable list must not delete what is in use";
}

TEST_F(RetainTest, AnotherTagOfAnImageThatStaysDoesNotTakeItAlong) {
  push("2.0.0", "two");
  push("1.0.0", "one");
  client(near).put_manifest(shop.with_tag("3.0.0"), std::string(media::oci_manifest),
                            client(near).find_manifest(shop.with_tag("1.0.0"), never)->bytes,
                            never);
  kept(newest(1));
  apply();
  EXPECT_TRUE(client(near).find_tag(shop.with_tag("3.0.0"), never));
  EXPECT_FALSE(client(near).find_tag(shop.with_tag("2.0.0"), never));
}

TEST_F(RetainTest, SignaturesGoWithTheirImageAndPartsOfAnIndexStay) {
  push("1.0.0", "one");
  push("3.0.0", "three");
  const trust::Key key = trust::Key::make();
  attach(get_subject(client(near), shop.with_tag("1.0.0"), never), {key}, {Assertion::signature()},
         SignatureForms::both, system_now(), never);
  attach(get_subject(client(near), shop.with_tag("3.0.0"), never), {key}, {Assertion::signature()},
         SignatureForms::both, system_now(), never);
  const auto part = client(near).find_manifest(shop.with_tag("1.0.0"), never);
  push("2.0.0", "two");
  const boost::json::object index{
      {"schemaVersion", 2},
      {"mediaType", media::oci_index},
      {"manifests",
       {lighterman::to_json(Descriptor{part->media_type, part->digest, part->bytes.size()})}}};
  client(near).put_manifest(shop.with_tag("4.0.0"), std::string(media::oci_index),
                            boost::json::serialize(index), never);
  EXPECT_EQ(kept(newest(2)), (std::set<std::string>{"3.0.0", "4.0.0"}));
  apply();
  EXPECT_TRUE(client(near).find_manifest(shop.at(part->digest), never)) << "4.0.0 needs it";
  EXPECT_FALSE(client(near).find_tag(shop.with_tag("1.0.0"), never));
  config::RetainRule rule = newest(1);
  const Digest third = *client(near).find_tag(shop.with_tag("3.0.0"), never);
  EXPECT_EQ(kept(rule), (std::set<std::string>{"3.0.0", "4.0.0"})) << "the only signed one stays";
  push("5.0.0", "five");
  attach(get_subject(client(near), shop.with_tag("5.0.0"), never), {key}, {Assertion::signature()},
         SignatureForms::both, system_now(), never);
  EXPECT_EQ(kept(rule), std::set<std::string>{"5.0.0"});
  apply();
  EXPECT_FALSE(client(near).find_manifest(shop.at(third), never));
  EXPECT_FALSE(client(near).find_tag(shop.with_tag(concat("sha256-", third.hex(), ".sig")), never));
  EXPECT_TRUE(registry::find_referrers(client(near), shop, third, "", never).empty());
}

TEST_F(RetainTest, EachDeletionIsToldOnceAfterIt) {
  const Digest one = push("1.0.0", "one");
  push("2.0.0", "two");
  kept(newest(1));
  std::vector<std::string> told;
  perform_retention(
      *yard, store, fates, [](const std::string&) {},
      [&](const Reference& gone, const std::string&) {
        told.push_back(gone.text());
        EXPECT_FALSE(client(near).find_manifest(shop.at(one), never)) << gone.text();
      },
      never);
  EXPECT_EQ(told, (std::vector<std::string>{shop.with_tag("1.0.0").text(), shop.at(one).text()}));
}

TEST_F(RetainTest, ATagThatMovedMeanwhileIsNotDeleted) {
  push("1.0.0", "one");
  push("2.0.0", "two");
  kept(newest(1));
  push("1.0.0", "one again");
  apply();
  EXPECT_TRUE(client(near).find_tag(shop.with_tag("1.0.0"), never));
}

/// What Harbor lists of an image.
std::string artifact(const Digest& digest, const std::string& pulled) {
  return concat(R"({"digest":")", digest, R"(","push_time":"2026-01-01T00:00:00.000Z",)",
                R"("pull_time":")", pulled, R"(","references":[]})");
}

TEST_F(RetainTest, WhatSomebodyPulledLatelyStaysWhereHarborTellsAndItsSpaceIsFreed) {
  test::FakeHarbor harbor;
  const Reference team = Reference::parse(concat(harbor.host(), "/acme/team/shop"));
  std::map<std::string, Digest> made;
  for (const char* tag : {"1.0.0", "1.1.0", "1.2.0"}) {
    const std::string bytes = concat(R"({"tag":")", tag, "\"}");
    made.emplace(tag, os::sha256(bytes));
    const std::lock_guard lock(harbor.registry.mutex);
    for (const std::string& name : {std::string(tag), made.at(tag).text()})
      harbor.registry.manifests[{"acme/team/shop", name}] = {std::string(media::oci_manifest),
                                                             bytes};
  }
  harbor.artifacts = {artifact(made.at("1.0.0"), render_time(system_now())),
                      artifact(made.at("1.1.0"), "0001-01-01T00:00:00.000Z"),
                      artifact(made.at("1.2.0"), "2026-01-01T00:00:00.000Z")};
  registry::Options& options = config->registries[harbor.host()];
  options.host = harbor.host();
  options.username = "robot$ci";
  os::replace_file(folder.path() / "password", "s3cret", 0600);
  options.password_place = concat("file:", (folder.path() / "password").native());
  options.collect_garbage = true;
  start();
  config::RetainRule rule;
  rule.name = "pulled";
  rule.repositories = {team.name()};
  rule.pulled_within = std::chrono::hours(24);
  rule.keep = 1;
  EXPECT_EQ(kept(rule), (std::set<std::string>{"1.0.0", "1.2.0"}));
  const auto pulled = std::ranges::find(fates.at(0).tags, "1.0.0", &TagFate::tag);
  EXPECT_EQ(pulled->why, "pulled within 1d");
  std::string said;
  perform_retention(
      *yard, store, fates, [&](const std::string& text) { said += text + '\n'; }, never);
  EXPECT_FALSE(harbor.registry.manifests.contains({"acme/team/shop", "1.1.0"}));
  EXPECT_TRUE(harbor.registry.manifests.contains({"acme/team/shop", "1.0.0"}));
  EXPECT_NE(said.find("garbage collection 41"), std::string::npos) << said;
  EXPECT_EQ(harbor.registry.count("POST /api/v2.0/system/gc/schedule"), 1U);

  rule.repositories = {shop.name()};
  push("1.0", "x");
  EXPECT_THROW(kept(rule), Error) << "docker's registry does not know, and nothing may go";
}

}  // namespace
}  // namespace lighterman::pipeline
