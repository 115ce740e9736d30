// What keeps people out of a registry's door, and whom it lets see what.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "registry/access.hpp"
#include "registry/copy.hpp"
#include "registry/fake_registry.hpp"
#include "registry/scene.hpp"
#include "support/certificate.hpp"
#include "support/registry.hpp"

namespace lighterman::registry {
namespace {

using test::Blob;
using test::failure_of;
using test::FakeRegistry;
using test::repository;
using test::Scene;

const std::stop_token never;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// An environment variable that says something else while this lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { before_ ? setenv(name_, before_->c_str(), 1) : unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* const name_;
  std::optional<std::string> before_;
};

/// A registry that wants bob's password, and docker's configuration with a credential helper.
class HelperTest : public testing::Test {
 protected:
  /// `script` is what docker-credential-test does.
  void help(const std::string& script) {
    os::replace_file(folder_.path() / "docker-credential-test", concat("#!/bin/sh\n", script),
                     0755);
  }
  void configure(const std::string& text) {
    os::replace_file(folder_.path() / "config.json", text, 0600);
  }
  Options options() const {
    Options options = Scene::options(registry_.host());
    options.use_docker_config = true;
    return options;
  }
  std::string calls() const {
    std::error_code missing;
    return std::filesystem::exists(folder_.path() / "calls", missing)
               ? os::read_file(folder_.path() / "calls")
               : std::string();
  }

