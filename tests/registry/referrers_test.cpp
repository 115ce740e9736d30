#include "registry/referrers.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "core/json.hpp"
#include "registry/fake_registry.hpp"
#include "registry/scene.hpp"
#include "support/registry.hpp"

namespace lighterman::registry {
namespace {

using test::failure_of;
using test::FakeRegistry;
using test::repository;
using test::Scene;

const std::stop_token never;
const Digest subject = os::sha256("subject");
const std::string fallback = concat("sha256-", subject.hex());
constexpr std::string_view type = "application/vnd.example.note";

TagContent note(const std::string& text) {
  return {std::string(media::oci_manifest),
          concat(R"({"schemaVersion":2,"mediaType":")", media::oci_manifest,
                 R"(","artifactType":")", type, R"(","config":{"mediaType":"a/b","digest":")",
                 os::sha256("{}"), R"(","size":2},"layers":[],"subject":{"digest":")", subject,
                 R"("},"annotations":{"text":")", text, "\"}}")};
}

std::string index_of(const std::vector<std::string>& texts) {
  std::string entries;
  for (const std::string& text : texts)
    entries += concat(entries.empty() ? "" : ",", R"({"mediaType":")", media::oci_manifest,
                      R"(","digest":")", os::sha256(note(text).bytes), R"(","size":)",
                      note(text).bytes.size(), R"(,"artifactType":")", type,
                      R"(","annotations":{"text":")", text, "\"}}");
  return concat(R"({"schemaVersion":2,"manifests":[)", entries, "]}");
}

std::set<std::string> texts_of(const std::vector<Referrer>& referrers) {
  std::set<std::string> texts;
  for (const Referrer& each : referrers) texts.insert(each.annotations.at("text"));
  return texts;
}

/// What a registry with the API answers once.
void answer_once(FakeRegistry& registry, const std::string& query, const std::string& body,
                 const std::string& link = {}, const std::string& content = {}) {
  registry.next([=](const httplib::Request& request, httplib::Response& response) {
    if (request.target != concat("/v2/acme/shop/referrers/", subject, query)) return false;
    response.status = 200;
    response.set_content(body, content.empty() ? std::string(media::oci_index) : content);
    if (!link.empty()) response.set_header("Link", concat('<', link, ">; rel=\"next\""));
    return true;
  });
}

TEST(Referrers, AreReadPageByPageAndFiltered) {
  Scene scene;
  FakeRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  const std::string asked = "?artifactType=application%2Fvnd.example.note";
  answer_once(registry, asked, index_of({"a"}),
              concat("/v2/acme/shop/referrers/", subject, "?page=2"));
  std::string rest = index_of({"b", "other"});
  rest.replace(rest.rfind(type), type.size(), "application/vnd.other");
  answer_once(registry, "?page=2", rest);
  const auto found = find_referrers(client, shop, subject, std::string(type), never);
  EXPECT_EQ(texts_of(found), (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(registry.count(concat("GET /v2/acme/shop/manifests/", fallback)), 0U);
}

TEST(Referrers, NeedNoTagWhereTheRegistryHasTheApi) {
  Scene scene;
  FakeRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  answer_once(registry, "", index_of({}));
  TagEditor editor(client);
  const auto digests = put_referrers(client, shop, subject, {note("a")}, editor, never);
  editor.confirm(never);
  EXPECT_EQ(digests, std::vector<Digest>{os::sha256(note("a").bytes)});
  EXPECT_EQ(registry.count("PUT /v2/acme/shop/manifests/"), 1U);
}

TEST(Referrers, AreInTheTagOfARegistryThatAnswersWithItsHomePage) {
  Scene scene;
  FakeRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  client.put_manifest(shop.with_tag(fallback), std::string(media::oci_index), index_of({"a"}),
                      never);
  answer_once(registry, "", "<html>", {}, "text/html");
  EXPECT_EQ(texts_of(find_referrers(client, shop, subject, "", never)), std::set<std::string>{"a"});
}

TEST(Referrers, AreListedByARealRegistryWithTheirTypeAndAnnotations) {
  Scene scene;
  support::RealRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  const std::string empty = "{}";
  const BlobSource config{
      {"a/b", os::sha256(empty), empty.size()}, [&](std::uint64_t offset) -> Pull {
        return [&empty, offset](char* into, std::size_t room) mutable {
          const std::size_t count = std::min<std::size_t>(room, empty.size() - offset);
          std::memcpy(into, empty.data() + offset, count);
          offset += count;
          return count;
        };
      }};
  client.bring(config, shop, {}, never);
  EXPECT_TRUE(find_referrers(client, shop, subject, "", never).empty());
  for (int time = 0; time < 2; ++time) {
    TagEditor editor(client);
    put_referrers(client, shop, subject, {note("a"), note("b")}, editor, never);
    editor.confirm(never);
  }
  const auto found = find_referrers(client, shop, subject, std::string(type), never);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].artifact_type, type);
  EXPECT_EQ(found[0].manifest.digest, os::sha256(note("a").bytes));
  EXPECT_EQ(found[0].manifest.size, note("a").bytes.size());
  EXPECT_EQ(texts_of(found), (std::set<std::string>{"a", "b"}));
  EXPECT_TRUE(find_referrers(client, shop, subject, "application/vnd.other", never).empty());
  const auto index = client.find_manifest(shop.with_tag(fallback), never);
  EXPECT_EQ(index->media_type, media::oci_index);
}

