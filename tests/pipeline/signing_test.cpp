#include "pipeline/signing.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <cstring>
#include <thread>

#include "core/json.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "registry/referrers.hpp"
#include "store/store.hpp"
#include "support/failure.hpp"
#include "support/peers.hpp"
#include "support/registry.hpp"
#include "trust/artifact.hpp"
#include "trust/provenance.hpp"

namespace lighterman::pipeline {
namespace {

using registry::Client;

const std::stop_token never;
const Secret password("s3cret");
const Instant now = parse_time("2026-01-01T00:00:00Z");

registry::Options options_for(const std::string& host) {
  registry::Options options;
  options.host = host;
  options.use_docker_config = false;
  options.retry.first = std::chrono::milliseconds(1);
  return options;
}

registry::BlobSource source_of(const trust::Blob& blob) {
  return {blob.descriptor(), [&blob](std::uint64_t offset) -> Pull {
            return [&blob, offset](char* into, std::size_t room) mutable {
              const std::size_t count = std::min<std::size_t>(room, blob.bytes.size() - offset);
              std::memcpy(into, blob.bytes.data() + offset, count);
              offset += count;
              return count;
            };
          }};
}

/// A registry, a key that we and both cosigns can use, and the two cosigns.
struct Scene {
  support::RealRegistry registry;
  os::ScratchFolder folder;
  store::Store store{store::Options{folder.path() / "store.db", system_now}};
  Client client{options_for(registry.host()), store};
  support::Peers peers{folder.path()};
  trust::Key key = new_key("release");

  trust::Key new_key(const std::string& name) {
    trust::Key made = trust::Key::make();
    os::replace_file(folder.path() / concat(name, ".key"), made.sealed(password), 0600);
    os::replace_file(folder.path() / concat(name, ".pub"), made.public_key().pem());
    return made;
  }
  void put(const Reference& repository, const trust::Blob& blob) {
    client.bring(source_of(blob), repository, {}, never);
  }
  /// An image that no tag names; its content is `text`.
  Subject image(const std::string& text, const std::string& name = "acme/shop") {
    const Reference repository = Reference::parse(concat(registry.host(), '/', name));
    const trust::Blob layer{std::string(media::oci_layer_gzip), text};
    const trust::Blob config{
        std::string(media::oci_config),
        concat(R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[")",
               os::sha256(text), "\"]}}")};
    put(repository, layer);
    put(repository, config);
    const std::string manifest =
        Manifest::compose(config.descriptor(), {layer.descriptor()}).bytes();
    const Reference reference = repository.at(os::sha256(manifest));
    client.put_manifest(reference, std::string(media::oci_manifest), manifest, never);
    return get_subject(client, reference, never);
  }
  std::vector<SignatureRecord> sign(const Subject& subject,
                                    SignatureForms forms = SignatureForms::both,
                                    trust::Claims claims = {}) {
    return attach(subject, {key}, {Assertion::signature(std::move(claims))}, forms, now, never);
  }
  os::Outcome cosign(int version, const std::string& verb, const Subject& subject,
                     std::vector<std::string> more = {}) {
    std::vector<std::string> words{verb, "--key", "release.pub", "--insecure-ignore-tlog"};
    words.insert(words.end(), more.begin(), more.end());
    words.push_back(subject.image.text());
    return peers.run(concat("cosign", version), words);
  }
  Verification verified(const Subject& subject, const Demand& demand = {}) {
    const std::vector<trust::PublicKey> keys{key.public_key()};
    return verify(client, subject.image, keys, demand, never);
  }
  std::vector<registry::Referrer> referrers(const Subject& subject) {
    return registry::find_referrers(client, subject.image, subject.manifest.digest, "", never);
  }
  std::vector<trust::AttachedLayer> layers(const Subject& subject, const std::string& tag) {
    const auto manifest = client.find_manifest(subject.image.with_tag(tag), never);
    if (!manifest) return {};
    return trust::attached_layers(manifest->bytes);
  }
};

trust::Provenance provenance() {
  trust::Provenance made;
  made.builder_id = "https://lighterman.example/builder";
  made.invocation_id = "https://lighterman.example/runs/7";
  made.source = "https://git.example/acme/shop.git";
  made.commit = "0123456789abcdef0123456789abcdef01234567";
  made.ref = "refs/heads/main";
  made.dockerfile = "Dockerfile";
  made.args = {{"VERSION", "1.4"}};
  made.bases = {{"docker.io/library/debian:12", os::sha256("base")}};
  made.started = now;
  made.finished = now + std::chrono::seconds(12);
  return made;
}

constexpr std::string_view sbom =
    R"({"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[]})";

std::vector<Assertion> everything() {
  return {Assertion::signature(),
          {std::string(trust::slsa_predicate), render(provenance()), {}},
          {std::string(trust::cyclonedx_predicate), std::string(sbom), {}}};
}

#define EXPECT_ACCEPTED(outcome)                                \
  do {                                                          \
    const os::Outcome seen = outcome;                           \
    EXPECT_EQ(seen.exit_code, 0) << seen.output << seen.errors; \
  } while (false)
#define EXPECT_REJECTED(outcome)                                \
  do {                                                          \
    const os::Outcome seen = outcome;                           \
    EXPECT_NE(seen.exit_code, 0) << seen.output << seen.errors; \
  } while (false)

TEST(Signing, ConvincesBothCosignsBeforeAnyTagNamesTheImage) {
  Scene scene;
  const Subject image = scene.image("v1");
  const auto records = scene.sign(image, SignatureForms::both, {{"build", "42"}});
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].form, "legacy");
  EXPECT_EQ(records[1].form, "bundle");
  EXPECT_EQ(records[0].key_hint, scene.key.public_key().hint());
  for (const int version : {2, 3}) {
    EXPECT_ACCEPTED(scene.cosign(version, "verify", image));
    EXPECT_ACCEPTED(scene.cosign(version, "verify", image, {"-a", "build=42"}));
    EXPECT_REJECTED(scene.cosign(version, "verify", image, {"-a", "build=43"}));
  }
  const Verification ours = scene.verified(image, {.claims = {{"build", "42"}}});
  ASSERT_EQ(ours.proofs.size(), 2U) << ours.why_not();
  EXPECT_EQ(ours.proofs[0].form, "legacy");
  EXPECT_EQ(ours.proofs[1].form, "bundle");
  EXPECT_TRUE(ours.doubts.empty());
}

