#include "registry/copy.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <thread>

#include "registry/referrers.hpp"
#include "registry/scene.hpp"
#include "support/peers.hpp"
#include "support/registry.hpp"

namespace lighterman::registry {
namespace {

namespace json = boost::json;
using test::Blob;
using test::failure_of;
using test::repository;
using test::Scene;

constexpr std::size_t mega = 1 << 20;
const std::stop_token never;

BlobSource source_of(const std::string& bytes, std::string_view type) {
  return {{std::string(type), os::sha256(bytes), bytes.size()}, [bytes](std::uint64_t offset) {
            return [rest = bytes.substr(offset)](char* into, std::size_t room) mutable {
              const std::size_t part = rest.copy(into, room);
              rest.erase(0, part);
              return part;
            };
          }};
}

/// Two real registries, and images in the first.
class CopyTest : public ::testing::Test {
 protected:
  Descriptor push(const std::string& bytes, std::string_view type) {
    const BlobSource source = source_of(bytes, type);
    from.bring(source, shop, {}, never);
    return source.descriptor;
  }
  StoredManifest put(const std::string& bytes, std::string_view type, const std::string& tag = "") {
    const Digest digest = os::sha256(bytes);
    from.put_manifest(tag.empty() ? shop.at(digest) : shop.with_tag(tag), std::string(type), bytes,
                      never);
    return {std::string(type), bytes, digest};
  }
  /// An image with a config that names its platform.
  StoredManifest image(const std::string& architecture, const std::vector<Blob*>& layers,
                       const std::string& tag = "") {
    std::vector<Descriptor> descriptors;
    for (Blob* layer : layers) {
      from.bring(layer->source, shop, {}, never);
      descriptors.push_back(layer->source.descriptor);
    }
    const Descriptor config = push(concat(R"({"os":"linux","architecture":")", architecture,
                                          R"(","rootfs":{"type":"layers","diff_ids":[]}})"),
                                   media::oci_config);
    return put(Manifest::compose(config, descriptors).bytes(), media::oci_manifest, tag);
  }
  StoredManifest index(const std::vector<std::pair<std::string, StoredManifest>>& images,
                       const std::string& tag) {
    json::array entries;
    for (const auto& [architecture, image] : images)
      entries.push_back({{"mediaType", image.media_type},
                         {"digest", image.digest.text()},
                         {"size", image.bytes.size()},
                         {"platform", {{"os", "linux"}, {"architecture", architecture}}}});
    return put(json::serialize(json::object{{"schemaVersion", 2},
                                            {"mediaType", media::oci_index},
                                            {"manifests", std::move(entries)}}),
               media::oci_index, tag);
  }
  /// Something that refers to a manifest: an SBOM, say.
  Digest refer(const StoredManifest& subject, const std::string& what) {
    const Descriptor empty = push("{}", "application/vnd.oci.empty.v1+json");
    const Descriptor layer = push(what, "application/vnd.cyclonedx+json");
    const json::object manifest{
        {"schemaVersion", 2},
        {"mediaType", media::oci_manifest},
        {"artifactType", "application/vnd.cyclonedx+json"},
        {"config", lighterman::to_json(empty)},
        {"layers", {lighterman::to_json(layer)}},
        {"subject", lighterman::to_json(
                        Descriptor{subject.media_type, subject.digest, subject.bytes.size()})}};
    TagEditor editor(from);
    const auto put = put_referrers(from, shop, subject.digest,
                                   {{std::string(media::oci_manifest), json::serialize(manifest)}},
                                   editor, never);
    editor.confirm(never);
    return put.front();
  }
  CopyOutcome carry(const Reference& image, const std::vector<std::string>& tags,
                    CopyOptions options = {}) {
    return copy(from, image, to, mirror, tags, options, {}, never);
  }
  std::size_t uploads() const {
    return there.count_requests("PUT", "/blobs/uploads/") +
           there.count_requests("PATCH", "/blobs/uploads/");
  }

