#include "trust/payload.hpp"

#include <gtest/gtest.h>

#include "core/json.hpp"
#include "os/hash.hpp"
#include "support/failure.hpp"
#include "trust/artifact.hpp"
#include "trust/provenance.hpp"

namespace lighterman::trust {
namespace {

const Digest image = os::sha256("image");

TEST(SimpleSigning, HasTheBytesThatCosignWrites) {
  EXPECT_EQ(render(SimpleSigning{"registry.example/acme/shop", image, {}}),
            concat(R"({"critical":{"identity":{"docker-reference":"registry.example/acme/shop"},)",
                   R"("image":{"docker-manifest-digest":")", image,
                   R"("},"type":"cosign container image signature"},"optional":null})"));
  const std::string claimed = render(SimpleSigning{"a/b", image, {{"env", "prod"}, {"a", "1"}}});
  EXPECT_TRUE(claimed.ends_with(R"("optional":{"a":"1","env":"prod"}})")) << claimed;
  EXPECT_EQ(SimpleSigning::parse(claimed).claims, (Claims{{"env", "prod"}, {"a", "1"}}));
  EXPECT_EQ(SimpleSigning::parse(claimed).image, image);
}

TEST(SimpleSigning, OfAnotherTypeIsNone) {
  std::string other = render(SimpleSigning{"a/b", image, {}});
  other.replace(other.find("cosign"), 6, "atomic");
  expect_refused("critical.type", [&] { SimpleSigning::parse(other); });
  expect_refused("critical: missing", [] { SimpleSigning::parse("{}"); });
  expect_refused("not JSON", [] { SimpleSigning::parse("sha256:"); });
}

TEST(Envelope, SignsTypeAndPayloadAsDsseSays) {
  const Key key = Key::make();
  const Envelope envelope = Envelope::sign("http://example.com/HelloWorld", "hello world", key);
  // The specification's own example.
  EXPECT_TRUE(key.public_key().verifies({"DSSEv1 29 http://example.com/HelloWorld 11 hello world"},
                                        envelope.signatures.at(0)));
  const Envelope again = Envelope::parse(render(envelope));
  EXPECT_EQ(again.payload, "hello world");
  EXPECT_TRUE(again.signed_by(key.public_key()));
  const Envelope bundled = envelope_in_bundle(render_bundle(envelope, key.public_key()));
  EXPECT_TRUE(bundled.signed_by(key.public_key()));
  EXPECT_FALSE(bundled.signed_by(Key::make().public_key()));
  Envelope other = again;
  other.payload_type = "http://example.com/Other";
  EXPECT_FALSE(other.signed_by(key.public_key()));
  EXPECT_FALSE((Envelope{"a", "b", {}}.signed_by(key.public_key())));
}

TEST(Envelope, InBrokenFormsIsRefused) {
  expect_refused("payload: base64",
                 [] { Envelope::parse(R"({"payloadType":"a","payload":"***","signatures":[]})"); });
  expect_refused("payloadType: missing", [] { Envelope::parse("{}"); });
  expect_refused("no sigstore bundle", [] { envelope_in_bundle(R"({"mediaType":"a/b"})"); });
  expect_refused("dsseEnvelope: missing", [] {
    envelope_in_bundle(
        R"({"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","messageSignature":{}})");
  });
}

TEST(Statement, IsAboutOneImage) {
  const std::string text =
      render(Statement{"https://example.com/note", "a/b", image, {}, R"({"x": [1, 2]})"});
  EXPECT_EQ(Statement::parse(text, image).predicate, R"({"x":[1,2]})");
  expect_refused("about another image", [&] { Statement::parse(text, os::sha256("other")); });
  expect_refused("no JSON object", [] { render(Statement{"a", "", image, {}, "[]"}); });
  expect_refused("not JSON", [] { render(Statement{"a", "", image, {}, R"({},"b":{})"}); });
  expect_refused("more than the", [] {
    render(Statement{"a", "", image, {}, std::string(largest_predicate + 1, ' ')});
  });
}

