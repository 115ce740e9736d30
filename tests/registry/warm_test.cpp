#include "registry/warm.hpp"

#include <gtest/gtest.h>

#include "core/manifest.hpp"
#include "registry/client.hpp"
#include "registry/copy.hpp"
#include "registry/fake_registry.hpp"
#include "registry/profile.hpp"
#include "registry/scene.hpp"
#include "registry/throttle.hpp"
#include "support/registry.hpp"

namespace lighterman::registry {
namespace {

using test::Blob;
using test::failure_of;
using test::FakeRegistry;
using test::repository;
using test::Scene;

const std::stop_token never;

/// An image of two blobs, tagged 1.0.
Digest push(Client& client, const Reference& shop, const Blob& config, const Blob& layer) {
  client.bring(config.source, shop, {}, never);
  client.bring(layer.source, shop, {}, never);
  const std::string bytes =
      Manifest::compose({std::string(media::oci_config), config.digest(), config.bytes.size()},
                        {layer.source.descriptor})
          .bytes();
  return client.put_manifest(shop.with_tag("1.0"), std::string(media::oci_manifest), bytes, never);
}

TEST(Warm, AMirrorHasTheImageWhenItsSourceIsAway) {
  Scene scene;
  support::RealRegistry origin;
  support::RealRegistry mirror({.mirror_of = origin.url()});
  const Blob config(300, 1);
  const Blob layer(2 << 20, 2);
  Client client(Scene::options(origin.host()), scene.store);
  const Reference shop = repository(origin.host(), "acme/shop");
  const Digest digest = push(client, shop, config, layer);
  const Warmed warmed =
      warm(Scene::options(mirror.host()), "/", shop.at(digest), {"1.0"}, std::nullopt, never);
  EXPECT_EQ(warmed.blobs, 2U);
  EXPECT_EQ(warmed.bytes, config.bytes.size() + layer.bytes.size());
  EXPECT_FALSE(warmed.tells) << "docker's registry does not say";
  EXPECT_TRUE(warmed.stale.empty());
  origin.stop();
  const Warmed again =
      warm(Scene::options(mirror.host()), "/", shop.at(digest), {}, {{layer.digest()}}, never);
  EXPECT_EQ(again.blobs, 1U) << "only what is new was asked for";
}

TEST(Warm, CountsWhatWasInTheCacheAndTellsOfOldTags) {
  Scene scene;
  bool first = true;
  FakeRegistry mirror({}, [&](const httplib::Request& request, httplib::Response& response) {
    if (request.path.find("/blobs/sha256") != std::string::npos && request.method == "GET") {
      response.set_header("X-Cache", first ? "MISS from proxy" : "HIT from proxy");
      first = false;
    }
    return false;
  });
  const Blob config(300, 1);
  const Blob layer(5000, 2);
  Client client(Scene::options(mirror.host()), scene.store);
  const Reference proxied = repository(mirror.host(), "proxy/acme/shop");
  const Digest digest = push(client, proxied, config, layer);
  {
    const std::lock_guard lock(mirror.mutex);
    mirror.manifests[{"proxy/acme/shop", "latest"}] = {std::string(media::oci_manifest), "{}"};
  }
  const Reference shop = Reference::parse("registry.example/acme/shop");
  const Warmed warmed = warm(Scene::options(mirror.host()), "/proxy", shop.at(digest),
                             {"1.0", "latest"}, std::nullopt, never);
  EXPECT_EQ(warmed.hits, 1U);
  EXPECT_EQ(warmed.stale, std::vector<std::string>{"latest"});
  EXPECT_EQ(warmed.text("https://m.example"),
            "mirror https://m.example has it: 2 blobs, 5.3 kB, 1 out of its cache; it still has "
            "others under latest");
}

TEST(Warm, TriesThreeTimesAndTakesNoOtherBytes) {
  Scene scene;
  FakeRegistry mirror;
  const Blob config(300, 1);
  const Blob layer(5000, 2);
  Client client(Scene::options(mirror.host()), scene.store);
  const Reference shop = repository(mirror.host(), "acme/shop");
  const Digest digest = push(client, shop, config, layer);
  const std::string blob = concat("GET /v2/acme/shop/blobs/", layer.digest());
  mirror.next(blob, 503);
  mirror.next(blob, 404);
  const auto ask = [&] {
    return warm(Scene::options(mirror.host()), "/", shop.at(digest), {}, std::nullopt, never);
  };
  EXPECT_EQ(ask().blobs, 2U);
  for (int i = 0; i < 3; ++i) mirror.next(blob, 503);
  const Error away = failure_of(ask);
  EXPECT_EQ(away.kind(), ErrorKind::unavailable);
  EXPECT_NE(std::string(away.what()).find("after 3 attempts"), std::string::npos) << away.what();
  {
    const std::lock_guard lock(mirror.mutex);
    mirror.blobs[{"acme/shop", layer.digest().text()}] = "somebody else's";
  }
  EXPECT_EQ(failure_of(ask).kind(), ErrorKind::invalid);
}

TEST(Copy, IsNoFasterThanItsThrottleAllows) {
  Scene scene;
  FakeRegistry here, there;
  const Blob config(300, 1);
  const Blob layer(400'000, 2);
  Client from(Scene::options(here.host()), scene.store);
  Client to(Scene::options(there.host()), scene.store);
  const Reference shop = repository(here.host(), "acme/shop");
  push(from, shop, config, layer);
  Throttle throttle(500'000);
  CopyOptions options;
  options.throttle = &throttle;
  const auto begun = std::chrono::steady_clock::now();
  const CopyOutcome outcome =
      copy(from, shop.with_tag("1.0"), to, repository(there.host(), "acme/shop"), {"1.0"}, options,
           {}, never);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(650));
  EXPECT_EQ(outcome.arrived, (std::set<Digest>{config.digest(), layer.digest()}));
}

TEST(Copy, DoesNotAskForAnImageThatTheTagNamesAlready) {
  Scene scene;
  FakeRegistry here, there;
  const Blob config(300, 1);
  const Blob layer(4000, 2);
  Client from(Scene::options(here.host()), scene.store);
  Client to(Scene::options(there.host()), scene.store);
  const Reference shop = repository(here.host(), "acme/shop");
  const Digest digest = push(from, shop, config, layer);
  const auto carry = [&] {
    return copy(from, shop.with_tag("1.0"), to, repository(there.host(), "acme/shop"), {"1.0"}, {},
                {}, never);
  };
  EXPECT_EQ(carry().moved.size(), 1U);
  const std::string by_digest = concat("HEAD /v2/acme/shop/manifests/", digest);
  const std::string of_blobs = "HEAD /v2/acme/shop/blobs/";
  const std::size_t asked = there.count(of_blobs);
  EXPECT_GT(asked, 0U);
  const std::size_t looked_at = there.count(by_digest);
  EXPECT_TRUE(carry().moved.empty());
  EXPECT_EQ(there.count(of_blobs), asked);
  EXPECT_EQ(there.count(by_digest), looked_at);
  here.next("GET /v2/acme/shop/manifests/1.0", 404);
  EXPECT_EQ(failure_of(carry).kind(), ErrorKind::not_found);
  // What may not be looked at may only not be there yet: the push tells.
  there.next("HEAD /v2/acme/shop/manifests/1.0", 403, "DENIED");
  EXPECT_EQ(carry().moved.size(), 1U);
  there.next("HEAD /v2/acme/shop/manifests/1.0", 403, "DENIED");
  there.next("PUT /v2/acme/shop/manifests/1.0", 403, "DENIED");
  EXPECT_EQ(failure_of(carry).kind(), ErrorKind::denied);
}

TEST(Profile, KeepsWhatARegistryShowed) {
  Scene scene;
  FakeRegistry registry;
  const Blob blob(3 << 20);
  Client client(Scene::options(registry.host()), scene.store);
  EXPECT_EQ(describe(profile_of(scene.store, registry.host())), "nothing seen yet");
  registry.next("PATCH", 413);
  client.bring(blob.source, repository(registry.host(), "acme/other"), {}, never);
  client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  EXPECT_THROW(client.repositories(never), Error) << "it has no catalog";
  const Profile profile = profile_of(scene.store, registry.host());
  EXPECT_EQ(profile.chunks, true);
  EXPECT_EQ(profile.mounts, true);
  EXPECT_EQ(profile.catalog, false);
  EXPECT_EQ(profile.largest_request, (3U << 20) / 2);
  EXPECT_FALSE(profile.deletes) << "nobody has tried";
  EXPECT_EQ(describe(profile),
            "mounts blobs, takes chunks, has no catalog, requests of 1.6 MB at most");
}

TEST(Profile, ARegistryThatTakesNoChunksIsNotAskedForThemAgain) {
  Scene scene;
  FakeRegistry registry;
  const Blob first(3 << 20, 1);
  const Blob second(3 << 20, 2);
  const Reference shop = repository(registry.host(), "acme/shop");
  Client client(Scene::options(registry.host()), scene.store);
  registry.next("PATCH", 405, "UNSUPPORTED");
  client.bring(first.source, shop, {}, never);
  EXPECT_EQ(profile_of(scene.store, registry.host()).chunks, false);
  client.bring(second.source, shop, {}, never);
  EXPECT_EQ(registry.count("PATCH"), 1U);
  // A week later it may have learnt it.
  scene.store.put_fact(concat("registry:", registry.host()), "chunks", "no 2020-01-01");
  EXPECT_FALSE(find_trait(scene.store, registry.host(), Trait::chunks));
}

}  // namespace
}  // namespace lighterman::registry