  Scene scene;
  support::RealRegistry here, there;
  Client from{Scene::options(here.host()), scene.store};
  Client to{Scene::options(there.host()), scene.store};
  Reference shop = repository(here.host(), "acme/shop");
  Reference mirror = repository(there.host(), "mirror/shop");
  Blob base{3 * mega, 1}, app{mega, 2}, other{mega, 3};
};

TEST_F(CopyTest, AnImageArrivesWithItsSignaturesAndItsSbomAndOtherToolsTakeIt) {
  const StoredManifest made = image("amd64", {&base, &app}, "1.2.3");
  const Digest sbom = refer(made, R"({"bomFormat":"CycloneDX"})");
  const std::string signature = concat("sha256-", made.digest.hex(), ".sig");
  put(Manifest::compose(push("{\"sig\":1}", media::oci_config), {push("payload", "text/plain")})
          .bytes(),
      media::oci_manifest, signature);
  const CopyOutcome outcome = carry(shop.with_tag("1.2.3"), {"1.2.3", "1"});
  EXPECT_EQ(outcome.digest, made.digest);
  EXPECT_EQ(outcome.moved, (std::vector<std::string>{"1.2.3", "1"}));
  EXPECT_EQ(outcome.tally.referrers, 2U);
  EXPECT_TRUE(outcome.notes.empty());
  EXPECT_EQ(outcome.tally.sent, outcome.tally.total);
  EXPECT_EQ(to.find_tag(mirror.with_tag("1"), never), made.digest);
  EXPECT_TRUE(to.find_tag(mirror.with_tag(signature), never));
  const auto referrers = find_referrers(to, mirror, made.digest, "", never);
  ASSERT_EQ(referrers.size(), 1U);
  EXPECT_EQ(referrers.front().manifest.digest, sbom);
  EXPECT_EQ(referrers.front().artifact_type, "application/vnd.cyclonedx+json");
  const support::Peers peers(scene.folder.path());
  peers.must("crane",
             {"validate", "--insecure", "--fast", "--remote", mirror.with_tag("1.2.3").text()});
  peers.must("oras", {"discover", "--plain-http", mirror.with_tag("1.2.3").text()});
}

TEST_F(CopyTest, WhatIsThereIsNotSentAgain) {
  image("amd64", {&base, &app}, "1");
  carry(shop.with_tag("1"), {"1"});
  there.clear_access_log();
  const CopyOutcome again = carry(shop.with_tag("1"), {"1"});
  EXPECT_TRUE(again.moved.empty());
  EXPECT_EQ(uploads(), 0U);
  EXPECT_EQ(there.count_requests("PUT", "/manifests/"), 0U);
  image("amd64", {&base, &other}, "2");
  const CopyOutcome changed = carry(shop.with_tag("2"), {"2"});
  EXPECT_EQ(changed.tally.sent, mega);
  EXPECT_GE(changed.tally.present, 3 * mega);
}

TEST_F(CopyTest, ASignatureThatCameLaterIsCarriedAfterItsImage) {
  const StoredManifest made = image("amd64", {&app}, "1");
  carry(shop.with_tag("1"), {"1"});
  refer(made, "later");
  EXPECT_EQ(carry(shop.with_tag("1"), {"1"}).tally.referrers, 1U);
  EXPECT_EQ(find_referrers(to, mirror, made.digest, "", never).size(), 1U);
}

TEST_F(CopyTest, WithinOneRegistryTheBytesStayWhereTheyAre) {
  image("amd64", {&base}, "1");
  here.clear_access_log();
  const CopyOutcome outcome = copy(from, shop.with_tag("1"), from,
                                   repository(here.host(), "prod/shop"), {"1"}, {}, {}, never);
  EXPECT_EQ(outcome.tally.mounted, outcome.tally.total);
  EXPECT_EQ(here.count_requests("GET", "/blobs/sha256"), 0U);
}

