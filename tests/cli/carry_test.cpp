// Images on their way to other registries, as an operator sees them.
#include <gtest/gtest.h>

#include <set>

#include "cli/daemon.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "registry/scene.hpp"
#include "support/peers.hpp"

namespace lighterman::cli {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A harbour with a second registry that images go on to.
struct TwoHarbours : Harbour {
  void configure(const std::string& more = "") {
    write_config(concat("replicate:\n  - {name: far, to: ", far.host(), "/mirror, tags: [main]}\n",
                        "  - {name: again, to: ", far.host(),
                        "/again, when: manual}\nretain:\n  - {name: old, repositories: ", image(),
                        ", keep: 1, by: time, live_branches: false, protect: [main]}\n", more));
  }
  void build(const std::string& text) {
    git.write("text.txt", text);
    git.commit(text);
    const Said said = say({"run", "--source", "shop", "--ref", "main", "--follow"});
    ASSERT_EQ(said.code, 0) << said.out << said.err;
  }
  bool all_carried() const {
    return support::eventually(
        [&] {
          const boost::json::value page = json({"replications", "--limit", "200"});
          for (const auto& each : page.at("replications").as_array())
            if (each.at("ended").is_null() || each.at("state") == "waiting") return false;
          return true;
        },
        std::chrono::seconds(120));
  }
  std::string name() const { return image().substr(image().rfind('/') + 1); }
  support::RealRegistry far;
};

/// What a repository had confirmed (201) is not confirmed to it a second time.
void expect_nothing_confirmed_twice(const support::RealRegistry& registry,
                                    const std::string& below) {
  std::set<std::string> confirmed;
  for (const std::string& line : split(registry.access_log(), '\n')) {
    const bool blob =
        has(line, concat("PUT ", below)) && has(line, "/blobs/uploads/") && has(line, " 201 ");
    if (!blob) continue;
    const std::size_t from = line.find("/v2/"), digest = line.find("digest=");
    const std::string key = concat(line.substr(from, line.find("/blobs") - from),
                                   line.substr(digest, line.find_first_of("& ", digest) - digest));
    EXPECT_TRUE(confirmed.insert(key).second) << line;
  }
}

TEST(Carry, WhatIsPublishedGoesOnToTheOtherRegistryAndIsShown) {
  TwoHarbours harbour;
  harbour.configure();
  harbour.start();
  harbour.build("one");
  ASSERT_TRUE(harbour.all_carried());
  const Said shown = harbour.say({"replications"});
  EXPECT_EQ(shown.code, 0);
  EXPECT_TRUE(has(shown.out,
                  concat("done  ", harbour.far.host(), "/mirror/", harbour.name(), ":main  (far)")))
      << shown.out;
  const support::Peers peers(harbour.file(""));
  peers.must("crane", {"validate", "--insecure", "--remote",
                       concat(harbour.far.host(), "/mirror/", harbour.name(), ":main")});
  const Said run = harbour.say({"logs", "1"});
  EXPECT_TRUE(has(run.out, "replication 1 carries it to ")) << run.out;

  const Said dry = harbour.say({"replicate", "again", "--dry-run"});
  EXPECT_TRUE(has(dry.out, "would carry ")) << dry.out << dry.err;
  EXPECT_EQ(harbour.say({"replicate", "again"}).code, 0);
  ASSERT_TRUE(harbour.all_carried());
  EXPECT_TRUE(has(harbour.say({"replicate", "again", "--dry-run"}).out, "tags are there already"));
  EXPECT_EQ(harbour.say({"replicate", "agian"}).code, 3);

  const Said promoted = harbour.say(
      {"promote", harbour.image() + ":main", harbour.far.host() + "/prod/web:1.0", "--follow"});
  EXPECT_EQ(promoted.code, 0) << promoted.out << promoted.err;
  const std::string place = harbour.far.host() + "/prod/web:1.0";
  EXPECT_EQ(peers.must("crane", {"digest", "--insecure", place}),
            peers.must("crane", {"digest", "--insecure", harbour.image() + ":main"}));
  EXPECT_EQ(harbour.say({"promote", harbour.image() + ":nope", place}).code, 3);
}

TEST(Carry, OldTagsAreShownBeforeTheyGo) {
  TwoHarbours harbour;
  harbour.configure();
  harbour.start();
  const support::Peers peers(harbour.file(""));
  harbour.build("one");
  peers.must("crane", {"tag", "--insecure", harbour.image() + ":main", "first"});
  harbour.build("two");
  const Said plan = harbour.say({"retain", "old"});
  EXPECT_EQ(plan.code, 0) << plan.err;
  EXPECT_TRUE(has(plan.out, "keep    main  (protected)")) << plan.out;
  EXPECT_TRUE(has(plan.out, "delete  first  (no rule keeps it)")) << plan.out;
  EXPECT_TRUE(has(plan.out, "delete  sha256:")) << plan.out;
  EXPECT_TRUE(has(plan.out, "lighterman retain old --apply")) << plan.out;
  EXPECT_TRUE(harbour.published("first"));
  EXPECT_EQ(harbour.say({"retain", "old", "--apply"}).code, 0);
  const Said trail = harbour.say({"audit", "show"});
  EXPECT_TRUE(has(trail.out, "rule \"old\"  delete  ")) << trail.out;
  EXPECT_TRUE(has(trail.out, "somebody on this machine  retain  rule old")) << trail.out;
  EXPECT_FALSE(harbour.published("first"));
  EXPECT_TRUE(harbour.published("main"));
}

TEST(Carry, AHundredReplicationsThatADeadDaemonLeftEndCompleteAndSendNothingTwice) {
  TwoHarbours harbour;
  harbour.configure();
  harbour.start();
  harbour.build("one");
  ASSERT_TRUE(harbour.all_carried());
  harbour.far.clear_access_log();
  constexpr int count = 100;
  for (int i = 0; i < count; ++i)
    ASSERT_EQ(harbour
                  .say({"promote", harbour.image() + ":main",
                        concat(harbour.far.host(), "/many/r", i, ":1")})
                  .code,
              0);
  harbour.kill();
  harbour.start();
  ASSERT_TRUE(harbour.all_carried());
  int done = 0;
  const boost::json::value page = harbour.json({"replications", "--limit", "200"});
  for (const auto& each : page.at("replications").as_array())
    done += each.at("state") == "done" ? 1 : 0;
  EXPECT_GE(done, count);
  const support::Peers peers(harbour.file(""));
  for (const int i : {0, count / 2, count - 1})
    peers.must("crane", {"validate", "--insecure", "--fast", "--remote",
                         concat(harbour.far.host(), "/many/r", i, ":1")});
  expect_nothing_confirmed_twice(harbour.far, "/v2/many/");
}

/// So many images, no two with a layer in common, as tags v0, v1 and so on.
void put_images(const Reference& repository, int count) {
  test::Scene scene;
  registry::Client client(test::Scene::options(repository.host()), scene.store);
  const auto put = [&](const test::Blob& blob) {
    client.bring(blob.source, repository, [](const Digest&, std::uint64_t, std::uint64_t) {}, {});
    return concat(R"("digest":")", blob.digest(), R"(","size":)", blob.bytes.size(), '}');
  };
  for (int i = 0; i < count; ++i) {
    const auto seed = static_cast<unsigned>(3 * i);
    const test::Blob config(500, seed), small(30'000, seed + 1), large(1'500'000, seed + 2);
    const std::string layer = concat(R"({"mediaType":")", media::oci_layer_gzip, R"(",)");
    const std::string manifest =
        concat(R"({"schemaVersion":2,"mediaType":")", media::oci_manifest,
               R"(","config":{"mediaType":")", media::oci_config, R"(",)", put(config),
               R"(,"layers":[)", layer, put(small), ',', layer, put(large), "]}");
    client.put_manifest(repository.with_tag(concat('v', i)), std::string(media::oci_manifest),
                        manifest, {});
  }
}

TEST(Carry, ADaemonThatIsKilledAgainAndAgainCarriesAHundredImagesAndSendsNothingTwice) {
  constexpr int count = 100;
  TwoHarbours harbour;
  const Reference near = Reference::parse(the_registry().host() + "/killed/images");
  put_images(near, count);
  harbour.write_config(concat("replicate:\n  - {name: many, to: ", harbour.far.host(),
                              "/there, from: ", near.name(), ", when: manual}\n"));
  harbour.start();
  ASSERT_EQ(harbour.say({"replicate", "many"}).code, 0);
  const auto confirmed = [&] { return harbour.far.count_requests("PUT", "/blobs/uploads/"); };
  int kills = 0;
  // Wherever it is by then: between blobs, in the middle of one, before a tag.
  for (const std::size_t blobs : {20U, 75U, 130U, 190U, 250U}) {
    ASSERT_TRUE(
        support::eventually([&] { return confirmed() >= blobs; }, std::chrono::seconds(60)));
    harbour.kill();
    ++kills;
    harbour.start();
  }
  ASSERT_TRUE(harbour.all_carried());
  EXPECT_EQ(kills, 5);

  int done = 0;
  const boost::json::value page = harbour.json({"replications", "--limit", "200"});
  for (const auto& each : page.at("replications").as_array())
    done += each.at("state") == "done" ? 1 : 0;
  EXPECT_EQ(done, count);
  EXPECT_TRUE(
      has(harbour.say({"sync", near.name(), harbour.far.host() + "/there/images", "--dry-run"}).out,
          concat(count, " tags are there already")));
  EXPECT_GE(confirmed(), std::size_t{3 * count});
  expect_nothing_confirmed_twice(harbour.far, "/v2/there/");
}

TEST(Carry, CopyAndSyncNeedNoDaemon) {
  TwoHarbours harbour;
  harbour.configure();
  harbour.start();
  harbour.build("one");
  const std::string there = harbour.far.host() + "/by/hand";
  const Said copied = harbour.say({"copy", harbour.image() + ":main", there + ":main"});
  EXPECT_EQ(copied.code, 0) << copied.err;
  EXPECT_TRUE(has(copied.out, " sent")) << copied.out;
  EXPECT_TRUE(has(harbour.say({"sync", harbour.image(), there, "--dry-run"}).out,
                  "1 tag is there already"));
  harbour.build("two");
  const Said synced = harbour.say({"sync", harbour.image(), there});
  EXPECT_EQ(synced.code, 0) << synced.err;
  EXPECT_TRUE(has(synced.out, "2 images carried")) << synced.out;
  EXPECT_EQ(harbour.say({"copy", harbour.image() + ":nope", there}).code, 3);
  EXPECT_EQ(harbour.say({"copy", "not/a reference", there}).code, 2);
}

}  // namespace
}  // namespace lighterman::cli
