#pragma once

#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "core/signature_record.hpp"
#include "core/time.hpp"
#include "registry/client.hpp"
#include "trust/keys.hpp"
#include "trust/payload.hpp"

namespace lighterman::store {
class Store;
}

namespace lighterman::pipeline {

/// An image in a repository, by digest: no tag needs to name it yet.
struct Subject {
  registry::Client* client = nullptr;
  Reference image;
  Descriptor manifest;
};
/// By tag or digest; Error(not_found).
Subject get_subject(registry::Client& client, const Reference& reference,
                    const std::stop_token& stop);

/// Something to say of an image under one's signature.
struct Assertion {
  std::string predicate_type;
  std::string predicate = "{}";
  trust::Claims claims = {};  ///< of a plain signature only
  /// What a signature over the same stands there with, to be signed again byte by byte: a simple
  /// signing payload for a legacy plain signature, else a statement. Empty: it is composed.
  std::string payload = {};

  static Assertion signature(trust::Claims claims = {});
};

using Keys = std::vector<std::reference_wrapper<const trust::Key>>;

/// Signs each assertion with each key and puts the results beside the image. What is there already,
/// and verifies, is not written again. Returns what stands there now, once per key, assertion and
/// form. All or part of it may be there after a failure; the next call goes on.
std::vector<SignatureRecord> attach(const Subject& subject, const Keys& keys,
                                    const std::vector<Assertion>& assertions, SignatureForms forms,
                                    Instant now, const std::stop_token& stop);

/// Into the audit trail: the keys made these, for `why`.
void note_signatures(store::Store& store, const std::vector<SignatureRecord>& records,
                     const std::string& why);

/// What a signature must say beyond the digest.
struct Demand {
  std::string predicate_type = std::string(trust::sign_predicate);
  std::optional<Reference> repository = {};  ///< must be the one that the signature names
  trust::Claims claims = {};                 ///< must all be there
};

/// A signature or attestation that holds.
struct Proof {
  std::string form;  ///< "legacy" or "bundle"
  std::string key_hint;
  Digest blob;             ///< what was signed, or holds it
  std::string payload;     ///< what was signed, byte by byte
  std::string repository;  ///< as the signature names it; may be empty
  trust::Claims claims;
  std::string predicate;  ///< of an attestation
};
/// One that does not, and why.
struct Doubt {
  std::string form, where, reason;
};
struct Verification {
  Reference image;  ///< by digest
  std::vector<Proof> proofs;
  std::vector<Doubt> doubts;

  bool good() const noexcept { return !proofs.empty(); }
  std::string why_not() const;  ///< for an Error; empty when good
};

/// Looks at everything attached to the image, in both forms. Stricter than cosign: a bundle's
/// predicate type must be the demanded one, and the repository is compared when it is demanded.
/// Failures of the registry are thrown; what is there and wrong is a doubt.
Verification verify(registry::Client& client, const Reference& image,
                    std::span<const trust::PublicKey> keys, const Demand& demand,
                    const std::stop_token& stop);

}  // namespace lighterman::pipeline