TEST_F(CopyTest, OfAnIndexAllPlatformsTravelOrTheChosenOnes) {
  const StoredManifest amd = image("amd64", {&base}), arm = image("arm64", {&app});
  const StoredManifest both = index({{"amd64", amd}, {"arm64", arm}}, "1");
  EXPECT_EQ(carry(shop.with_tag("1"), {"all"}).digest, both.digest);
  EXPECT_TRUE(to.find_manifest(mirror.at(arm.digest), never));
  const Reference small = repository(there.host(), "small/shop");
  const CopyOutcome one =
      copy(from, shop.with_tag("1"), to, small, {"1"}, {{"linux/arm64"}, true, nullptr}, {}, never);
  EXPECT_NE(one.digest, both.digest);
  EXPECT_FALSE(to.find_manifest(small.at(amd.digest), never));
  EXPECT_EQ(one.notes.size(), 1U);
  const auto left = to.find_manifest(small.with_tag("1"), never);
  EXPECT_EQ(left->bytes.find("amd64"), std::string::npos);
  const Error none = failure_of([&] {
    carry(shop.with_tag("1"), {"x"}, {{"linux/s390x"}, true, nullptr});
  });
  EXPECT_EQ(none.kind(), ErrorKind::not_found);
  EXPECT_NE(std::string(none.what()).find("linux/amd64, linux/arm64"), std::string::npos);
  EXPECT_FALSE(to.find_tag(mirror.with_tag("x"), never));
}

TEST_F(CopyTest, NoTagNamesAnImageOfWhichAPartIsMissing) {
  const StoredManifest made = image("amd64", {&base, &app}, "1");
  // Not by the API, which keeps what a manifest names: a disk that lost a blob.
  const std::string gone(app.digest().hex());
  here.lose_blob(app.digest().text());
  const Error failure = failure_of([&] { carry(shop.with_tag("1"), {"1"}); });
  EXPECT_NE(std::string(failure.what()).find(gone.substr(0, 12)), std::string::npos)
      << failure.what();
  EXPECT_FALSE(to.find_tag(mirror.with_tag("1"), never));
  EXPECT_FALSE(to.find_manifest(mirror.at(made.digest), never));
}

TEST_F(CopyTest, SignaturesMadeOverThereAreNotTakenAwayByOlderOnes) {
  const StoredManifest made = image("amd64", {&app}, "1");
  const std::string tag = concat("sha256-", made.digest.hex(), ".sig");
  const Descriptor config = push("{\"sig\":1}", media::oci_config);
  const Descriptor ours = push("ours", "text/plain"), theirs = push("theirs", "text/plain");
  put(Manifest::compose(config, {ours, theirs}).bytes(), media::oci_manifest, tag);
  carry(shop.with_tag("1"), {"1"});
  const auto richer = to.find_tag(mirror.with_tag(tag), never);
  put(Manifest::compose(config, {ours}).bytes(), media::oci_manifest, tag);
  carry(shop.with_tag("1"), {"1"});
  EXPECT_EQ(to.find_tag(mirror.with_tag(tag), never), richer);
}

TEST_F(CopyTest, GoesOnAfterTheOtherRegistryWasAway) {
  image("amd64", {&base, &app}, "1");
  Options options = Scene::options(there.host());
  options.retry.attempts = 1;
  options.push_limit = 4 * mega;
  Client slow(options, scene.store);
  bool stopped = false;
  const auto news = [&](const CopyTally& tally) {
    if (tally.sent < mega || std::exchange(stopped, true)) return;
    there.stop();
  };
  EXPECT_EQ(failure_of([&] {
              copy(from, shop.with_tag("1"), slow, mirror, {"1"}, {}, news, never);
            }).kind(),
            ErrorKind::unavailable);
  there.start();
  const CopyOutcome rest = carry(shop.with_tag("1"), {"1"});
  EXPECT_EQ(to.find_tag(mirror.with_tag("1"), never), rest.digest);
}

TEST(AtOnce, BeginsNothingAfterAFailureAndTellsIt) {
  std::atomic<int> done{0};
  EXPECT_THROW(at_once(
                   1000, 4,
                   [&](std::size_t i) {
                     if (i == 3) throw Error(ErrorKind::denied, "no");
                     ++done;
                     std::this_thread::sleep_for(std::chrono::milliseconds(1));
                   },
                   never),
               Error);
  EXPECT_LT(done, 100);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(at_once(
                   1, 1, [](std::size_t) {}, stop.get_token()),
               Error);
}

}  // namespace
}  // namespace lighterman::registry
