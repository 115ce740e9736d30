// Which tags and manifests stay in a registry, and what goes with those that do not.
#include "pipeline/retention.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "core/error.hpp"
#include "core/json.hpp"
#include "pipeline/carry.hpp"
#include "pipeline/signing.hpp"
#include "registry/fake_harbor.hpp"
#include "registry/referrers.hpp"
#include "trust/keys.hpp"

namespace lighterman::pipeline {
namespace {

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
std::string artifact(const Digest& digest, const std::string& pulled,
                     const std::string& pushed = "2026-01-01T00:00:00.000Z") {
  return concat(R"({"digest":")", digest, R"(","push_time":")", pushed, R"(","pull_time":")",
                pulled, R"(","references":[]})");
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

TEST_F(RetainTest, HarborKnowsTheAgeOfAnImageWithoutATrueDate) {
  test::FakeHarbor harbor;
  const std::string never_pulled = "0001-01-01T00:00:00.000Z";
  for (const char* tag : {"today", "january"}) {
    const std::string bytes = concat(R"({"tag":")", tag, "\"}");
    const Digest digest = os::sha256(bytes);
    const std::lock_guard lock(harbor.registry.mutex);
    for (const std::string& name : {std::string(tag), digest.text()})
      harbor.registry.manifests[{"acme/team/shop", name}] = {std::string(media::oci_manifest),
                                                             bytes};
    harbor.artifacts.push_back(std::string(tag) == "today"
                                   ? artifact(digest, never_pulled, render_time(system_now()))
                                   : artifact(digest, never_pulled));
  }
  registry::Options& options = config->registries[harbor.host()];
  options.host = harbor.host();
  options.username = "robot$ci";
  os::replace_file(folder.path() / "password", "s3cret", 0600);
  options.password_place = concat("file:", (folder.path() / "password").native());
  start();
  config::RetainRule rule;
  rule.name = "young";
  rule.repositories = {concat(harbor.host(), "/acme/team/shop")};
  rule.newer_than = std::chrono::hours(24);
  EXPECT_EQ(kept(rule), std::set<std::string>{"today"});
}

TEST_F(RetainTest, ARegistryThatIsAwayKeepsTheOthersFromNothingWhileTheyAreCleared) {
  push("1.0.0", "one");
  push("2.0.0", "two");
  config->registries["127.0.0.1:1"].host = "127.0.0.1:1";
  config->registries["127.0.0.1:1"].retry.attempts = 1;
  start();
  kept(newest(1));
  fates.insert(
      fates.begin(),
      RepositoryFate{Reference::parse("127.0.0.1:1/away/shop"), {}, {os::sha256("x")}, {}});
  EXPECT_THROW(apply(), Error);
  EXPECT_EQ(tags(near, shop), std::set<std::string>{"2.0.0"});
}

TEST_F(RetainTest, VersionsThatTheRuleDoesNotLookAtTakeNoPlaceAmongTheNewest) {
  for (const char* tag : {"1.0.0", "1.1.0", "2.0.0", "2.1.0"}) push(tag, tag);
  config::RetainRule rule = newest(1);
  rule.tags = {"1.*"};
  EXPECT_EQ(kept(rule), (std::set<std::string>{"1.1.0", "2.0.0", "2.1.0"}));
}

/// An index over images of the shop, under a tag.
Digest put_index(registry::Client& client, const Reference& shop, const std::string& tag,
                 const std::vector<std::string>& parts) {
  boost::json::array manifests;
  for (const std::string& each : parts) {
    const auto part = client.find_manifest(shop.with_tag(each), never);
    manifests.push_back(
        lighterman::to_json(Descriptor{part->media_type, part->digest, part->bytes.size()}));
  }
  const boost::json::object index{{"schemaVersion", 2},
                                  {"mediaType", media::oci_index},
                                  {"annotations", {{"made-as", tag}}},
                                  {"manifests", std::move(manifests)}};
  return client.put_manifest(shop.with_tag(tag), std::string(media::oci_index),
                             boost::json::serialize(index), never);
}

