#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/manifest.hpp"
#include "core/time.hpp"
#include "trust/payload.hpp"

namespace lighterman::trust {

inline constexpr std::string_view simple_signing_media =
    "application/vnd.dev.cosign.simplesigning.v1+json";
inline constexpr std::string_view envelope_media = "application/vnd.dsse.envelope.v1+json";
inline constexpr std::string_view bundle_media = "application/vnd.dev.sigstore.bundle.v0.3+json";
inline constexpr std::string_view signature_annotation = "dev.cosignproject.cosign/signature";
inline constexpr std::string_view bundle_predicate_annotation = "dev.sigstore.bundle.predicateType";

struct Blob {
  std::string media_type, bytes;
  Descriptor descriptor() const;
};

/// What is to be put into a registry: blobs first, then the manifest.
struct Artifact {
  std::vector<Blob> blobs;
  std::string media_type, manifest;  ///< the manifest's
};

/// Where cosign keeps what it attached by tag: "sha256-<hex>.sig" and ".att", beside the image.
std::string signature_tag(const Digest& image);
std::string attestation_tag(const Digest& image);

/// A layer of such a tag's manifest, as it stands there.
struct AttachedLayer {
  Descriptor blob;
  std::map<std::string, std::string> annotations;
};
std::vector<AttachedLayer> attached_layers(const std::string& manifest);

/// A layer to add.
struct Attachment {
  Blob layer;
  std::map<std::string, std::string> annotations;
};
Attachment attached_signature(std::string payload, std::string_view signature);
Attachment attached_envelope(const Envelope& envelope, std::string_view predicate_type);
/// Adds layers to such a manifest (empty: begins one). What is there stays as it is.
Artifact with_attached(const std::string& manifest, std::vector<Attachment> added);

/// A manifest that refers to `subject` and carries a bundle.
Artifact bundle_artifact(const Descriptor& subject, std::string bundle,
                         std::string_view predicate_type, Instant created);
/// The bundle's blob in a referrer; empty when it is something else.
std::optional<Descriptor> bundle_in(const std::string& manifest);

}  // namespace lighterman::trust
