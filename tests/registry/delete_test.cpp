#include <gtest/gtest.h>

#include "registry/fake_registry.hpp"
#include "registry/profile.hpp"
#include "registry/scene.hpp"
#include "support/registry.hpp"

namespace lighterman::registry {
namespace {

using test::failure_of;
using test::FakeRegistry;
using test::repository;
using test::Scene;

const std::stop_token never;

/// An image without layers under some tags.
Digest push(Client& client, const Reference& shop, const std::vector<std::string>& tags) {
  const test::Blob config(100);
  client.bring(config.source, shop, {}, never);
  const std::string image =
      Manifest::compose({std::string(media::oci_config), config.digest(), 100}, {}).bytes();
  for (const std::string& tag : tags)
    client.put_manifest(shop.with_tag(tag), std::string(media::oci_manifest), image, never);
  return os::sha256(image);
}

TEST(DeleteTag, LeavesTheImageAndItsOtherTags) {
  Scene scene;
  support::RealRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  const Digest image = push(client, shop, {"1.0", "1.1", "latest"});
  for (const char* tag : {"1.0", "latest"}) {
    client.delete_tag(shop.with_tag(tag), image, never);
    EXPECT_FALSE(client.find_tag(shop.with_tag(tag), never)) << tag;
  }
  EXPECT_EQ(client.find_tag(shop.with_tag("1.1"), never), image);
}

TEST(DeleteTag, WhereNothingIsDeletedTheTagGoesOnNamingItsImage) {
  Scene scene;
  support::RealRegistry registry({.deletes = false});
  Client client(Scene::options(registry.host()), scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  const Digest image = push(client, shop, {"latest"});
  // Also where it is remembered that this registry once did delete.
  for (const bool remembered : {false, true}) {
    note(scene.store, registry.host(), Trait::deletes, remembered);
    registry.clear_access_log();
    const Error error =
        failure_of([&] { client.delete_tag(shop.with_tag("latest"), image, never); });
    EXPECT_EQ(error.kind(), ErrorKind::denied);
    EXPECT_NE(std::string(error.what()).find("REGISTRY_STORAGE_DELETE_ENABLED"), std::string::npos)
        << error.what();
    EXPECT_EQ(client.find_tag(shop.with_tag("latest"), never), image);
    EXPECT_EQ(registry.count_requests("PUT", "/v2/"), 0U) << "it wrote something for nothing";
  }
}

/// A registry that deletes no tags alone, and manifests only so many times.
struct Reluctant {
  explicit Reluctant(int times) : left(times) {}
  std::atomic<int> left;
  std::atomic<bool> takes_tags = true;
  FakeRegistry registry{{}, [this](const httplib::Request& request, httplib::Response& response) {
                          const bool by_digest = request.target.find("sha256") != std::string::npos;
                          const bool deletes = request.method == "DELETE";
                          if (deletes && by_digest && left-- > 0) return false;
                          if (!deletes && (takes_tags || request.method != "PUT" || by_digest))
                            return false;
                          FakeRegistry::refuse(response, by_digest ? 403 : 405, "DENIED");
                          return true;
                        }};
};

TEST(DeleteTag, ATagGetsItsImageBackWhereTheLastStepIsDenied) {
  Scene scene;
  Reluctant reluctant(2);
  Client client(Scene::options(reluctant.registry.host()), scene.store);
  const Reference tag = repository(reluctant.registry.host(), "acme/shop").with_tag("1");
  const Digest image = push(client, tag.bare(), {"1"});
  const Error error = failure_of([&] { client.delete_tag(tag, image, never); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_EQ(client.find_tag(tag, never), image);
}

TEST(DeleteTag, WhatWasLeftHalfWayIsFinished) {
  Scene scene;
  Reluctant reluctant(2);
  Client client(Scene::options(reluctant.registry.host()), scene.store);
  const Reference tag = repository(reluctant.registry.host(), "acme/shop").with_tag("1");
  const Digest image = push(client, tag.bare(), {"1"});
  // As if we were killed once the tag was moved.
  reluctant.registry.next([&](const httplib::Request& request, httplib::Response&) {
    if (request.method == "DELETE" && reluctant.left == 0) reluctant.takes_tags = false;
    return false;
  });
  failure_of([&] { client.delete_tag(tag, image, never); });
  ASSERT_NE(client.find_tag(tag, never), image) << "the scene is not what it should be";
  reluctant.left = 1;
  reluctant.takes_tags = true;
  client.delete_tag(tag, image, never);
  EXPECT_FALSE(client.find_tag(tag, never));
}

}  // namespace
}  // namespace lighterman::registry