TEST(Signing, WorksInEachFormAlone) {
  Scene scene;
  const Subject legacy = scene.image("legacy"), bundle = scene.image("bundle");
  scene.sign(legacy, SignatureForms::legacy);
  scene.sign(bundle, SignatureForms::bundle);
  EXPECT_ACCEPTED(scene.cosign(2, "verify", legacy));
  EXPECT_ACCEPTED(scene.cosign(3, "verify", legacy));
  EXPECT_ACCEPTED(scene.cosign(3, "verify", bundle));
  EXPECT_TRUE(scene.referrers(legacy).empty());
  EXPECT_TRUE(scene.layers(bundle, trust::signature_tag(bundle.manifest.digest)).empty());
  EXPECT_EQ(scene.verified(legacy).proofs.size(), 1U);
  EXPECT_EQ(scene.verified(bundle).proofs.size(), 1U);
}

TEST(Signing, AttestsProvenanceAndMaterialsForBothCosigns) {
  Scene scene;
  const Subject image = scene.image("v1");
  attach(image, {scene.key}, everything(), SignatureForms::both, now, never);
  for (const int version : {2, 3}) {
    EXPECT_ACCEPTED(scene.cosign(version, "verify", image));
    for (const std::string type : {"slsaprovenance1", "cyclonedx"})
      EXPECT_ACCEPTED(scene.cosign(version, "verify-attestation", image, {"--type", type}));
    EXPECT_REJECTED(scene.cosign(version, "verify-attestation", image, {"--type", "spdx"}));
  }
  // The bundles alone: cosign 3 by default, cosign 2 when it is told to look there.
  scene.client.delete_manifest(
      image.image.at(*scene.client.find_tag(
          image.image.with_tag(trust::attestation_tag(image.manifest.digest)), never)),
      never);
  scene.peers.must("cosign3", {"trusted-root", "create", "--out", "root.json"});
  for (const std::string type : {"slsaprovenance1", "cyclonedx"}) {
    EXPECT_ACCEPTED(scene.cosign(3, "verify-attestation", image, {"--type", type}));
    EXPECT_ACCEPTED(
        scene.cosign(2, "verify-attestation", image,
                     {"--type", type, "--new-bundle-format", "--trusted-root", "root.json"}));
  }
  const Verification ours =
      scene.verified(image, {.predicate_type = std::string(trust::cyclonedx_predicate)});
  ASSERT_EQ(ours.proofs.size(), 1U) << ours.why_not();
  EXPECT_EQ(parse_json(ours.proofs[0].predicate, "sbom"), parse_json(sbom, "sbom"));
}