  static constexpr const char* answer =
      "read -r host\necho x >> \"$DOCKER_CONFIG/calls\"\n"
      "printf '{\"ServerURL\":\"%s\",\"Username\":\"bob\",\"Secret\":\"s3cret\"}' \"$host\"\n";
  Scene scene_;
  FakeRegistry registry_;
  os::ScratchFolder folder_;
  Variable config_{"DOCKER_CONFIG", folder_.path().native()};
  Variable path_{"PATH", concat(folder_.path().native(), ":", getenv("PATH"))};
};

TEST_F(HelperTest, IsAskedForEveryRegistryAsTheCredentialStore) {
  registry_.basic = "Basic " + render_base64("bob:s3cret");
  configure(R"({"auths":{"other.example":{}},"credsStore":"test"})");
  help(answer);
  Client client(options(), scene_.store);
  client.ping(never);
  EXPECT_EQ(client.login()->first, "bob");
}

TEST_F(HelperTest, KnowsWhoItIsByOurEnvironment) {
  registry_.basic = "Basic " + render_base64("bob:s3cret");
  configure(R"({"credsStore":"test"})");
  help(concat("[ \"$AWS_PROFILE\" = build ] || exit 1\n", answer));
  const Variable profile("AWS_PROFILE", "build");
  Client client(options(), scene_.store);
  EXPECT_NO_THROW(client.ping(never));
}

TEST_F(HelperTest, ThatFailsIsNotTakenForNoCredentials) {
  configure(R"({"credsStore":"test"})");
  help("read -r host\necho 'half a s3cret'\necho 'the session has expired' >&2\nexit 3\n");
  Client client(options(), scene_.store);
  const Error error = failure_of([&] { client.login(); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_TRUE(has(error.what(), "the session has expired")) << error.what();
  EXPECT_TRUE(has(error.what(), "docker-credential-test get")) << error.what();
  EXPECT_FALSE(has(error.what(), "s3cret")) << error.what();
}

TEST_F(HelperTest, ThatHasNoneLeavesUsAnonymous) {
  configure(R"({"credsStore":"test"})");
  help("echo 'credentials not found in native keychain'\nexit 1\n");
  Client client(options(), scene_.store);
  EXPECT_FALSE(client.login());
  client.ping(never);
}

TEST_F(HelperTest, RunsOnceForManyWhoWantToLogIn) {
  registry_.basic = "Basic " + render_base64("bob:s3cret");
  registry_.wants_token = true;
  configure(R"({"credsStore":"test"})");
  help(answer);
  Client client(options(), scene_.store);
  const auto all_ask = [&](char kind) {
    std::vector<std::jthread> threads;
    threads.reserve(6);
    for (int i = 0; i < 6; ++i)  // as many as the fake serves at a time
      threads.emplace_back([&, i] {
        client.find_blob(repository(registry_.host(), "acme/shop"), os::sha256(concat(kind, i)),
                         never);
      });
  };
  all_ask('a');
  EXPECT_EQ(calls(), "x\n");
  EXPECT_EQ(registry_.token_requests.size(), 1U);
  // Six refusals of the old token, some of which come after the new one.
  registry_.expire_tokens();
  all_ask('b');
  EXPECT_EQ(registry_.token_requests.size(), 2U);
  EXPECT_EQ(calls(), "x\nx\n");
}

TEST(Tokens, ALateRefusalOfTheOldOneLeavesTheNewOne) {
  Scene scene;
  std::atomic<int> issued = 0;
  std::atomic<bool> late = false;
  test::RawServer registry([&](test::Connection& connection, int) {
    for (std::string head; !(head = connection.read_head()).empty();) {
      if (has(head, "GET /token")) {
        const std::string body = concat(R"({"token":"t)", ++issued, R"(","expires_in":300})");
        connection.send(concat("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
                               "Content-Length: ", body.size(), "\r\n\r\n", body));
        continue;
      }
      // Once the slow request is here the first token is good no more.
      const bool slow = has(head, concat("sha256:", std::string(64, 'a')));
      const bool old = has(head, "Bearer t1");
      if (slow && old) {
        late = true;
        support::eventually([&] { return issued == 2; });
      }
      const bool refused = !has(head, "Bearer ") || (old && late);
      connection.send(concat("HTTP/1.1 ", refused ? "401 Unauthorized" : "404 Not Found",
                             "\r\nWWW-Authenticate: Bearer realm=\"http://127.0.0.1:",
                             registry.port(), "/token\"\r\nContent-Length: 0\r\n\r\n"));
    }
  });
  const std::string host = concat("127.0.0.1:", registry.port());
  const Reference shop = repository(host, "acme/shop");
  Client client(Scene::options(host), scene.store);
  const auto ask = [&](char letter) {
    client.find_blob(shop, Digest::parse(concat("sha256:", std::string(64, letter))), never);
  };
  ask('b');
  std::jthread slow([&] { ask('a'); });
  ASSERT_TRUE(support::eventually([&] { return late.load(); }));
  ask('c');
  slow.join();
  EXPECT_EQ(issued, 2);
}

/// A registry that answers 401 to what a token was not made for, like Quay and Docker Hub.
class TokenTest : public testing::Test {
 protected:
  TokenTest() {
    registry_.wants_token = true;
    registry_.basic = "Basic " + render_base64("ann:s3cret");
    os::replace_file(scene_.folder.path() / "password", "s3cret", 0600);
  }
  Options options() {
    Options options = Scene::options(registry_.host());
    options.username = "ann";
    options.password_place = concat("file:", (scene_.folder.path() / "password").native());
    return options;
  }
  bool refuse(const httplib::Request& request, httplib::Response& response) {
    if (request.target.starts_with("/token")) return false;
    const std::string given = request.get_header_value("Authorization");
    const auto token =
        given.size() < 7 ? registry_.tokens.end() : registry_.tokens.find(given.substr(7));
    if (token == registry_.tokens.end()) return false;
    const bool pushes = has(token->second, "pull%2Cpush");
    const bool there = std::ranges::any_of(
        registry_.manifests, [](const auto& each) { return each.first.first == "new/shop"; });
    if (pushes ? may_push_ : there) return false;
    FakeRegistry::refuse(response, 401, "UNAUTHORIZED");
    return true;
  }

  Scene scene_;
  bool may_push_ = true;
  FakeRegistry registry_{
      {}, [this](const auto& request, auto& response) { return refuse(request, response); }};
};

TEST_F(TokenTest, TheFirstCopyMakesTheRepositoryWhereReadingItIsDeniedUntilThen) {
  FakeRegistry source;
  Client from(Scene::options(source.host()), scene_.store);
  Client to(options(), scene_.store);
  const Reference shop = repository(source.host(), "acme/shop");
  const Blob config(100);
  from.bring(config.source, shop, {}, never);
  from.put_manifest(
      shop.with_tag("1"), std::string(media::oci_manifest),
      Manifest::compose({std::string(media::oci_config), config.digest(), 100}, {}).bytes(), never);
  const Reference mirror = repository(registry_.host(), "new/shop");
  const CopyOutcome outcome = copy(from, shop.with_tag("1"), to, mirror, {"1"}, {}, {}, never);
  EXPECT_EQ(to.find_tag(mirror.with_tag("1"), never), outcome.digest);
}

TEST_F(TokenTest, ARefusedPushNamesThePermissionAndNotThePassword) {
  may_push_ = false;
  const Blob blob(100);
  Client client(options(), scene_.store);
  const auto push = [&](Client& by) {
    return failure_of(
        [&] { by.bring(blob.source, repository(registry_.host(), "new/shop"), {}, never); });
  };
  const Error error = push(client);
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_TRUE(has(error.what(), "the account may not push to new/shop")) << error.what();
  EXPECT_FALSE(has(error.what(), "docker login")) << error.what();
  // Who has not logged in has to.
  registry_.basic.clear();
  Client stranger(Scene::options(registry_.host()), scene_.store);
  const Error unknown = push(stranger);
  EXPECT_TRUE(has(unknown.what(), "docker login")) << unknown.what();
}

TEST_F(TokenTest, ARefusedPullNamesThePermissionToo) {
  const Blob blob(100);
  Client client(options(), scene_.store);
  const Error error = failure_of(
      [&] { client.open_blob(repository(registry_.host(), "new/shop"), blob.digest(), 0, never); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_TRUE(has(error.what(), "the account may not pull from new/shop")) << error.what();
}

TEST(Copy, NeedsNoPermissionToListTheTagsOfItsSource) {
  Scene scene;
  FakeRegistry source({}, [](const httplib::Request& request, httplib::Response& response) {
    if (!has(request.target, "/tags/list")) return false;
    FakeRegistry::refuse(response, 403, "DENIED");
    return true;
  });
  FakeRegistry target;
  Client from(Scene::options(source.host()), scene.store);
  Client to(Scene::options(target.host()), scene.store);
  const Reference shop = repository(source.host(), "acme/shop");
  const Reference mirror = repository(target.host(), "acme/shop");
  const Blob config(100), payload(200, 2);
  for (const Blob* blob : {&config, &payload}) from.bring(blob->source, shop, {}, never);
  const Descriptor described{std::string(media::oci_config), config.digest(), 100};
  const auto put = [&](const std::string& tag, const std::vector<Descriptor>& layers) {
    return from.put_manifest(shop.with_tag(tag), std::string(media::oci_manifest),
                             Manifest::compose(described, layers).bytes(), never);
  };
  const std::string signature = concat("sha256-", put("1", {}).hex(), ".sig");
  const Digest signed_by = put(signature, {{"text/plain", payload.digest(), 200}});
  const CopyOutcome outcome = copy(from, shop.with_tag("1"), to, mirror, {"1"}, {}, {}, never);
  EXPECT_EQ(outcome.tally.referrers, 1U);
  EXPECT_EQ(to.find_tag(mirror.with_tag(signature), never), signed_by);
}

TEST(Door, AnUploadThatGoesToAnotherHostTakesNoCredentialsThere) {
  Scene scene;
  std::vector<std::string> seen;
  FakeRegistry store({}, [&](const httplib::Request& request, httplib::Response&) {
    seen.push_back(request.get_header_value("Authorization"));
    return false;
  });
  FakeRegistry registry({}, [&](const httplib::Request& request, httplib::Response& response) {
    if (request.method != "POST" || request.get_header_value("Authorization").empty()) return false;
    store.uploads["abc"] = "";
    response.status = 202;
    response.set_header("Location",
                        concat("http://", store.host(), "/v2/acme/shop/uploads/abc?sig=1"));
    return true;
  });
  registry.basic = "Basic " + render_base64("ann:s3cret");
  Options options = Scene::options(registry.host());
  options.username = "ann";
  options.password_place = concat("file:", (scene.folder.path() / "password").native());
  options.chunk = 2 << 20;
  os::replace_file(scene.folder.path() / "password", "s3cret", 0600);
  Client client(options, scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  for (const std::size_t size : {100, 5 << 20}) {
    const Blob blob(size);
    EXPECT_EQ(client.bring(blob.source, shop, {}, never).fate, LayerFate::sent);
    EXPECT_EQ((store.blobs[{"acme/shop", blob.digest().text()}]), blob.bytes);
  }
  EXPECT_EQ(seen, std::vector<std::string>(5)) << "three chunks and two ends";
}

TEST(Door, OtherHostsSeeNoCertificateAndMustShowAGoodOne) {
  net::Client http;
  Options options = Scene::options("registry.example");
  options.trust.client_certificate_file = "client.pem";
  options.trust.client_key_file = "client.key";
  options.trust.ca_file = "ca.pem";
  options.trust.verify = false;
  Access access(options, http);
  const auto trust_at = [&](const std::string& url) {
    net::Request request;
    request.url = url;
    access.prepare(request, "", never);
    return request.trust;
  };
  const net::Trust own = trust_at("https://registry.example/v2/a/blobs/uploads/1");
  EXPECT_EQ(own.client_certificate_file, "client.pem");
  EXPECT_FALSE(own.verify);
  for (const char* url :
       {"https://store.example/a?sig=1", "https://registry.example.evil.example/"}) {
    const net::Trust other = trust_at(url);
    EXPECT_TRUE(other.client_certificate_file.empty() && other.client_key_file.empty()) << url;
    EXPECT_TRUE(other.verify) << url;
    EXPECT_EQ(other.ca_file, "ca.pem") << "what one was told to believe may sign for both";
  }
}

TEST(Door, WhoARegistrySendsUsToMayNotAskForOurPassword) {
  Scene scene;
  FakeRegistry elsewhere;
  elsewhere.wants_token = true;
  FakeRegistry registry({}, [&](const httplib::Request& request, httplib::Response& response) {
    if (!has(request.target, "/manifests/")) return false;
    response.status = 307;
    response.set_header("Location", concat("http://", elsewhere.host(), request.target));
    return true;
  });
  Options options = Scene::options(registry.host());
  options.username = "ann";
  options.password_place = concat("file:", (scene.folder.path() / "password").native());
  os::replace_file(scene.folder.path() / "password", "s3cret", 0600);
  Client client(options, scene.store);
  failure_of(
      [&] { client.find_manifest(repository(registry.host(), "acme/shop").with_tag("1"), never); });
  EXPECT_TRUE(elsewhere.token_requests.empty());
}

TEST(Door, TakesAuthorityAndCertificateFromDockersFolder) {
  Scene scene;
  support::RealRegistry registry({.tls = true, .client_certificate = true});
  const std::filesystem::path place = scene.folder.path() / registry.host();
  std::filesystem::create_directories(place);
  std::filesystem::copy_file(registry.ca_file(), place / "ca.crt");
  std::filesystem::copy_file(registry.client_certificate_file(), place / "client.cert");
  Options options = Scene::options(registry.host());
  options.retry.attempts = 1;
  options.trust = trust_for(options, scene.folder.path());
  EXPECT_TRUE(options.trust.client_certificate_file.empty()) << "a certificate without its key";
  EXPECT_THROW(Client(options, scene.store).ping(never), Error);
  std::filesystem::copy_file(registry.client_key_file(), place / "client.key");
  options.trust = trust_for(options, scene.folder.path());
  EXPECT_NO_THROW(Client(options, scene.store).ping(never));
  options.trust.ca_file = "ours.pem";
  EXPECT_EQ(trust_for(options, scene.folder.path()).ca_file, "ours.pem");
}

}  // namespace
}  // namespace lighterman::registry