/// Another writer puts an index with its own entry only, as soon as a request comes that begins so.
void overwrite_at(FakeRegistry& registry, const std::string& beginning, const std::string& text,
                  std::shared_ptr<int> skipped) {
  registry.next([&registry, beginning, text, skipped](const httplib::Request& request,
                                                      httplib::Response&) {
    if (!concat(request.method, ' ', request.target).starts_with(beginning)) return false;
    if ((*skipped)-- > 0) return false;
    registry.manifests[{"acme/shop", fallback}] = {std::string(media::oci_index), index_of({text})};
    *skipped = 1 << 20;
    return false;
  });
}

TEST(TagEditor, WritesAgainWhatAnotherWriterLost) {
  for (const int looks_before : {1, 2}) {
    // 1: lost before the look right after writing; 2: before the second, later one.
    Scene scene;
    FakeRegistry registry;
    Client client(Scene::options(registry.host()), scene.store);
    const Reference shop = repository(registry.host(), "acme/shop");
    overwrite_at(registry, concat("GET /v2/acme/shop/manifests/", fallback), "theirs",
                 std::make_shared<int>(looks_before));
    TagEditor editor(client);
    put_referrers(client, shop, subject, {note("ours")}, editor, never);
    editor.confirm(never);
    EXPECT_EQ(texts_of(find_referrers(client, shop, subject, "", never)),
              (std::set<std::string>{"ours", "theirs"}))
        << looks_before;
  }
}

TEST(TagEditor, KeepsWhatItDoesNotUnderstand) {
  Scene scene;
  FakeRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  std::string index = index_of({"theirs"});
  index.replace(index.find("{\"schema"), 1, R"({"annotations":{"x":"y"},)");
  index.replace(index.find("{\"mediaType"), 1, R"({"platform":{"os":"linux"},)");
  client.put_manifest(shop.with_tag(fallback), std::string(media::oci_index), index, never);
  TagEditor editor(client);
  put_referrers(client, shop, subject, {note("ours")}, editor, never);
  const auto now = client.find_manifest(shop.with_tag(fallback), never);
  EXPECT_NE(now->bytes.find(R"("annotations":{"x":"y"})"), std::string::npos) << now->bytes;
  EXPECT_NE(now->bytes.find(R"("platform":{"os":"linux"})"), std::string::npos) << now->bytes;
}

TEST(TagEditor, DoesNotOverwriteAnImageThatHasTheTag) {
  Scene scene;
  FakeRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  const Reference shop = repository(registry.host(), "acme/shop");
  client.put_manifest(shop.with_tag(fallback), std::string(media::oci_manifest),
                      note("an image").bytes, never);
  TagEditor editor(client);
  const Error failure =
      failure_of([&] { put_referrers(client, shop, subject, {note("ours")}, editor, never); });
  EXPECT_EQ(failure.kind(), ErrorKind::conflict);
  EXPECT_NE(std::string(failure.what()).find("is not the list of referrers"), std::string::npos);
}

TEST(TagEditor, GivesUpWhenOthersAlwaysWin) {
  Scene scene;
  FakeRegistry registry;
  Client client(Scene::options(registry.host()), scene.store);
  TagEditor editor(client);
  const Reference tag = repository(registry.host(), "acme/shop").with_tag("note");
  const Error failure = failure_of([&] {
    editor.edit(
        tag, [](const auto&) { return note("never right"); }, never);
  });
  EXPECT_EQ(failure.kind(), ErrorKind::unavailable);
}

}  // namespace
}  // namespace lighterman::registry