TEST(Signing, ASecondTimeAddsNothing) {
  Scene scene;
  const Subject image = scene.image("v1");
  const auto first = attach(image, {scene.key}, everything(), SignatureForms::both, now, never);
  scene.registry.clear_access_log();
  const auto second = attach(image, {scene.key}, everything(), SignatureForms::both,
                             now + std::chrono::hours(1), never);
  EXPECT_EQ(scene.registry.count_requests("PUT", "/"), 0U) << scene.registry.access_log();
  EXPECT_EQ(scene.registry.count_requests("POST", "/"), 0U);
  ASSERT_EQ(first.size(), 6U);
  ASSERT_EQ(second.size(), 6U);
  for (std::size_t at = 0; at < 6; ++at) {
    EXPECT_EQ(second[at].artifact, first[at].artifact);
    EXPECT_EQ(second[at].predicate_type, first[at].predicate_type);
  }
  EXPECT_EQ(scene.referrers(image).size(), 3U);
}

TEST(Signing, AddsASecondKeyBesideTheFirst) {
  Scene scene;
  const Subject image = scene.image("v1");
  scene.sign(image);
  const trust::Key next = scene.new_key("next");
  attach(image, {scene.key, next}, {Assertion::signature()}, SignatureForms::both, now, never);
  EXPECT_EQ(scene.layers(image, trust::signature_tag(image.manifest.digest)).size(), 2U);
  EXPECT_EQ(scene.referrers(image).size(), 2U);
  for (const int version : {2, 3})
    for (const std::string key : {"release.pub", "next.pub"})
      EXPECT_ACCEPTED(
          scene.peers.run(concat("cosign", version),
                          {"verify", "--key", key, "--insecure-ignore-tlog", image.image.text()}));
}

TEST(Signing, KeepsWhatCosignSignedBefore) {
  Scene scene;
  scene.new_key("other");
  for (const int version : {2, 3}) {
    const Subject image = scene.image(concat("v", version));
    std::vector<std::string> words{"sign", "--key", "other.key", "-y", "--tlog-upload=false"};
    if (version == 3) words.insert(words.end(), {"--use-signing-config=false"});
    words.push_back(image.image.text());
    scene.peers.must(concat("cosign", version), words);
    scene.sign(image);
    for (const std::string key : {"release.pub", "other.pub"})
      EXPECT_ACCEPTED(scene.peers.run(
          "cosign3", {"verify", "--key", key, "--insecure-ignore-tlog",
                      version == 2 && key == "other.pub" ? "--new-bundle-format=false"
                                                         : "--new-bundle-format=true",
                      image.image.text()}));
    if (version == 2) {
      EXPECT_ACCEPTED(scene.peers.run("cosign2", {"verify", "--key", "other.pub",
                                                  "--insecure-ignore-tlog", image.image.text()}));
    }
  }
}

