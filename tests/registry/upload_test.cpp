#include <gtest/gtest.h>

#include <thread>

#include "registry/fake_registry.hpp"
#include "registry/scene.hpp"

namespace lighterman::registry {
namespace {

using namespace std::chrono_literals;
using test::Blob;
using test::failure_of;
using test::FakeRegistry;
using test::Proxy;
using test::repository;
using test::Scene;

constexpr std::size_t mega = 1 << 20;
const std::stop_token never;

TEST(Upload, SendsNothingThatIsThere) {
  FakeRegistry registry;
  const Blob blob(100);
  registry.blobs[{"acme/shop", blob.digest().text()}] = blob.bytes;
  Scene scene;
  Client client(Scene::options(registry.host()), scene.store);
  const LayerOutcome outcome =
      client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  EXPECT_EQ(outcome.fate, LayerFate::present);
  EXPECT_EQ(registry.count("POST"), 0U);
}

TEST(Upload, SendsAnyBlobOfUnknownLimitInOneRequestAndTellsHowFar) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, 5 * mega + 3}) {
    Scene scene;
    FakeRegistry registry;
    const Blob blob(size);
    Client client(Scene::options(registry.host()), scene.store);
    std::uint64_t told = 0;
    const LayerOutcome outcome = client.bring(
        blob.source, repository(registry.host(), "acme/shop"),
        [&](const Digest&, std::uint64_t sent, std::uint64_t total) {
          EXPECT_GE(sent, told);
          EXPECT_EQ(total, size);
          told = sent;
        },
        never);
    EXPECT_EQ(outcome.fate, LayerFate::sent);
    EXPECT_EQ(outcome.sent_bytes, size);
    EXPECT_EQ(told, size);
    EXPECT_EQ((registry.blobs[{"acme/shop", blob.digest().text()}]), blob.bytes);
    EXPECT_LE(registry.count("PATCH"), 1U);
    EXPECT_FALSE(scene.store.find_upload(repository(registry.host(), "acme/shop"), blob.digest()));
  }
}

TEST(Upload, MountsWhatWasSeenInAnotherRepository) {
  Scene scene;
  FakeRegistry registry;
  const Blob blob(100);
  Client client(Scene::options(registry.host()), scene.store);
  client.bring(blob.source, repository(registry.host(), "acme/base"), {}, never);
  const LayerOutcome outcome =
      client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  EXPECT_EQ(outcome.fate, LayerFate::mounted);
  EXPECT_EQ(outcome.reason, "mounted from acme/base");
  EXPECT_EQ(registry.received, 100U);
}

TEST(Upload, DoesNotTakeAnAnswerOf202ForAMount) {
  Scene scene;
  FakeRegistry registry;
  registry.mounts = false;
  const Blob blob(100);
  Client client(Scene::options(registry.host()), scene.store);
  client.bring(blob.source, repository(registry.host(), "acme/base"), {}, never);
  const LayerOutcome outcome =
      client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  EXPECT_EQ(outcome.fate, LayerFate::sent);
  EXPECT_EQ(registry.received, 200U);
  EXPECT_TRUE(registry.uploads.empty()) << "the upload nobody wanted was left behind";
}

TEST(Upload, GoesOnInTheMiddleOfACutRequest) {
  Scene scene;
  FakeRegistry registry;
  Proxy proxy(registry.port(), 3 * mega, Proxy::Way::cut_once_passing_on);
  const Blob blob(8 * mega);
  Client client(Scene::options(proxy.host()), scene.store);
  client.bring(blob.source, repository(proxy.host(), "acme/shop"), {}, never);
  EXPECT_EQ(proxy.refused(), 1);
  EXPECT_EQ((registry.blobs[{"acme/shop", blob.digest().text()}]), blob.bytes);
  EXPECT_EQ(registry.received, 8 * mega) << "bytes were sent twice";
  EXPECT_EQ(registry.count("POST"), 1U);
}

TEST(Upload, GoesOnWithANewClientOverTheSameStore) {
  Scene scene;
  FakeRegistry registry;
  Options options = Scene::options(registry.host());
  options.chunk = 2 * mega;
  Blob blob(7 * mega);
  blob.opening = [](std::uint64_t offset) {
    if (offset == 4 * mega) throw Error(ErrorKind::cancelled, "the daemon is stopping");
  };
  const Reference target = repository(registry.host(), "acme/shop");
  EXPECT_EQ(failure_of([&] {
              Client client(options, scene.store);
              client.bring(blob.source, target, {}, never);
            }).kind(),
            ErrorKind::cancelled);
  blob.opening = {};
  Client client(options, scene.store);
  const LayerOutcome outcome = client.bring(blob.source, target, {}, never);
  EXPECT_EQ(outcome.sent_bytes, 3 * mega);
  EXPECT_EQ(registry.received, 7 * mega);
  EXPECT_EQ((registry.blobs[{"acme/shop", blob.digest().text()}]), blob.bytes);
}

