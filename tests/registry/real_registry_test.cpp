#include <gtest/gtest.h>

#include <thread>

#include "registry/scene.hpp"
#include "support/registry.hpp"

namespace lighterman::registry {
namespace {

using test::Blob;
using test::Proxy;
using test::read_all;
using test::repository;
using test::Scene;

constexpr std::size_t mega = 1 << 20;
const std::stop_token never;

std::string image_of(const Blob& config, const Blob& layer) {
  return Manifest::compose({std::string(media::oci_config), config.digest(), config.bytes.size()},
                           {layer.source.descriptor})
      .bytes();
}

TEST(RealRegistry, KeepsAnImageThatWasPushedToIt) {
  Scene scene;
  support::RealRegistry registry;
  const Reference shop = repository(registry.host(), "acme/shop");
  const Blob config(500, 1);
  const Blob layer(5 * mega, 2);
  Client client(Scene::options(registry.host()), scene.store);
  client.ping(never);
  EXPECT_EQ(client.bring(config.source, shop, {}, never).fate, LayerFate::sent);
  EXPECT_EQ(client.bring(layer.source, shop, {}, never).fate, LayerFate::sent);
  const std::string image = image_of(config, layer);
  const Digest digest = client.put_manifest(shop.at(os::sha256(image)),
                                            std::string(media::oci_manifest), image, never);
  client.put_manifest(shop.with_tag("1.0"), std::string(media::oci_manifest), image, never);
  EXPECT_EQ(client.find_tag(shop.with_tag("1.0"), never), digest);
  EXPECT_EQ(client.tags(shop, never), std::vector<std::string>{"1.0"});
  EXPECT_TRUE(read_all(client.open_blob(shop, layer.digest(), 0, never)) == layer.bytes);
  EXPECT_TRUE(read_all(client.open_blob(shop, layer.digest(), mega, never)) ==
              layer.bytes.substr(mega));
  EXPECT_EQ(client.bring(layer.source, repository(registry.host(), "acme/other"), {}, never).fate,
            LayerFate::mounted);
  client.delete_manifest(shop.at(digest), never);
  EXPECT_FALSE(client.find_manifest(shop.at(digest), never));
}

TEST(RealRegistry, TakesAPushOverTlsWithAPasswordAndAPrivateAuthority) {
  Scene scene;
  support::RealRegistry registry({.user = {{"ann", "s3cret"}}, .tls = true});
  os::replace_file(scene.folder.path() / "password", "s3cret", 0600);
  Options options = Scene::options(registry.host());
  options.username = "ann";
  options.password_place = concat("file:", (scene.folder.path() / "password").native());
  options.trust.ca_file = registry.ca_file();
  options.chunk = mega;
  const Blob layer(3 * mega);
  Client client(options, scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  EXPECT_EQ(client.bring(layer.source, shop, {}, never).fate, LayerFate::sent);
  EXPECT_TRUE(read_all(client.open_blob(shop, layer.digest(), 0, never)) == layer.bytes);
  options.trust.ca_file.clear();
  try {
    Client(options, scene.store).ping(never);
    ADD_FAILURE() << "an unknown authority was believed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::denied);
    EXPECT_NE(std::string(error.what()).find("ca_file"), std::string::npos) << error.what();
  }
}

TEST(RealRegistry, GetsOnlyTheRestAfterItWasRestartedBetweenTwoChunks) {
  Scene scene;
  support::RealRegistry registry;
  Options options = Scene::options(registry.host());
  options.chunk = 2 * mega;
  Blob layer(8 * mega);
  layer.opening = [&](std::uint64_t offset) {
    if (offset != 4 * mega) return;
    registry.stop();
    registry.start();
  };
  Client client(options, scene.store);
  const LayerOutcome outcome =
      client.bring(layer.source, repository(registry.host(), "acme/shop"), {}, never);
  EXPECT_EQ(outcome.sent_bytes, 8 * mega);
  EXPECT_EQ(registry.count_requests("POST", "/blobs/uploads/"), 1U);
  EXPECT_EQ(registry.count_requests("PATCH", "/blobs/uploads/"), 4U);
}

TEST(RealRegistry, HasTheWholeBlobAfterItWasRestartedInTheMiddleOfARequest) {
  Scene scene;
  support::RealRegistry registry;
  Options options = Scene::options(registry.host());
  options.retry.attempts = 500;  // as long as it takes to start
  options.push_limit = 20 * mega;
  const Blob layer(8 * mega);
  Client client(options, scene.store);
  std::atomic<bool> half = false;
  std::atomic<bool> sent = false;
  // The registry ends with the thread that started it, so this one restarts it.
  std::jthread pusher([&] {
    client.bring(
        layer.source, repository(registry.host(), "acme/shop"),
        [&](const Digest&, std::uint64_t done, std::uint64_t total) {
          half = half || done > total / 2;
        },
        never);
    sent = true;
  });
  ASSERT_TRUE(support::eventually([&] { return half.load(); }));
  registry.stop();
  registry.start();
  pusher.join();
  EXPECT_TRUE(sent);
  EXPECT_TRUE(read_all(client.open_blob(repository(registry.host(), "acme/shop"), layer.digest(), 0,
                                        never)) == layer.bytes);
}

TEST(RealRegistry, IsReachedThroughAProxyWithABodyLimit) {
  for (const Proxy::Way way : {Proxy::Way::answer_413, Proxy::Way::cut}) {
    Scene scene;
    support::RealRegistry registry;
    Proxy proxy(registry.port(), 3 * mega, way);
    const Blob layer(9 * mega);
    Client client(Scene::options(proxy.host()), scene.store);
    client.bring(layer.source, repository(proxy.host(), "acme/shop"), {}, never);
    EXPECT_TRUE(read_all(client.open_blob(repository(proxy.host(), "acme/shop"), layer.digest(), 0,
                                          never)) == layer.bytes);
  }
}

}  // namespace
}  // namespace lighterman::registry
