#include "registry/trial.hpp"

#include "fake_registry.hpp"
#include "registry/profile.hpp"
#include "scene.hpp"
#include "support/registry.hpp"

namespace lighterman::registry {
namespace {

using test::FakeRegistry;
using test::Scene;

TEST(Trial, OfAPushLeavesNothingBehind) {
  FakeRegistry registry;
  try_push(Scene::options(registry.host()), test::repository(registry.host(), "acme/web"), {});
  EXPECT_TRUE(registry.uploads.empty());
  ASSERT_GE(registry.requests.size(), 2U);
  EXPECT_EQ(registry.requests[registry.requests.size() - 2], "POST /v2/acme/web/blobs/uploads/");
  EXPECT_TRUE(registry.requests.back().starts_with("DELETE /v2/acme/web/"))
      << registry.requests.back();
}

TEST(Trial, OfAPushThatIsNotAllowedNamesThePermission) {
  FakeRegistry registry;
  registry.next("POST /v2/acme/web", 403, "DENIED");
  const Error error = test::failure_of([&] {
    try_push(Scene::options(registry.host()), test::repository(registry.host(), "acme/web"), {});
  });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_NE(std::string(error.what()).find("push to acme/web"), std::string::npos) << error.what();
}

TEST(Trial, FindsOutHowTheRegistryIsReached) {
  FakeRegistry registry;
  const Door door = look_at(Scene::options(registry.host()), {});
  EXPECT_EQ(door.url, concat("http://", registry.host()));
  EXPECT_FALSE(door.certificate) << "plain http has none";
}

TEST(Trial, LookingAroundTellsWhatARegistryListsAndLeavesNothing) {
  Scene scene;
  support::RealRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  look_around(client, test::repository(registry.host(), "acme/web"), {});
  const Profile profile = profile_of(scene.store, registry.host());
  EXPECT_EQ(profile.referrers, false) << "docker's registry 2.8 has no such list";
  EXPECT_EQ(profile.catalog, true);
  EXPECT_TRUE(client.repositories({}).empty());
  FakeRegistry closed;
  Client other(Scene::options(closed.host()), scene.store);
  closed.next("GET /v2/_catalog", 403, "DENIED");
  closed.next("GET /v2/acme/web/referrers", 403, "DENIED");
  look_around(other, test::repository(closed.host(), "acme/web"), {});
  EXPECT_EQ(profile_of(scene.store, closed.host()).catalog, false);
  EXPECT_FALSE(profile_of(scene.store, closed.host()).referrers) << "nobody could see";
}

}  // namespace
}  // namespace lighterman::registry
