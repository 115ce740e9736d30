// The same copy between all forms in which registries are met, each a real docker-registry.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>

#include "core/json.hpp"
#include "os/program.hpp"
#include "registry/copy.hpp"
#include "registry/profile.hpp"
#include "registry/referrers.hpp"
#include "registry/scene.hpp"
#include "support/peers.hpp"
#include "support/registry.hpp"
#include "support/token_server.hpp"

namespace lighterman::registry {
namespace {

using support::RealRegistry;
using support::TokenServer;
using test::Blob;
using test::failure_of;
using test::Proxy;
using test::repository;
using test::Scene;

constexpr std::size_t mega = 1 << 20;
const std::stop_token never;

enum class Form { open, password, token, tls, faulty };
constexpr Form forms[] = {Form::open, Form::password, Form::token, Form::tls, Form::faulty};
constexpr const char* form_names[] = {"Open", "Password", "Token", "Tls", "Faulty"};

std::string name_of(Form form) { return form_names[static_cast<std::size_t>(form)]; }

/// One registry of a form, and what it takes to use it.
class Place {
 public:
  Place(Form form, const std::filesystem::path& folder) : form_(form), folder_(folder) {
    std::filesystem::create_directories(folder_ / "certificates");
    os::replace_file(folder_ / "password", "s3cret", 0600);
    RealRegistry::Options wanted;
    if (form == Form::password) wanted.user = {"ann", "s3cret"};
    if (form == Form::token) {
      tokens = std::make_unique<TokenServer>("ann", "s3cret");
      wanted.tokens = tokens->for_registry();
    }
    wanted.tls = wanted.client_certificate = form == Form::tls;
    registry = std::make_unique<RealRegistry>(wanted);
    if (form == Form::faulty)
      proxy = std::make_unique<Proxy>(registry->port(), mega, Proxy::Way::answer_413,
                                      std::chrono::milliseconds(5));
    options = Scene::options(host());
    if (needs_password()) {
      options.username = "ann";
      options.password_place = concat("file:", (folder_ / "password").native());
    }
    if (form == Form::tls) {
      options.trust.ca_file = registry->ca_file();
      options.trust.client_certificate_file = registry->client_certificate_file();
      options.trust.client_key_file = registry->client_key_file();
      // As docker and skopeo want to find them.
      const std::filesystem::path certificates = folder_ / "certificates";
      std::filesystem::copy_file(registry->ca_file(), certificates / "ca.crt");
      std::filesystem::copy_file(registry->client_certificate_file(), certificates / "client.cert");
      std::filesystem::copy_file(registry->client_key_file(), certificates / "client.key");
    }
  }

  std::string host() const { return proxy ? proxy->host() : registry->host(); }
  bool needs_password() const { return form_ == Form::password || form_ == Form::token; }

  /// Reads all of the image as other people do, and compares its bytes with their digests.
  void validate(const Reference& image) const {
    std::vector<std::string> words{"--insecure-policy", "copy", "--src-tls-verify=false"};
    if (needs_password()) words.insert(words.end(), {"--src-creds", "ann:s3cret"});
    if (form_ == Form::tls) {
      words.back() = "--src-tls-verify=true";
      words.insert(words.end(), {"--src-cert-dir", (folder_ / "certificates").native()});
    }
    words.insert(words.end(), {concat("docker://", image.text()),
                               concat("dir:", (folder_ / "pulled").native())});
    const os::Outcome skopeo = os::perform({"skopeo", std::move(words)});
    EXPECT_EQ(skopeo.exit_code, 0) << skopeo.errors;
    if (form_ == Form::tls) return;  // crane knows no client certificates
    const support::Peers peers(folder_);
    if (needs_password()) {
      std::filesystem::create_directories(folder_ / ".docker");
      os::replace_file(
          folder_ / ".docker/config.json",
          boost::json::serialize(boost::json::object{
              {"auths", {{registry->host(), {{"auth", render_base64("ann:s3cret")}}}}}}));
    }
    peers.must("crane", {"validate", "--insecure", "--fast", "--remote", image.text()});
  }

  std::unique_ptr<TokenServer> tokens;
  std::unique_ptr<RealRegistry> registry;
  std::unique_ptr<Proxy> proxy;
  Options options;