TEST_F(RetainTest, AnIndexOfWhichAPlatformRunsSomewhereStays) {
  const Digest part = push("0.1.0", "part");
  put_index(client(near), shop, "1.0.0", {"0.1.0"});
  push("2.0.0", "two");
  config::RetainRule rule = newest(1);
  os::replace_file(folder.path() / "in-use", part.text());
  rule.deployed = folder.path() / "in-use";
  EXPECT_EQ(kept(rule), (std::set<std::string>{"0.1.0", "1.0.0", "2.0.0"}));
}

TEST_F(RetainTest, AListOfWhatRunsThatIsEmptyLetsNothingGo) {
  push("1.0.0", "one");
  push("2.0.0", "two");
  config::RetainRule rule = newest(1);
  os::replace_file(folder.path() / "in-use", "# nothing?\n\n");
  rule.deployed = folder.path() / "in-use";
  EXPECT_THROW(kept(rule), Error);
}

TEST_F(RetainTest, ATagThatWasMadeMeanwhileKeepsItsImage) {
  const Digest one = push("1.0.0", "one");
  push("2.0.0", "two");
  kept(newest(1));
  client(near).put_manifest(shop.with_tag("stable"), std::string(media::oci_manifest),
                            client(near).find_manifest(shop.at(one), never)->bytes, never);
  apply();
  EXPECT_EQ(client(near).find_tag(shop.with_tag("stable"), never), one);
}

TEST_F(RetainTest, AnIndexThatWasMadeMeanwhileKeepsItsParts) {
  const Digest one = push("1.0.0", "one");
  push("2.0.0", "two");
  kept(newest(1));
  put_index(client(near), shop, "all", {"1.0.0", "2.0.0"});
  apply();
  EXPECT_TRUE(client(near).find_manifest(shop.at(one), never));
}

TEST_F(RetainTest, AReportThatATagNamesOutlivesItsImage) {
  const Digest one = push("1.0.0", "one");
  push("2.0.0", "two");
  const trust::Key key = trust::Key::make();
  attach(get_subject(client(near), shop.with_tag("1.0.0"), never), {key}, {Assertion::signature()},
         SignatureForms::bundle, system_now(), never);
  const auto beside = registry::find_referrers(client(near), shop, one, "", never);
  ASSERT_FALSE(beside.empty());
  const auto report = client(near).find_manifest(shop.at(beside[0].manifest.digest), never);
  client(near).put_manifest(shop.with_tag("report"), report->media_type, report->bytes, never);
  kept(newest(1));
  // The only signed one stays by itself; here it is to go.
  for (TagFate& each : fates.at(0).tags)
    if (each.tag == "1.0.0") each.keep = false;
  fates.at(0).deleted = {one};
  apply();
  EXPECT_FALSE(client(near).find_manifest(shop.at(one), never));
  EXPECT_EQ(client(near).find_tag(shop.with_tag("report"), never), report->digest);
}

TEST_F(RetainTest, TwoIndexesThatGoTakeTheirSharedPartOnce) {
  push("part", "part");
  put_index(client(near), shop, "1.0.0", {"part"});
  put_index(client(near), shop, "1.1.0", {"part"});
  push("2.0.0", "two");
  client(near).delete_tag(shop.with_tag("part"),
                          *client(near).find_tag(shop.with_tag("part"), never), never);
  EXPECT_EQ(kept(newest(1)), std::set<std::string>{"2.0.0"});
  EXPECT_EQ(fates.at(0).deleted.size(), 3U);
  apply();
  EXPECT_EQ(kept(newest(1)), std::set<std::string>{"2.0.0"});
}

