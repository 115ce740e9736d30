#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/digest.hpp"
#include "core/reference.hpp"
#include "core/time.hpp"

namespace lighterman {

/// How a signature is written: cosign 2's tag, cosign 3's bundle as a referrer, or both. With one
/// only, some verifiers in use find nothing: cosign 2 reads no bundles, and cosign 3 does not look
/// at the tag once there is any bundle.
enum class SignatureForms { both, legacy, bundle };
std::string_view render(SignatureForms forms) noexcept;
SignatureForms parse_signature_forms(std::string_view given);  ///< throws Error(invalid)

/// That a key of ours signed something, for whoever keeps book.
struct SignatureRecord {
  std::string key_hint;        ///< trust::PublicKey::hint()
  Reference image;             ///< by digest
  std::string predicate_type;  ///< what was said of it
  std::string form;            ///< "legacy" or "bundle"
  Digest payload;              ///< what was signed, byte by byte
  Digest artifact;             ///< the manifest that holds it
  Instant when{};
  std::int64_t id = 0;  ///< given by the store
  std::string why =
      {};  ///< why the key's successor could not sign the same; empty: it did not fail
};

}  // namespace lighterman
