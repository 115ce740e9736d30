// What an upload does about time: locations that ended, silence, limits, and mounts that were none.
#include <gtest/gtest.h>

#include <thread>

#include "registry/fake_registry.hpp"
#include "registry/profile.hpp"
#include "registry/scene.hpp"
#include "registry/throttle.hpp"
#include "support/registry.hpp"

namespace lighterman::registry {
namespace {

using namespace std::chrono_literals;
using test::Blob;
using test::FakeRegistry;
using test::repository;
using test::Scene;

constexpr std::size_t mega = 1 << 20;
const std::stop_token never;

TEST(Sending, BeginsAnewWhereASignedLocationHasEnded) {
  for (const int status : {401, 403}) {
    Scene scene;
    FakeRegistry registry;
    FakeRegistry store({}, [&](const httplib::Request&, httplib::Response& response) {
      FakeRegistry::refuse(response, status, "ExpiredToken");
      return true;
    });
    const Blob blob(3 * mega);
    const Reference shop = repository(registry.host(), "acme/shop");
    scene.store.put_upload(shop, blob.digest(),
                           {concat("http://", store.host(), "/x?sig=1"), mega, system_now()});
    Client client(Scene::options(registry.host()), scene.store);
    client.bring(blob.source, shop, {}, never);
    EXPECT_EQ((registry.blobs[{"acme/shop", blob.digest().text()}]), blob.bytes);
    EXPECT_FALSE(scene.store.find_upload(shop, blob.digest()));
  }
}

TEST(Sending, BeginsAnewWhereASignedLocationEndsInTheMiddle) {
  Scene scene;
  FakeRegistry registry;
  std::atomic<int> patches = 0;
  FakeRegistry store({}, [&](const httplib::Request& request, httplib::Response& response) {
    if (request.method == "PATCH" && ++patches == 1) return false;
    FakeRegistry::refuse(response, 403, "AccessDenied");
    return true;
  });
  registry.next([&](const httplib::Request& request, httplib::Response& response) {
    if (request.method != "POST") return false;
    store.uploads["abc"] = "";
    response.status = 202;
    response.set_header("Location", concat("http://", store.host(), "/v2/a/uploads/abc?sig=1"));
    return true;
  });
  Options options = Scene::options(registry.host());
  options.chunk = 2 * mega;
  const Blob blob(5 * mega);
  Client client(options, scene.store);
  client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  EXPECT_EQ((registry.blobs[{"acme/shop", blob.digest().text()}]), blob.bytes);
}

TEST(Sending, ForgetsAnUploadOfLongAgo) {
  Scene scene;
  FakeRegistry registry;
  registry.uploads["abc"] = "";
  const Blob blob(3 * mega);
  const Reference shop = repository(registry.host(), "acme/shop");
  scene.store.put_upload(
      shop, blob.digest(),
      {concat("http://", registry.host(), "/v2/acme/shop/uploads/abc"), 0, system_now() - 200h});
  Client client(Scene::options(registry.host()), scene.store);
  client.bring(blob.source, shop, {}, never);
  EXPECT_EQ(registry.count("GET /v2/acme/shop/uploads/"), 0U);
  EXPECT_EQ((registry.blobs[{"acme/shop", blob.digest().text()}]), blob.bytes);
}

TEST(Sending, WaitsForARegistryThatIsSilentWhileItStoresALargeBlob) {
  Scene scene;
  const Blob blob(64 * mega);
  std::atomic<int> ends = 0;
  test::RawServer registry([&](test::Connection& connection, int) {
    for (std::string head; !(head = connection.read_head()).empty();) {
      const auto answer = [&](std::string_view status) {
        connection.send(
            concat("HTTP/1.1 ", status, "\r\nLocation: /upload\r\n", "Content-Length: 0\r\n\r\n"));
      };
      if (head.starts_with("HEAD")) answer("404 Not Found");
      if (head.starts_with("POST")) answer("202 Accepted");
      if (head.starts_with("PATCH")) {
        // Piece by piece, and no further when the client is gone.
        std::size_t left = blob.bytes.size(), got = 1;
        for (; left > 0 && got > 0; left -= got) got = connection.read(std::min(left, mega)).size();
        answer("202 Accepted");
      }
      if (!head.starts_with("PUT")) continue;
      ++ends;
      std::this_thread::sleep_for(1s);  // it is what a store is that copies the blob once more
      answer("201 Created");
    }
  });
  const std::string host = concat("127.0.0.1:", registry.port());
  Options options = Scene::options(host);
  options.silence = 300ms;
  options.retry.attempts = 1;
  Client client(options, scene.store);
  EXPECT_EQ(client.bring(blob.source, repository(host, "acme/shop"), {}, never).fate,
            LayerFate::sent);
  EXPECT_EQ(ends, 1);
}

TEST(Sending, TroubleOfTheSourceIsNoLimitOfTheTarget) {
  Scene scene;
  support::RealRegistry registry;
  Blob blob(8 * mega);
  std::atomic<int> opened = 0;
  const BlobSource broken{blob.source.descriptor, [&](std::uint64_t offset) -> Pull {
                            const bool breaks = ++opened <= 4;
                            return [&, breaks, pull = blob.source.open(offset),
                                    done = std::size_t{0}](char* into, std::size_t room) mutable {
                              if (breaks && done >= 3 * mega)
                                throw Error(ErrorKind::unavailable, "the source is away");
                              const std::size_t got = pull(into, room);
                              done += got;
                              return got;
                            };
                          }};
  Client client(Scene::options(registry.host()), scene.store);
  EXPECT_EQ(client.bring(broken, repository(registry.host(), "acme/shop"), {}, never).fate,
            LayerFate::sent);
  EXPECT_EQ(profile_of(scene.store, registry.host()).largest_request, 0U);
}

TEST(Sending, TriesLargeRequestsAgainAfterAWeek) {
  Scene scene;
  FakeRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  const std::string scope = concat("registry:", registry.host());
  const std::string fact(largest_request_fact);
  note_largest_request(scene.store, registry.host(), 2 * mega);
  EXPECT_EQ(profile_of(scene.store, registry.host()).largest_request, 2 * mega);
  const auto requests = [&](unsigned seed) {
    const std::size_t before = registry.count("PATCH");
    const Blob blob(6 * mega, seed);
    client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
    return registry.count("PATCH") - before;
  };
  EXPECT_EQ(requests(1), 3U);
  // The second is of a release that kept it for ever.
  for (const char* old : {"2097152 2024-05-01", "2097152"}) {
    scene.store.put_fact(scope, fact, old);
    EXPECT_EQ(profile_of(scene.store, registry.host()).largest_request, 0U);
    EXPECT_EQ(requests(old[7] == ' ' ? 2 : 3), 1U) << old;
  }
}

TEST(Mount, ThatIsNoneBeginsTheUpload) {
  Scene scene;
  FakeRegistry registry;
  registry.mounts = false;
  Client client(Scene::options(registry.host()), scene.store);
  const Blob small(100), large(4 * mega, 2);
  for (const Blob* blob : {&small, &large}) {
    scene.store.put_fact(concat("registry:", registry.host()), "mounts", "");
    client.bring(blob->source, repository(registry.host(), "acme/base"), {}, never);
    const std::size_t before = registry.count("POST");
    client.bring(blob->source, repository(registry.host(), "acme/shop"), {}, never);
    EXPECT_EQ(registry.count("POST") - before, 1U);
    EXPECT_EQ((registry.blobs[{"acme/shop", blob->digest().text()}]), blob->bytes);
  }
  EXPECT_EQ(registry.count("DELETE"), 0U);
  EXPECT_TRUE(registry.uploads.empty());
  // What it cannot, it is not asked for.
  const std::size_t before = registry.count("POST /v2/acme/third/blobs/uploads/?mount");
  client.bring(small.source, repository(registry.host(), "acme/third"), {}, never);
  EXPECT_EQ(registry.count("POST /v2/acme/third/blobs/uploads/?mount"), before);
}

TEST(Mount, OfABlobThatIsGoneOverThereSaysNothingAboutMounts) {
  Scene scene;
  FakeRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  const Blob blob(100), other(100, 2);
  for (const char* gone : {"a", "b", "c", "d", "e"})
    scene.store.put_place(registry.host(), concat("acme/", gone), blob.digest());
  client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  EXPECT_EQ(registry.count("POST"), 3U) << "each is asked for";
  EXPECT_TRUE(registry.uploads.empty()) << "the uploads nobody wanted were left behind";
  client.bring(other.source, repository(registry.host(), "acme/base"), {}, never);
  EXPECT_EQ(client.bring(other.source, repository(registry.host(), "acme/shop"), {}, never).fate,
            LayerFate::mounted);
}

TEST(Throttle, CountsOnlyWhatWasSent) {
  Scene scene;
  FakeRegistry registry;
  Options options = Scene::options(registry.host());
  options.push_limit = mega;
  const Blob blob(mega / 2);
  // As bytes come out of a download: fewer than there was room for.
  const BlobSource source{blob.source.descriptor, [&](std::uint64_t offset) -> Pull {
                            return [pull = blob.source.open(offset)](char* into, std::size_t room) {
                              return pull(into, std::min<std::size_t>(room, 1000));
                            };
                          }};
  Client client(options, scene.store);
  const auto begun = std::chrono::steady_clock::now();
  client.bring(source, repository(registry.host(), "acme/shop"), {}, never);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 4s) << "half a second's worth of bytes";
}

}  // namespace
}  // namespace lighterman::registry