TEST(Upload, BeginsAnewWhenTheRegistryLostTheUpload) {
  for (const auto& [status, code] :
       {std::pair(404, "BLOB_UPLOAD_UNKNOWN"), std::pair(416, "RANGE_INVALID"),
        std::pair(400, "BLOB_UPLOAD_INVALID")}) {
    Scene scene;
    FakeRegistry registry;
    Options options = Scene::options(registry.host());
    options.chunk = 2 * mega;
    Blob blob(7 * mega);
    blob.opening = [&, status = status, code = code](std::uint64_t offset) {
      if (offset != 4 * mega || blob.opened > 3) return;
      const std::lock_guard lock(registry.mutex);
      registry.uploads.clear();
      registry.surprises.push_back(
          [=](const httplib::Request& request, httplib::Response& response) {
            if (request.method != "PATCH") return false;
            FakeRegistry::refuse(response, status, code);
            return true;
          });
    };
    Client client(options, scene.store);
    client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
    EXPECT_EQ((registry.blobs[{"acme/shop", blob.digest().text()}]), blob.bytes) << status;
    EXPECT_EQ(registry.count("POST"), 2U) << status;
  }
}

TEST(Upload, SendsAgainWhenWhatWasKeptTurnsOutToBeWrong) {
  Scene scene;
  FakeRegistry registry;
  const Blob blob(3 * mega);
  const Reference target = repository(registry.host(), "acme/shop");
  registry.uploads["abc"] = std::string(mega, 'x');
  scene.store.put_upload(
      target, blob.digest(),
      {concat("http://", registry.host(), "/v2/acme/shop/uploads/abc"), mega, system_now()});
  Client client(Scene::options(registry.host()), scene.store);
  client.bring(blob.source, target, {}, never);
  EXPECT_EQ((registry.blobs[{"acme/shop", blob.digest().text()}]), blob.bytes);
}

TEST(Upload, FindsTheBodyLimitOfAProxyAndRemembersIt) {
  for (const Proxy::Way way : {Proxy::Way::answer_413, Proxy::Way::cut}) {
    Scene scene;
    FakeRegistry registry;
    Proxy proxy(registry.port(), 3 * mega, way);
    const Blob first(17 * mega, 1);
    const Blob second(9 * mega, 2);
    {
      Client client(Scene::options(proxy.host()), scene.store);
      client.bring(first.source, repository(proxy.host(), "acme/shop"), {}, never);
    }
    EXPECT_EQ((registry.blobs[{"acme/shop", first.digest().text()}]), first.bytes);
    const int refused = proxy.refused();
    EXPECT_GT(refused, 0);
    Client client(Scene::options(proxy.host()), scene.store);
    client.bring(second.source, repository(proxy.host(), "acme/shop"), {}, never);
    EXPECT_EQ((registry.blobs[{"acme/shop", second.digest().text()}]), second.bytes);
    EXPECT_EQ(proxy.refused(), refused) << "what was found out was forgotten";
    EXPECT_GT(proxy.longest(), 3 * mega / 2) << "chunks are smaller than they need be";
  }
}

TEST(Upload, SaysWhenNoRequestIsSmallEnough) {
  Scene scene;
  FakeRegistry registry;
  Proxy proxy(registry.port(), 10, Proxy::Way::answer_413);
  const Blob blob(mega);
  Client client(Scene::options(proxy.host()), scene.store);
  const Error error = failure_of(
      [&] { client.bring(blob.source, repository(proxy.host(), "acme/shop"), {}, never); });
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
  EXPECT_NE(std::string(error.what()).find("raise its limit"), std::string::npos) << error.what();
}

TEST(Upload, RenewsItsTokenInTheMiddle) {
  Scene scene;
  FakeRegistry registry;
  registry.wants_token = true;
  Options options = Scene::options(registry.host());
  options.chunk = 2 * mega;
  Blob blob(7 * mega);
  blob.opening = [&](std::uint64_t offset) {
    if (offset == 4 * mega && blob.opened == 3) registry.expire_tokens();
  };
  Client client(options, scene.store);
  client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  EXPECT_EQ((registry.blobs[{"acme/shop", blob.digest().text()}]), blob.bytes);
  EXPECT_EQ(registry.received, 7 * mega);
  EXPECT_EQ(registry.count("POST /v2/"), 1U) << "it began anew";
}

