#include "registry/trial.hpp"

#include "fake_registry.hpp"
#include "scene.hpp"

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

}  // namespace
}  // namespace lighterman::registry