TEST(Signing, IsSeenByOtherTools) {
  Scene scene;
  const Subject image = scene.image("v1");
  attach(image, {scene.key}, everything(), SignatureForms::both, now, never);
  const auto tree = parse_json(
      scene.peers.must("oras", {"discover", "--plain-http", "--format", "json", "--artifact-type",
                                std::string(trust::bundle_media), image.image.text()}),
      "oras");
  const Fields fields(tree, "oras");
  const auto listed = fields.list(fields.find("referrers") ? "referrers" : "manifests");
  ASSERT_EQ(listed.size(), 3U);
  std::set<std::string> types;
  for (const auto& each : listed) {
    const Fields entry(each, "entry");
    EXPECT_EQ(entry.text("artifactType"), trust::bundle_media);
    types.insert(entry.text_map("annotations").at("dev.sigstore.bundle.predicateType"));
  }
  EXPECT_TRUE(types.contains(std::string(trust::slsa_predicate)));
  EXPECT_TRUE(types.contains(std::string(trust::sign_predicate)));
  for (const std::string& reference :
       {image.image.at(Digest::parse(Fields(listed[0], "entry").text("digest"))).text(),
        image.image.with_tag(trust::signature_tag(image.manifest.digest)).text(),
        image.image.with_tag(trust::attestation_tag(image.manifest.digest)).text()}) {
    const std::string manifest = scene.peers.must("crane", {"manifest", "--insecure", reference});
    EXPECT_FALSE(Manifest::parse(manifest).layers().empty()) << manifest;
  }
}

/// What others could do to a signed image; each must convince nobody.
struct Tampering : Scene {
  trust::Key stranger = new_key("stranger");

  /// Puts a `.sig` or `.att` manifest in place that holds this layer only.
  void replace_attached(const Subject& subject, const std::string& tag,
                        trust::Attachment attachment) {
    const trust::Artifact artifact = trust::with_attached("", {std::move(attachment)});
    for (const trust::Blob& blob : artifact.blobs) put(subject.image.bare(), blob);
    client.put_manifest(subject.image.with_tag(tag), artifact.media_type, artifact.manifest, never);
  }
  void add_bundle(const Subject& subject, const trust::Envelope& envelope,
                  std::string_view predicate_type) {
    const trust::Artifact artifact = trust::bundle_artifact(
        subject.manifest, render_bundle(envelope, key.public_key()), predicate_type, now);
    for (const trust::Blob& blob : artifact.blobs) put(subject.image.bare(), blob);
    registry::TagEditor editor(client);
    registry::put_referrers(client, subject.image, subject.manifest.digest,
                            {{artifact.media_type, artifact.manifest}}, editor, never);
  }
  std::string payload(const Subject& about) {
    return render(trust::SimpleSigning{about.image.name(), about.manifest.digest, {}});
  }
  std::string statement(const Subject& about, const std::string& type = {},
                        const std::string& predicate = "{}") {
    return render(trust::Statement{type.empty() ? std::string(trust::sign_predicate) : type,
                                   about.image.name(),
                                   about.manifest.digest,
                                   {},
                                   predicate});
  }
  void expect_nobody_accepts(const Subject& subject, const std::string& reason) {
    EXPECT_REJECTED(cosign(2, "verify", subject));
    EXPECT_REJECTED(cosign(3, "verify", subject));
    const Verification ours = verified(subject);
    EXPECT_FALSE(ours.good());
    EXPECT_NE(ours.why_not().find(reason), std::string::npos) << ours.why_not();
  }
};

TEST(Verification, RefusesAnUnsignedImageAndAnotherKey) {
  Tampering scene;
  const Subject image = scene.image("v1");
  scene.expect_nobody_accepts(image, "carries nothing");
  attach(image, {scene.stranger}, {Assertion::signature()}, SignatureForms::both, now, never);
  scene.expect_nobody_accepts(image, "none of the given keys signed it");
}

TEST(Verification, RefusesAPayloadThatWasChanged) {
  Tampering scene;
  const Subject image = scene.image("v1");
  const std::string signature = scene.key.sign({scene.payload(image)});
  std::string changed = scene.payload(image);
  changed.replace(changed.find("\"optional\":null"), 15, "\"optional\":{\"a\":\"b\"}");
  scene.replace_attached(image, trust::signature_tag(image.manifest.digest),
                         trust::attached_signature(changed, signature));
  scene.expect_nobody_accepts(image, "changed since");

  const Subject other = scene.image("v2");
  trust::Envelope envelope =
      trust::Envelope::sign(std::string(trust::in_toto), scene.statement(other), scene.key);
  envelope.payload += ' ';
  scene.add_bundle(other, envelope, trust::sign_predicate);
  scene.expect_nobody_accepts(other, "changed since");
}

