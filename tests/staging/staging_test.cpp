#include "staging/staging.hpp"

#include <gtest/gtest.h>
#include <httplib.h>

#include <chrono>

#include "core/text.hpp"
#include "os/file.hpp"
#include "os/program.hpp"
#include "os/tar.hpp"
#include "store/store.hpp"
#include "support/failure.hpp"

namespace lighterman::staging {
namespace {

/// The tool that stands for all that speak the specification.
os::Outcome skopeo(std::vector<std::string> words) {
  words.insert(words.begin(), "--insecure-policy");
  return os::perform({"skopeo", std::move(words)});
}

struct Scene {
  os::ScratchFolder folder;
  store::Store store{store::Options{folder.path() / "store.db"}};
  Options options;
  std::unique_ptr<Staging> staging;

  Scene() {
    options.folder = folder.path() / "staging";
    options.listen = "127.0.0.1:0";
  }
  void start() {
    std::filesystem::create_directories(options.folder);
    staging = std::make_unique<Staging>(options, store);
    staging->start();
  }
  Session open(const std::string& image = "web") {
    return staging->open("shop", image, 1, {}, [](const Descriptor&, bool) {});
  }
  std::filesystem::path path(const std::string& name) const { return folder.path() / name; }

  /// An image of one layer as a tool's OCI layout, and as `docker save` writes it.
  void make_image(const std::string& content) {
    std::string bytes;
    os::TarWriter tar([&](std::string_view part) { bytes += part; });
    tar.add({.path = "file", .size = content.size()}, content);
    tar.finish();
    os::replace_file(path("layer.tar"), bytes);
    run({"copy", "tarball:" + path("layer.tar").string(), "oci:" + path("image").string() + ":a"});
    std::filesystem::remove(path("image.tar"));
    run({"copy", "oci:" + path("image").string() + ":a",
         "docker-archive:" + path("image.tar").string() + ":shop/web:a"});
  }
  static void run(const std::vector<std::string>& words) {
    const os::Outcome outcome = skopeo(words);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  }
  StagedImage import(Session& session) const {
    return session.import(
        [this](const Push& out) {
          const Pull in = os::reader(path("image.tar"));
          char buffer[65536];
          while (const std::size_t got = in(buffer, sizeof buffer)) out({buffer, got});
        },
        {});
  }
};

std::string login_of(const Session& session) {
  const engine::Login login = session.login();
  return concat(login.username, ':', login.password.reveal());
}
std::string at(const Session& session) {
  return concat("docker://", session.name(), ':', session.tag());
}

TEST(Staging, TakesAnImageFromAnyToolAndGivesItBack) {
  Scene scene;
  scene.make_image(std::string(200'000, 'x'));
  scene.start();
  const Session session = scene.open();
  Scene::run({"copy", "--dest-tls-verify=false", "--dest-creds", login_of(session),
              "oci:" + scene.path("image").string() + ":a", at(session)});
  const StagedImage image = session.get_pushed();
  ASSERT_EQ(image.layers.size(), 1u);
  EXPECT_TRUE(image.layers[0].held);
  Scene::run({"copy", "--src-tls-verify=false", "--src-creds", login_of(session), at(session),
              "oci:" + scene.path("back").string() + ":a"});
  EXPECT_TRUE(std::filesystem::exists(scene.path("back") / "blobs" / "sha256" /
                                      image.layers[0].blob.digest.hex()));
}

TEST(Staging, OpensToNobodyButTheRunItIsFor) {
  Scene scene;
  scene.make_image("x");
  scene.start();
  std::string former;
  {
    const Session ended = scene.open();
    former = login_of(ended);
  }
  const Session session = scene.open();
  const Session other = scene.open("other");
  for (const std::string& login : {former, login_of(other), std::string("a:b")}) {
    const os::Outcome refused = skopeo({"copy", "--dest-tls-verify=false", "--dest-creds", login,
                                        "oci:" + scene.path("image").string() + ":a", at(session)});
    EXPECT_NE(refused.exit_code, 0);
  }
  EXPECT_TRUE(failure_of([&] { session.get_pushed(); }).starts_with("not_found: "));
}

TEST(Staging, CompressesToTheSameBytesWhateverTheNumberOfThreads) {
  std::vector<std::string> digests;
  for (const unsigned threads : {1u, 3u}) {
    Scene scene;
    std::string content;
    for (int number = 0; content.size() < 6'000'000; ++number) content += concat(number, ", ");
    scene.make_image(content);
    scene.options.threads = threads;
    scene.start();
    Session session = scene.open();
    const StagedImage image = scene.import(session);
    ASSERT_EQ(image.layers.size(), 1u);
    EXPECT_LT(image.layers[0].blob.size, 4'000'000u);
    digests.push_back(image.layers[0].blob.digest.text());
    EXPECT_TRUE(session.is_complete(image, {}));
  }
  EXPECT_EQ(digests.at(0), digests.at(1));
}

TEST(Staging, MakesRoomWithoutTouchingWhatARunNeeds) {
  Scene scene;
  scene.options.size_limit = 600'000;
  scene.start();
  std::string noise(300'000, ' ');
  std::uint32_t seed = 1;
  const auto make = [&] {
    for (char& letter : noise)
      letter = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
    scene.make_image(noise);
  };
  make();
  Session needed = scene.open();
  const StagedImage first = scene.import(needed);
  for (int round = 0; round < 4; ++round) {
    make();
    Session passing = scene.open("other");
    scene.import(passing);
  }
  EXPECT_TRUE(needed.is_complete(first, {}));
  EXPECT_LT(scene.staging->held_bytes(), 1'300'000u) << "five images would take 1.5 MB";
}

TEST(Staging, EndsWithoutWaitingForEnginesThatKeepTheirConnections) {
  Scene scene;
  scene.start();
  httplib::Client engine(concat("http://", scene.staging->address()));
  engine.set_keep_alive(true);
  ASSERT_EQ(engine.Get("/v2/")->status, 401);
  const auto began = std::chrono::steady_clock::now();
  scene.staging.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST(Staging, AnExportThatBreaksOffIsNoImage) {
  Scene scene;
  scene.make_image(std::string(100'000, 'x'));
  scene.start();
  Session session = scene.open();
  const std::string bytes = os::read_file(scene.path("image.tar"), 1 << 22);
  const std::string why = failure_of([&] {
    session.import([&](const Push& out) { out(std::string_view(bytes).substr(0, 3000)); }, {});
  });
  EXPECT_NE(why, "nothing");
}

}  // namespace
}  // namespace lighterman::staging