TEST(Statement, KnowsTheNamesThatCosignGivesToTypes) {
  EXPECT_EQ(predicate_type_of("slsaprovenance1"), slsa_predicate);
  EXPECT_EQ(predicate_type_of("https://example.com/note"), "https://example.com/note");
  expect_refused("choices: cyclonedx, spdx", [] { predicate_type_of("sbom"); });
}

TEST(Provenance, SaysWhatWentIntoAnImage) {
  Provenance made;
  made.builder_id = "https://ci.example/lighterman";
  made.invocation_id = "https://ci.example/runs/7";
  made.source = "https://git.example/acme/shop.git";
  made.commit = std::string(40, 'a');
  made.ref = "refs/heads/main";
  made.dockerfile = "Dockerfile";
  made.args = {{"VERSION", "1.4"}};
  made.bases = {{"docker.io/library/debian:12", os::sha256("base")}};
  made.started = parse_time("2026-01-01T00:00:00Z");
  made.finished = parse_time("2026-01-01T00:00:12Z");
  const auto value = parse_json(render(made), "provenance");
  EXPECT_EQ(value.at_pointer("/buildDefinition/externalParameters"),
            parse_json(R"({"source":"https://git.example/acme/shop.git","ref":"refs/heads/main",
                           "dockerfile":"Dockerfile","args":{"VERSION":"1.4"}})",
                       "expected"))
      << render(made);
  const auto& materials = value.at_pointer("/buildDefinition/resolvedDependencies").as_array();
  ASSERT_EQ(materials.size(), 2U);
  EXPECT_EQ(materials[0].at("uri"), "git+https://git.example/acme/shop.git@refs/heads/main");
  EXPECT_EQ(materials[0].at_pointer("/digest/gitCommit"), made.commit.c_str());
  EXPECT_EQ(materials[1].at_pointer("/digest/sha256").as_string(), os::sha256("base").hex());
  EXPECT_EQ(value.at_pointer("/runDetails/builder/id"), made.builder_id.c_str());
  EXPECT_EQ(value.at_pointer("/runDetails/metadata/finishedOn"), "2026-01-01T00:00:12.000Z");
}

TEST(Sbom, SaysItselfWhatItIs) {
  EXPECT_EQ(sbom_predicate_type(R"({"bomFormat":"CycloneDX"})"), cyclonedx_predicate);
  EXPECT_EQ(sbom_predicate_type(R"({"spdxVersion":"SPDX-2.3"})"), spdx_predicate);
  expect_refused("neither CycloneDX", [] { sbom_predicate_type("{}"); });
}

TEST(Artifact, KeepsWhatOthersAttached) {
  const std::string theirs = concat(
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)",
      R"({"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":")",
      os::sha256("{}"), R"("},"layers":[{"mediaType":"a/b","size":1,"digest":")", os::sha256("x"),
      R"(","annotations":{"dev.sigstore.cosign/bundle":"kept"}}],"annotations":{"also":"kept"}})");
  const Artifact artifact = with_attached(theirs, {attached_signature("payload", "signature")});
  const auto layers = attached_layers(artifact.manifest);
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_EQ(layers[0].annotations.at("dev.sigstore.cosign/bundle"), "kept");
  EXPECT_EQ(layers[1].blob.digest, os::sha256("payload"));
  EXPECT_EQ(parse_json(artifact.manifest, "manifest").at_pointer("/annotations/also"), "kept");
  const ImageConfig config = ImageConfig::parse(artifact.blobs.back().bytes);
  EXPECT_EQ(config.diff_ids.size(), 2U);
  EXPECT_EQ(config.history.size(), 2U);
  EXPECT_EQ(Manifest::parse(artifact.manifest).config().digest,
            artifact.blobs.back().descriptor().digest);
  expect_refused("index of several images", [] {
    with_attached(R"({"schemaVersion":2,"manifests":[]})", {attached_signature("a", "b")});
  });
}

}  // namespace
}  // namespace lighterman::trust