TEST(Verification, RefusesASignatureThatWasMovedToAnotherImage) {
  Tampering scene;
  const Subject good = scene.image("good"), bad = scene.image("bad");
  const std::string payload = scene.payload(good);
  scene.replace_attached(bad, trust::signature_tag(bad.manifest.digest),
                         trust::attached_signature(payload, scene.key.sign({payload})));
  scene.expect_nobody_accepts(bad, concat("it was made for ", good.manifest.digest));

  const Subject worse = scene.image("worse");
  scene.add_bundle(
      worse, trust::Envelope::sign(std::string(trust::in_toto), scene.statement(good), scene.key),
      trust::sign_predicate);
  scene.expect_nobody_accepts(worse, "about another image");
}

TEST(Verification, DoesNotTakeAnAttestationForASignature) {
  Tampering scene;
  const Subject image = scene.image("v1");
  const std::string type(trust::cyclonedx_predicate);
  // Once honestly, once under a false name.
  for (const std::string_view name : {trust::cyclonedx_predicate, trust::sign_predicate})
    scene.add_bundle(
        image,
        trust::Envelope::sign(std::string(trust::in_toto),
                              scene.statement(image, type, std::string(sbom)), scene.key),
        name);
  // cosign does: this is where we are stricter.
  EXPECT_ACCEPTED(scene.cosign(3, "verify", image));
  const Verification ours = scene.verified(image);
  EXPECT_FALSE(ours.good());
  EXPECT_EQ(ours.doubts.size(), 2U);
  EXPECT_NE(ours.why_not().find("it states \"https://cyclonedx.org/bom\""), std::string::npos)
      << ours.why_not();
}

TEST(Verification, RefusesAttestationsThatWereChangedOrMoved) {
  Tampering scene;
  const std::string type(trust::cyclonedx_predicate);
  const Subject good = scene.image("good"), moved = scene.image("moved"),
                changed = scene.image("changed");
  const auto put = [&](const Subject& subject, const trust::Envelope& envelope) {
    scene.replace_attached(subject, trust::attestation_tag(subject.manifest.digest),
                           trust::attached_envelope(envelope, type));
    scene.add_bundle(subject, envelope, type);
  };
  const auto signed_of = [&](const Subject& subject) {
    return trust::Envelope::sign(std::string(trust::in_toto),
                                 scene.statement(subject, type, std::string(sbom)), scene.key);
  };
  put(good, signed_of(good));
  put(moved, signed_of(good));
  trust::Envelope envelope = signed_of(changed);
  envelope.payload += ' ';
  put(changed, envelope);
  const Demand demand{.predicate_type = type};
  EXPECT_EQ(scene.verified(good, demand).proofs.size(), 2U);
  EXPECT_EQ(scene.verified(moved, demand).doubts.size(), 2U);
  EXPECT_EQ(scene.verified(changed, demand).doubts.size(), 2U);
  for (const int version : {2, 3}) {
    EXPECT_ACCEPTED(scene.cosign(version, "verify-attestation", good, {"--type", "cyclonedx"}));
    for (const Subject& bad : {moved, changed}) {
      EXPECT_FALSE(scene.verified(bad, demand).good());
      EXPECT_REJECTED(scene.cosign(version, "verify-attestation", bad, {"--type", "cyclonedx"}));
    }
    EXPECT_REJECTED(scene.peers.run(concat("cosign", version),
                                    {"verify-attestation", "--type", "cyclonedx", "--key",
                                     "stranger.pub", "--insecure-ignore-tlog", good.image.text()}));
  }
}