TEST_F(RetainTest, AnIndexThatItsRegistryHoldsOnToKeepsItsParts) {
  push("part", "part");
  put_index(client(near), shop, "1.0.0", {"part"});
  const Digest part = *client(near).find_tag(shop.with_tag("part"), never);
  const Digest index = *client(near).find_tag(shop.with_tag("1.0.0"), never);
  test::FakeRegistry fake;
  const Reference held = Reference::parse(concat(fake.host(), "/acme/shop"));
  config->registries[fake.host()].host = fake.host();
  start();
  const auto put = [&](const std::string& name, const Digest& from) {
    const auto manifest = client(near).find_manifest(shop.at(from), never);
    fake.manifests[{"acme/shop", name}] = {manifest->media_type, manifest->bytes};
  };
  put(part.text(), part);
  put(index.text(), index);
  put("1.0.0", index);
  fake.next(concat("DELETE /v2/acme/shop/manifests/", index), 412, "PRECONDITION");
  fates = {{held, {{"1.0.0", index, false, "no rule keeps it"}}, {index, part}, {}}};
  apply();
  EXPECT_TRUE(fake.manifests.contains({"acme/shop", index.text()}));
  EXPECT_TRUE(fake.manifests.contains({"acme/shop", part.text()}));
}

TEST_F(RetainTest, WhatWaitsToBeCarriedElsewhereStaysUntilThen) {
  const Digest one = push("1.0.0", "one");
  push("2.0.0", "two");
  store.add_replication(replication("mirror", shop.at(one), mirror, {"1.0.0"}));
  EXPECT_EQ(kept(newest(1)), (std::set<std::string>{"1.0.0", "2.0.0"}));
}

TEST_F(RetainTest, AnImageWithoutATrueDateIsNotTakenForAnOldOne) {
  push("1.0.0", "one");
  const auto manifest = client(near).find_manifest(shop.with_tag("1.0.0"), never);
  const std::string config = R"({"os":"linux","architecture":"amd64",)"
                             R"("created":"1980-01-01T00:00:00Z","rootfs":{"type":"layers"}})";
  const Descriptor blob{std::string(media::oci_config), os::sha256(config), config.size()};
  client(near).bring({blob,
                      [&](std::uint64_t offset) {
                        return
                            [rest = config.substr(offset)](char* into, std::size_t room) mutable {
                              const std::size_t part = rest.copy(into, room);
                              rest.erase(0, part);
                              return part;
                            };
                      }},
                     shop, {}, never);
  client(near).put_manifest(
      shop.with_tag("reproducible"), std::string(media::oci_manifest),
      Manifest::compose(blob, Manifest::parse(manifest->bytes).layers()).bytes(), never);
  config::RetainRule rule;
  rule.name = "young";
  rule.repositories = {shop.name()};
  rule.newer_than = std::chrono::hours(24);
  EXPECT_EQ(kept(rule), std::set<std::string>{"reproducible"});
  rule.newer_than = std::chrono::hours(24 * 365 * 100);
  EXPECT_EQ(kept(rule), (std::set<std::string>{"1.0.0", "reproducible"}));
}

TEST_F(RetainTest, ARepositoryThatCannotBeAskedKeepsTheOthersFromNothing) {
  push("1.0.0", "one");
  push("2.0.0", "two");
  config::RetainRule rule = newest(1);
  rule.repositories = {"127.0.0.1:1/away/shop", shop.name()};
  config->registries["127.0.0.1:1"].host = "127.0.0.1:1";
  config->registries["127.0.0.1:1"].retry.attempts = 1;
  start();
  const auto plan = plan_retention(*yard, store, rule, never);
  ASSERT_EQ(plan.size(), 2U);
  EXPECT_TRUE(plan[0].deleted.empty());
  EXPECT_NE(plan[0].notes.at(0).find("nothing goes"), std::string::npos);
  EXPECT_EQ(plan[1].deleted.size(), 1U);
  rule.repositories = {"127.0.0.1:1/away/shop"};
  EXPECT_THROW(plan_retention(*yard, store, rule, never), Error);
}

}  // namespace
}  // namespace lighterman::pipeline