 private:
  const Form form_;
  const std::filesystem::path folder_;
};

class Forms : public testing::TestWithParam<std::tuple<Form, Form>> {};

BlobSource source_of(const std::string& bytes, std::string_view type) {
  return {{std::string(type), os::sha256(bytes), bytes.size()}, [bytes](std::uint64_t offset) {
            return [rest = bytes.substr(offset)](char* into, std::size_t room) mutable {
              const std::size_t part = rest.copy(into, room);
              rest.erase(0, part);
              return part;
            };
          }};
}

/// An image, and an SBOM that refers to it.
Digest push(Client& client, const Reference& shop, const Blob& layer) {
  const auto bring = [&](const std::string& bytes, std::string_view type) {
    const BlobSource source = source_of(bytes, type);
    client.bring(source, shop, {}, never);
    return source.descriptor;
  };
  const Descriptor config =
      bring(R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}})",
            media::oci_config);
  client.bring(layer.source, shop, {}, never);
  const std::string image = Manifest::compose(config, {layer.source.descriptor}).bytes();
  const Digest digest =
      client.put_manifest(shop.with_tag("1.0"), std::string(media::oci_manifest), image, never);
  const boost::json::object sbom{
      {"schemaVersion", 2},
      {"mediaType", media::oci_manifest},
      {"artifactType", "application/vnd.cyclonedx+json"},
      {"config", lighterman::to_json(bring("{}", "application/vnd.oci.empty.v1+json"))},
      {"layers", {lighterman::to_json(bring("{\"bom\":1}", "application/vnd.cyclonedx+json"))}},
      {"subject",
       lighterman::to_json(Descriptor{std::string(media::oci_manifest), digest, image.size()})}};
  TagEditor editor(client);
  put_referrers(client, shop, digest,
                {{std::string(media::oci_manifest), boost::json::serialize(sbom)}}, editor, never);
  editor.confirm(never);
  return digest;
}

TEST_P(Forms, AnImageAndWhatRefersToItArrive) {
  const auto [source_form, target_form] = GetParam();
  Scene scene;
  const Place here(source_form, scene.folder.path() / "here");
  const Place there(target_form, scene.folder.path() / "there");
  Client from(here.options, scene.store);
  Client to(there.options, scene.store);
  const Reference shop = repository(here.host(), "acme/shop");
  const Reference mirror = repository(there.host(), "mirror/shop");
  const Blob layer(3 * mega);
  const Digest digest = push(from, shop, layer);
  const CopyOutcome outcome = copy(from, shop.with_tag("1.0"), to, mirror, {"1.0"}, {}, {}, never);
  EXPECT_EQ(outcome.digest, digest);
  EXPECT_EQ(to.find_tag(mirror.with_tag("1.0"), never), digest);
  EXPECT_EQ(outcome.tally.referrers, 1U);
  EXPECT_EQ(find_referrers(to, mirror, digest, "application/vnd.cyclonedx+json", never).size(), 1U);
  // The tools of other people try TLS first, which the proxy does not answer.
  there.validate(repository(there.registry->host(), "mirror/shop").with_tag("1.0"));
  if (target_form == Form::faulty) {
    EXPECT_GT(there.proxy->refused(), 0) << "the proxy was no trouble";
    EXPECT_LE(profile_of(scene.store, there.host()).largest_request, mega);
  }
  const CopyOutcome again = copy(from, shop.with_tag("1.0"), to, mirror, {"1.0"}, {}, {}, never);
  EXPECT_EQ(again.tally.sent, 0U);
  EXPECT_TRUE(again.moved.empty() && again.arrived.empty());
}

INSTANTIATE_TEST_SUITE_P(All, Forms,
                         testing::Combine(testing::ValuesIn(forms), testing::ValuesIn(forms)),
                         [](const auto& about) {
                           return name_of(std::get<0>(about.param)) + "To" +
                                  name_of(std::get<1>(about.param));
                         });

TEST(FormsTrouble, ATokenThatAllowsNoPushSaysSo) {
  Scene scene;
  const Place place(Form::token, scene.folder.path() / "place");
  place.tokens->protect("acme/shop");
  Client client(place.options, scene.store);
  const Blob layer(1000);
  const Error denied = failure_of(
      [&] { client.bring(layer.source, repository(place.host(), "acme/shop"), {}, never); });
  EXPECT_EQ(denied.kind(), ErrorKind::denied);
  EXPECT_NE(std::string(denied.what()).find("push to acme/shop"), std::string::npos)
      << denied.what();
  const auto scopes = place.tokens->scopes();
  EXPECT_NE(std::ranges::find(scopes, "repository:acme/shop:pull,push"), scopes.end());
}

TEST(FormsTrouble, WithoutItsCertificateTheClientIsTurnedAway) {
  Scene scene;
  const Place place(Form::tls, scene.folder.path() / "place");
  Options options = place.options;
  options.trust.client_certificate_file.clear();
  options.trust.client_key_file.clear();
  options.retry.attempts = 1;
  Client client(options, scene.store);
  EXPECT_THROW(client.ping(never), Error);
  Client invited(place.options, scene.store);
  EXPECT_NO_THROW(invited.ping(never));
}

}  // namespace
}  // namespace lighterman::registry