TEST(Verification, ComparesRepositoryAndClaimsWhenAsked) {
  Scene scene;
  const Subject image = scene.image("v1");
  scene.sign(image, SignatureForms::both, {{"env", "prod"}});
  EXPECT_EQ(scene.verified(image, {.repository = image.image.bare()}).proofs.size(), 2U);
  const Verification elsewhere =
      scene.verified(image, {.repository = Reference::parse("registry.example/acme/shop")});
  EXPECT_FALSE(elsewhere.good());
  EXPECT_NE(elsewhere.why_not().find("it was made for"), std::string::npos);
  EXPECT_EQ(scene.verified(image, {.claims = {{"env", "prod"}}}).proofs.size(), 2U);
  const Verification claimed = scene.verified(image, {.claims = {{"env", "test"}}});
  EXPECT_FALSE(claimed.good());
  EXPECT_NE(claimed.why_not().find("does not claim env=test"), std::string::npos);
}

TEST(Verification, SurvivesRubbishInEveryPlace) {
  Tampering scene;
  const Subject image = scene.image("v1");
  trust::Attachment broken = trust::attached_signature("no JSON", scene.key.sign({"no JSON"}));
  scene.replace_attached(image, trust::signature_tag(image.manifest.digest), broken);
  scene.add_bundle(image, {"text/plain", "no JSON", {"no signature"}}, trust::sign_predicate);
  const Verification before = scene.verified(image);
  EXPECT_FALSE(before.good());
  EXPECT_EQ(before.doubts.size(), 2U) << before.why_not();
  // A good one beside it still counts.
  scene.sign(image);
  EXPECT_EQ(scene.verified(image).proofs.size(), 2U);
  EXPECT_EQ(scene.verified(image).doubts.size(), 2U);
}

TEST(Verification, AcceptsWhatBothCosignsSignAndAttest) {
  Scene scene;
  os::replace_file(scene.folder.path() / "sbom.json", sbom);
  for (const int version : {2, 3}) {
    const Subject image = scene.image(concat("v", version));
    const auto by_cosign = [&](const std::string& verb, std::vector<std::string> more) {
      std::vector<std::string> words{verb, "--key", "release.key", "-y", "--tlog-upload=false"};
      if (version == 3) words.push_back("--use-signing-config=false");
      words.insert(words.end(), more.begin(), more.end());
      words.push_back(image.image.text());
      scene.peers.must(concat("cosign", version), words);
    };
    by_cosign("sign", {"-a", "env=prod"});
    by_cosign("attest", {"--type", "cyclonedx", "--predicate", "sbom.json"});
    const Verification signature = scene.verified(image, {.claims = {{"env", "prod"}}});
    ASSERT_EQ(signature.proofs.size(), 1U) << version << signature.why_not();
    EXPECT_EQ(signature.proofs[0].form, version == 2 ? "legacy" : "bundle");
    const Verification bill =
        scene.verified(image, {.predicate_type = std::string(trust::cyclonedx_predicate)});
    ASSERT_EQ(bill.proofs.size(), 1U) << version << bill.why_not();
    EXPECT_EQ(parse_json(bill.proofs[0].predicate, "sbom"), parse_json(sbom, "sbom"));
    EXPECT_FALSE(
        scene.verified(image, {.predicate_type = std::string(trust::slsa_predicate)}).good());
  }
}

TEST(Signing, TwoWritersLoseNothing) {
  Scene scene;
  constexpr int writers = 3, rounds = 4;
  std::vector<trust::Key> keys;
  for (int each = 0; each < writers; ++each) keys.push_back(trust::Key::make());
  for (int round = 0; round < rounds; ++round) {
    const Subject image = scene.image(concat("round ", round));
    std::vector<std::jthread> threads;
    for (const trust::Key& key : keys)
      threads.emplace_back([&] {
        attach(image, {key}, {Assertion::signature()}, SignatureForms::both, now, never);
      });
    threads.clear();
    EXPECT_EQ(scene.layers(image, trust::signature_tag(image.manifest.digest)).size(),
              std::size_t{writers});
    EXPECT_EQ(scene.referrers(image).size(), std::size_t{writers});
    for (const trust::Key& key : keys) {
      const std::vector<trust::PublicKey> one{key.public_key()};
      EXPECT_EQ(verify(scene.client, image.image, one, {}, never).proofs.size(), 2U);
    }
  }
}

}  // namespace
}  // namespace lighterman::pipeline