TEST(Upload, StaysAwayAsLongAsTheRegistryAsks) {
  Scene scene;
  FakeRegistry registry;
  registry.next("POST", 429, "TOOMANYREQUESTS", {{"Retry-After", "1"}});
  registry.next("PUT", 503);
  std::vector<std::chrono::milliseconds> pauses;
  Options options = Scene::options(registry.host());
  options.retry.report = [&](int, const std::string&, std::chrono::milliseconds pause) {
    pauses.push_back(pause);
  };
  const Blob blob(100);
  Client client(options, scene.store);
  client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  ASSERT_EQ(pauses.size(), 2U);
  EXPECT_GE(pauses[0], 1s);
  EXPECT_LT(pauses[1], 1s);
}

TEST(Upload, LooksAgainBeforeItSendsTwiceWhatOnlyTheAnswerWasLostOf) {
  Scene scene;
  FakeRegistry registry;
  const Blob blob(100);
  registry.next([&](const httplib::Request& request, httplib::Response& response) {
    if (request.method != "PUT") return false;
    registry.blobs[{"acme/shop", blob.digest().text()}] = blob.bytes;
    FakeRegistry::refuse(response, 502, "UNKNOWN");
    return true;
  });
  Client client(Scene::options(registry.host()), scene.store);
  client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  EXPECT_EQ(registry.count("POST"), 1U);
}

TEST(Upload, TakesOnePieceWhereChunksAreNotSupported) {
  Scene scene;
  FakeRegistry registry;
  registry.next("PATCH", 405, "UNSUPPORTED");
  const Blob blob(3 * mega);
  Client client(Scene::options(registry.host()), scene.store);
  client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  EXPECT_EQ((registry.blobs[{"acme/shop", blob.digest().text()}]), blob.bytes);
}

TEST(Upload, GivesUpOnABlobThatIsTooLargeWhereChunksAreNotSupported) {
  Scene scene;
  FakeRegistry registry;
  registry.next("PATCH", 405, "UNSUPPORTED");
  registry.next("PUT", 413, "");
  const Blob blob(3 * mega);
  Client client(Scene::options(registry.host()), scene.store);
  const Error error = failure_of(
      [&] { client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never); });
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
  EXPECT_NE(std::string(error.what()).find("raise its limit"), std::string::npos) << error.what();
}

TEST(Upload, BringsABlobOnceThatIsWantedTwiceAtTheSameTime) {
  Scene scene;
  FakeRegistry registry;
  const Blob blob(3 * mega);
  Client client(Scene::options(registry.host()), scene.store);
  std::atomic<int> sent = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        sent +=
            client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never).fate ==
            LayerFate::sent;
      });
    }
  }
  EXPECT_EQ(sent, 1);
  EXPECT_EQ(registry.received, 3 * mega);
}

TEST(Upload, SharesTheLimitAmongAllUploads) {
  Scene scene;
  FakeRegistry registry;
  Options options = Scene::options(registry.host());
  options.push_limit = 2 * mega;
  const Blob first(mega / 2, 1);
  const Blob second(mega / 2, 2);
  Client client(options, scene.store);
  const auto begin = std::chrono::steady_clock::now();
  {
    const std::jthread other(
        [&] { client.bring(first.source, repository(registry.host(), "acme/shop"), {}, never); });
    client.bring(second.source, repository(registry.host(), "acme/shop"), {}, never);
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GT(took, 350ms);
  EXPECT_LT(took, 3s);
}

TEST(Upload, StopsSoonAlsoWhenItIsHeldBack) {
  Scene scene;
  FakeRegistry registry;
  Options options = Scene::options(registry.host());
  options.push_limit = 1000;
  const Blob blob(mega);
  Client client(options, scene.store);
  std::stop_source stopping;
  std::chrono::steady_clock::time_point asked;
  const Error error = failure_of([&] {
    client.bring(
        blob.source, repository(registry.host(), "acme/shop"),
        [&](const Digest&, std::uint64_t, std::uint64_t) {
          if (stopping.request_stop()) asked = std::chrono::steady_clock::now();
        },
        stopping.get_token());
  });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - asked, 300ms);
}

TEST(Upload, NamesThePermissionThatIsMissing) {
  Scene scene;
  FakeRegistry registry;
  registry.next("POST", 403, "DENIED");
  registry.next("POST", 404, "NAME_UNKNOWN");
  const Blob blob(100);
  Client client(Scene::options(registry.host()), scene.store);
  const auto bring = [&] {
    client.bring(blob.source, repository(registry.host(), "acme/shop"), {}, never);
  };
  const Error denied = failure_of(bring);
  EXPECT_EQ(denied.kind(), ErrorKind::denied);
  EXPECT_NE(
      std::string(denied.what()).find("DENIED: so it is (the account may not push to acme/shop"),
      std::string::npos)
      << denied.what();
  const Error unknown = failure_of(bring);
  EXPECT_EQ(unknown.kind(), ErrorKind::not_found);
  EXPECT_NE(std::string(unknown.what()).find("create the repository"), std::string::npos)
      << unknown.what();
}

}  // namespace
}  // namespace lighterman::registry
