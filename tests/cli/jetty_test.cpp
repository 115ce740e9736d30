// Copies without a daemon, one after the other.
#include <gtest/gtest.h>

#include "cli/data_lock.hpp"
#include "core/manifest.hpp"
#include "os/hash.hpp"
#include "os/program.hpp"
#include "registry/fake_registry.hpp"
#include "registry/scene.hpp"

namespace lighterman::cli {
namespace {

/// An image with one layer of so many bytes, in the registry as acme/shop:TAG.
void put_image(test::FakeRegistry& registry, const std::string& tag, std::size_t size) {
  const std::string config = R"({"os":"linux","architecture":"amd64"})";
  const std::string layer = tag + std::string(size, 'x');
  const std::string manifest =
      Manifest::compose({std::string(media::oci_config), os::sha256(config), config.size()},
                        {{std::string(media::oci_layer_gzip), os::sha256(layer), layer.size()}})
          .bytes();
  const std::lock_guard lock(registry.mutex);
  for (const std::string& blob : {config, layer})
    registry.blobs[{"acme/shop", os::sha256(blob).text()}] = blob;
  for (const std::string& name : {tag, os::sha256(manifest).text()})
    registry.manifests[{"acme/shop", name}] = {std::string(media::oci_manifest), manifest};
}

class LoneCopy : public testing::Test {
 protected:
  os::Outcome copy(const std::string& tag) {
    os::Program program{LIGHTERMAN_PROGRAM,
                        {"copy", concat(near.host(), "/acme/shop:", tag),
                         concat(proxy.host(), "/acme/shop:", tag), "--plain-http"}};
    program.environment = {{"HOME", home.path().native()}};
    return os::perform(program);
  }

  os::ScratchFolder home;
  test::FakeRegistry near, far;
  test::Proxy proxy{far.port(), 4 << 20, test::Proxy::Way::answer_413};
};

TEST_F(LoneCopy, KnowsWhatTheOneBeforeLearntOfARegistry) {
  put_image(near, "1", 6 << 20);
  put_image(near, "2", 6 << 20);
  const os::Outcome first = copy("1");
  ASSERT_EQ(first.exit_code, 0) << first.errors;
  const int learning = proxy.refused();
  EXPECT_GT(learning, 0) << "the proxy takes no body of 6 MB";
  const os::Outcome second = copy("2");
  ASSERT_EQ(second.exit_code, 0) << second.errors;
  EXPECT_EQ(proxy.refused(), learning) << "it had to find the limit out again";
  const auto mode = std::filesystem::status(home.path() / ".cache/lighterman").permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_all) << "where an upload goes on may be a secret";
}

TEST_F(LoneCopy, NeedsNoOtherToEnd) {
  put_image(near, "1", 1000);
  ASSERT_EQ(copy("1").exit_code, 0);
  put_image(near, "2", 1000);
  const DataLock other(home.path() / ".cache/lighterman");
  const os::Outcome second = copy("2");
  EXPECT_EQ(second.exit_code, 0) << second.errors;
}

TEST_F(LoneCopy, NeedsNoPlaceToKeepAnything) {
  put_image(near, "1", 1000);
  os::replace_file(home.path() / ".cache", "a file, where a folder should be");
  const os::Outcome outcome = copy("1");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
}

}  // namespace
}  // namespace lighterman::cli
