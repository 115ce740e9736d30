#include "registry/client.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "registry/access.hpp"
#include "registry/fake_registry.hpp"
#include "registry/scene.hpp"

namespace lighterman::registry {
namespace {

using test::Blob;
using test::Connection;
using test::failure_of;
using test::FakeRegistry;
using test::RawServer;
using test::read_all;
using test::repository;
using test::Scene;

const std::stop_token never;
constexpr const char* manifest =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"})";

/// A docker configuration that is found while this lives.
struct DockerConfig {
  explicit DockerConfig(const std::string& text) {
    os::replace_file(folder.path() / "config.json", text, 0600);
    setenv("DOCKER_CONFIG", folder.path().c_str(), 1);
  }
  ~DockerConfig() { unsetenv("DOCKER_CONFIG"); }
  os::ScratchFolder folder;
};

TEST(Client, AnswersFromMemoryForAMinuteThatABlobIsThere) {
  Scene scene;
  FakeRegistry registry;
  const Blob blob(77);
  const Reference shop = repository(registry.host(), "acme/shop");
  Client client(Scene::options(registry.host()), scene.store);
  EXPECT_FALSE(client.find_blob(shop, blob.digest(), never));
  registry.blobs[{"acme/shop", blob.digest().text()}] = blob.bytes;
  EXPECT_EQ(client.find_blob(shop, blob.digest(), never), 77U);
  EXPECT_EQ(client.find_blob(shop, blob.digest(), never), 77U);
  EXPECT_EQ(registry.count("HEAD"), 2U);
}

TEST(Client, PutsAManifestByTagAndByDigestAndReadsItBack) {
  Scene scene;
  FakeRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  const std::string type(media::oci_manifest);
  const Digest digest = client.put_manifest(shop.with_tag("1"), type, manifest, never);
  EXPECT_EQ(digest, os::sha256(manifest));
  EXPECT_EQ(client.put_manifest(shop.at(digest), type, manifest, never), digest);
  for (const Reference& reference : {shop.with_tag("1"), shop.at(digest)}) {
    const auto stored = client.find_manifest(reference, never);
    ASSERT_TRUE(stored);
    EXPECT_EQ(stored->bytes, manifest);
    EXPECT_EQ(stored->media_type, type);
    EXPECT_EQ(stored->digest, digest);
  }
  for (const std::string_view wanted :
       {media::oci_manifest, media::oci_index, media::docker_manifest, media::docker_index})
    EXPECT_NE(registry.accepted.find(wanted), std::string::npos);
  EXPECT_FALSE(client.find_manifest(shop.with_tag("2"), never));
  EXPECT_EQ(client.find_tag(shop.with_tag("1"), never), digest);
  EXPECT_FALSE(client.find_tag(shop.with_tag("2"), never));
}

TEST(Client, RefusesAManifestWithOtherBytesThanItsDigestSays) {
  Scene scene;
  FakeRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  const Digest digest = os::sha256("something else");
  registry.manifests[{"acme/shop", digest.text()}] = {std::string(media::oci_manifest), manifest};
  const Error error = failure_of(
      [&] { client.find_manifest(repository(registry.host(), "acme/shop").at(digest), never); });
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
}

TEST(Client, FailsWhenTheRegistryConfirmsAnotherDigest) {
  Scene scene;
  FakeRegistry registry;
  registry.next("PUT", 201, "X", {{"Docker-Content-Digest", os::sha256("other").text()}});
  Client client(Scene::options(registry.host()), scene.store);
  EXPECT_THROW(client.put_manifest(repository(registry.host(), "acme/shop").with_tag("1"),
                                   std::string(media::oci_manifest), manifest, never),
               Error);
}

TEST(Client, LooksAgainForBlobsThatTheRegistryTurnsOutNotToHave) {
  Scene scene;
  FakeRegistry registry;
  const Blob blob(77);
  const Reference shop = repository(registry.host(), "acme/shop");
  registry.blobs[{"acme/shop", blob.digest().text()}] = blob.bytes;
  Client client(Scene::options(registry.host()), scene.store);
  client.find_blob(shop, blob.digest(), never);
  registry.blobs.clear();
  registry.next("PUT", 404, "MANIFEST_BLOB_UNKNOWN");
  EXPECT_THROW(
      client.put_manifest(shop.with_tag("1"), std::string(media::oci_manifest), manifest, never),
      Error);
  EXPECT_FALSE(client.find_blob(shop, blob.digest(), never));
}

TEST(Client, ListsTagsPageByPage) {
  Scene scene;
  FakeRegistry registry;
  const auto page = [&](const std::string& beginning, const std::string& body,
                        const std::string& link) {
    registry.next([=](const httplib::Request& request, httplib::Response& response) {
      if (!request.target.starts_with(beginning)) return false;
      response.set_content(body, "application/json");
      if (!link.empty()) response.set_header("Link", link);
      return true;
    });
  };
  page("/v2/acme/shop/tags/list?n=", R"({"name":"acme/shop","tags":["1","2"]})",
       "</v2/acme/shop/tags/list?last=2&n=2>; rel=\"next\"");
  page("/v2/acme/shop/tags/list?last=2", R"({"name":"acme/shop","tags":["3"]})", "");
  Client client(Scene::options(registry.host()), scene.store);
  EXPECT_EQ(client.tags(repository(registry.host(), "acme/shop"), never),
            (std::vector<std::string>{"1", "2", "3"}));
  page("/v2/acme/none/tags/list", R"({"name":"acme/none","tags":null})", "");
  EXPECT_TRUE(client.tags(repository(registry.host(), "acme/none"), never).empty());
}

TEST(Client, GoesOnReadingABlobAfterACut) {
  Scene scene;
  FakeRegistry registry;
  const Blob blob(300'000);
  std::atomic<int> connections = 0;
  std::string second_head;
  // Cuts the first answer in its middle, then gives the rest.
  RawServer server([&](Connection& connection, int) {
    for (std::string head; !(head = connection.read_head()).empty();) {
      if (head.find("/blobs/") == std::string::npos) {
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        continue;
      }
      if (++connections == 1) {
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" +
                        blob.bytes.substr(0, 100'000));
        return;
      }
      second_head = head;
      connection.send("HTTP/1.1 206 Partial Content\r\nContent-Length: 200000\r\n\r\n" +
                      blob.bytes.substr(100'000));
    }
  });
  const std::string host = concat("127.0.0.1:", server.port());
  Client client(Scene::options(host), scene.store);
  const std::string read =
      read_all(client.open_blob(repository(host, "acme/shop"), blob.digest(), 0, never));
  EXPECT_TRUE(read == blob.bytes);
  EXPECT_NE(second_head.find("Range: bytes=100000-"), std::string::npos) << second_head;
}

TEST(Client, FindsOutThatABlobIsDamaged) {
  Scene scene;
  FakeRegistry registry;
  const Blob blob(1000);
  registry.blobs[{"acme/shop", blob.digest().text()}] = std::string(1000, 'x');
  Client client(Scene::options(registry.host()), scene.store);
  const Error error = failure_of([&] {
    read_all(client.open_blob(repository(registry.host(), "acme/shop"), blob.digest(), 0, never));
  });
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
}

TEST(Client, ReadsFromAnOffsetAlsoWhereRangesAreUnknown) {
  Scene scene;
  FakeRegistry registry;
  const Blob blob(1000);
  registry.blobs[{"acme/shop", blob.digest().text()}] = blob.bytes;
  registry.next([&](const httplib::Request& request, httplib::Response& response) {
    if (!request.has_header("Range")) return false;
    response.status = 200;
    response.set_content_provider(
        1000, "application/octet-stream",
        [&](std::size_t from, std::size_t count, httplib::DataSink& sink) {
          return sink.write(blob.bytes.data() + from, count);
        });
    const_cast<httplib::Request&>(request).ranges.clear();
    return true;
  });
  Client client(Scene::options(registry.host()), scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  EXPECT_EQ(read_all(client.open_blob(shop, blob.digest(), 400, never)), blob.bytes.substr(400));
  EXPECT_EQ(read_all(client.open_blob(shop, blob.digest(), 400, never)), blob.bytes.substr(400));
}

TEST(Access, KeepsATokenForItsScope) {
  Scene scene;
  FakeRegistry registry;
  registry.wants_token = true;
  const Blob blob(10);
  Client client(Scene::options(registry.host()), scene.store);
  for (int i = 0; i < 3; ++i)
    client.find_blob(repository(registry.host(), "acme/shop"), os::sha256(std::to_string(i)),
                     never);
  EXPECT_EQ(registry.token_requests,
            std::vector<std::string>{
                "GET /token?service=fake%2C%20really&scope=repository%3Aacme%2Fshop%3Apull "});
  client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  ASSERT_EQ(registry.token_requests.size(), 2U);
  EXPECT_NE(registry.token_requests[1].find("pull%2Cpush"), std::string::npos);
}

TEST(Access, AsksForBothRepositoriesOfAMount) {
  Scene scene;
  FakeRegistry registry;
  registry.wants_token = true;
  const Blob blob(10);
  Client client(Scene::options(registry.host()), scene.store);
  client.bring(blob.source, repository(registry.host(), "acme/base"), {}, never);
  EXPECT_EQ(client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never).fate,
            LayerFate::mounted);
  EXPECT_NE(
      registry.token_requests.back().find(
          "&scope=repository%3Aacme%2Fshop%3Apull%2Cpush&scope=repository%3Aacme%2Fbase%3Apull"),
      std::string::npos)
      << registry.token_requests.back();
}

TEST(Access, GivesAnIdentityTokenByPostOnly) {
  Scene scene;
  FakeRegistry registry;
  registry.wants_token = true;
  const DockerConfig config(
      concat(R"({"auths":{")", registry.host(), R"(":{"identitytoken":"refresh/me"}}})"));
  Options options = Scene::options(registry.host());
  options.use_docker_config = true;
  Client client(options, scene.store);
  client.ping(never);
  ASSERT_EQ(registry.token_requests.size(), 1U);
  EXPECT_TRUE(registry.token_requests[0].starts_with("POST /token "));
  EXPECT_NE(registry.token_requests[0].find("refresh_token=refresh%2Fme"), std::string::npos);
}

TEST(Access, FindsCredentialsInDockersConfiguration) {
  Scene scene;
  FakeRegistry registry;
  registry.basic = "Basic " + render_base64("ann:s3cret");
  const DockerConfig config(concat(R"({"auths":{"https://)", registry.host(), R"(":{"auth":")",
                                   render_base64("ann:s3cret"), R"("}}})"));
  Options options = Scene::options(registry.host());
  options.use_docker_config = true;
  Client client(options, scene.store);
  client.ping(never);
  ASSERT_TRUE(client.login());
  EXPECT_EQ(client.login()->first, "ann");
}

TEST(Access, AsksACredentialHelper) {
  Scene scene;
  FakeRegistry registry;
  registry.basic = "Basic " + render_base64("bob:s3cret");
  const DockerConfig config(concat(R"({"credHelpers":{")", registry.host(), R"(":"test"}})"));
  const std::string program = config.folder.path() / "docker-credential-test";
  os::replace_file(
      program,
      "#!/bin/sh\nread -r host\n"
      "printf '{\"ServerURL\":\"%s\",\"Username\":\"bob\",\"Secret\":\"s3cret\"}' \"$host\"\n",
      0755);
  const std::string before = getenv("PATH");
  setenv("PATH", concat(config.folder.path().native(), ":", before).c_str(), 1);
  Options options = Scene::options(registry.host());
  options.use_docker_config = true;
  Client client(options, scene.store);
  client.ping(never);
  setenv("PATH", before.c_str(), 1);
}

TEST(Access, SaysWhereToLookWhenThePasswordIsWrong) {
  Scene scene;
  FakeRegistry registry;
  registry.basic = "Basic " + render_base64("ann:right");
  Options options = Scene::options(registry.host());
  options.username = "ann";
  options.password_place = concat("file:", (scene.folder.path() / "password").native());
  os::replace_file(scene.folder.path() / "password", "wrong-one\n", 0600);
  Client client(options, scene.store);
  const Error error = failure_of([&] { client.ping(never); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_NE(std::string(error.what()).find("docker login"), std::string::npos) << error.what();
  EXPECT_EQ(std::string(error.what()).find("wrong-one"), std::string::npos) << error.what();
  os::replace_file(scene.folder.path() / "password", "right\n", 0600);
  client.ping(never);
}

TEST(Access, SpeaksPlainHttpOnlyToThisMachineUnlessAllowed) {
  net::Client http;
  for (const char* host : {"registry.example", "127.evil.example", "localhost.evil.example:5000"}) {
    Options options = Scene::options(host);
    EXPECT_EQ(Access(options, http).base(never), concat("https://", host));
    options.plain_http = true;
    EXPECT_EQ(Access(options, http).base(never), concat("http://", host));
  }
  const Options hub = Scene::options("docker.io");
  EXPECT_EQ(Access(hub, http).base(never), "https://registry-1.docker.io");
}

TEST(Access, StaysWithTlsWhenALocationForgetsIt) {
  net::Client http;
  const Options options = Scene::options("registry.example:5000");
  Access access(options, http);
  const std::string asked = "https://registry.example:5000/v2/a/blobs/uploads/";
  EXPECT_EQ(access.resolve(asked, "http://registry.example/v2/a/1?x=%2F", never),
            "https://registry.example:5000/v2/a/1?x=%2F");
  EXPECT_EQ(access.resolve(asked, "/v2/a/1", never), "https://registry.example:5000/v2/a/1");
  EXPECT_EQ(access.resolve(asked, "https://s3.example/x", never), "https://s3.example/x");
  EXPECT_FALSE(access.is_own("https://registry.example.evil.example:5000/", never));
}

}  // namespace
}  // namespace lighterman::registry
