#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/manifest.hpp"
#include "core/reference.hpp"
#include "trust/keys.hpp"

namespace lighterman::trust {

/// What cosign's bundle signature says of an image: only that it is signed.
inline constexpr std::string_view sign_predicate = "https://sigstore.dev/cosign/sign/v1";
inline constexpr std::string_view slsa_predicate = "https://slsa.dev/provenance/v1";
inline constexpr std::string_view cyclonedx_predicate = "https://cyclonedx.org/bom";
inline constexpr std::string_view spdx_predicate = "https://spdx.dev/Document";
inline constexpr std::string_view in_toto = "application/vnd.in-toto+json";

/// Longest predicate (an SBOM, usually) that is signed or read; its base64 forms take several times
/// this while they are made.
inline constexpr std::uint64_t largest_predicate = 32 << 20;

/// The URI behind cosign's short name ("cyclonedx", "spdx", "slsaprovenance1", ...), or a URI.
/// Error(invalid) that lists the names.
std::string predicate_type_of(std::string_view given);

using Claims = std::map<std::string, std::string>;

/// cosign's older payload: which image, by which name, with which claims.
struct SimpleSigning {
  std::string repository;  ///< as it stands there: the text is somebody's claim
  Digest image;
  Claims claims;

  static SimpleSigning parse(std::string_view payload);  ///< throws Error(invalid)
};
std::string render(const SimpleSigning& payload);

/// An in-toto statement: that `predicate` holds for an image.
struct Statement {
  std::string predicate_type;
  std::string name;  ///< of the image, as it stands there; may be empty
  Digest image;
  Claims claims;          ///< the subject's annotations
  std::string predicate;  ///< a JSON object's text

  /// Error(invalid): not a statement, or none about `image`.
  static Statement parse(std::string_view text, const Digest& image);
};
/// Error(invalid) when the predicate is no JSON object, or larger than largest_predicate.
std::string render(const Statement& statement);

/// A signed text (DSSE 1.0). The signature is over type and payload.
struct Envelope {
  std::string payload_type, payload;
  std::vector<std::string> signatures;  ///< in raw bytes

  static Envelope sign(std::string payload_type, std::string payload, const Key& key);
  static Envelope parse(std::string_view text);  ///< throws Error(invalid)
  bool signed_by(const PublicKey& key) const;
};
std::string render(const Envelope& envelope);

/// A sigstore bundle 0.3 around an envelope.
std::string render_bundle(const Envelope& envelope, const PublicKey& key);
Envelope envelope_in_bundle(std::string_view text);  ///< throws Error(invalid)

}  // namespace lighterman::trust
