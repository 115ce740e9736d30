#include <algorithm>
#include <map>

#include "core/error.hpp"
#include "pipeline/attached.hpp"
#include "pipeline/signing.hpp"
#include "registry/referrers.hpp"
#include "trust/artifact.hpp"

namespace lighterman::pipeline {
namespace {

/// What somebody signed, whichever way it was wrapped.
struct Signed {
  std::string payload;
  std::string repository;
  trust::Claims claims;
  std::string predicate;
};

bool same_repository(const std::string& named, const Reference& wanted) {
  try {
    // cosign gives the Hub its old name.
    const Reference reference = Reference::parse(named);
    const std::string host = reference.host() == "index.docker.io" ? "docker.io" : reference.host();
    return concat(host, '/', reference.repository()) == wanted.name();
  } catch (const Error&) {
    // Whatever stands there names no repository.
    return false;
  }
}

class Verifying {
 public:
  Verifying(registry::Client& client, const Reference& image,
            std::span<const trust::PublicKey> keys, const Demand& demand,
            const std::stop_token& stop)
      : client_(client), keys_(keys), demand_(demand), stop_(stop), result_{image, {}, {}} {}

  Verification perform() {
    look_at_tag();
    look_at_referrers();
    return std::move(result_);
  }

 private:
  const Digest& digest() const { return *result_.image.digest(); }
  bool wants_signature() const { return demand_.predicate_type == trust::sign_predicate; }

  void look_at_tag();
  void look_at_referrers();
  void look_at_bundle(const registry::Referrer& referrer);
  Signed signed_in(const trust::Envelope& envelope) const;
  const trust::PublicKey& signer_of(const trust::Envelope& envelope) const;
  void check(const Signed& what) const;

  /// A proof, or a doubt with the reason.
  template <class Look>
  void judge(const std::string& form, const std::string& where, Look&& look) {
    try {
      look();
    } catch (const Error& error) {
      // One that is broken does not spoil the others.
      if (!is_doubt(error)) throw;
      result_.doubts.push_back({form, where, error.what()});
    }
  }
  void add_proof(const std::string& form, const trust::PublicKey& key, const Digest& blob,
                 Signed what) {
    result_.proofs.push_back({form, key.hint(), blob, std::move(what.payload),
                              std::move(what.repository), std::move(what.claims),
                              std::move(what.predicate)});
  }

  registry::Client& client_;
  std::span<const trust::PublicKey> keys_;
  const Demand& demand_;
  const std::stop_token& stop_;
  Verification result_;
};

constexpr std::string_view nobody = "none of the given keys signed it, or it was changed since";

const trust::PublicKey& Verifying::signer_of(const trust::Envelope& envelope) const {
  const auto signer =
      std::ranges::find_if(keys_, [&](const auto& key) { return envelope.signed_by(key); });
  if (signer == keys_.end()) throw Error(ErrorKind::invalid, std::string(nobody));
  return *signer;
}

/// Only of an envelope whose signature was verified.
Signed Verifying::signed_in(const trust::Envelope& envelope) const {
  if (envelope.payload_type != trust::in_toto)
    throw Error(ErrorKind::invalid, concat("what was signed is no in-toto statement but \"",
                                           shortened(valid_utf8(envelope.payload_type), 80), '"'));
  trust::Statement statement = trust::Statement::parse(envelope.payload, digest());
  // An attestation says something about an image, maybe that it is bad; it does not sign it.
  if (statement.predicate_type != demand_.predicate_type)
    throw Error(ErrorKind::invalid,
                concat("it states \"", shortened(valid_utf8(statement.predicate_type), 120),
                       "\", not \"", demand_.predicate_type, '"'));
  return {envelope.payload, std::move(statement.name), std::move(statement.claims),
          wants_signature() ? std::string() : std::move(statement.predicate)};
}

void Verifying::check(const Signed& what) const {
  if (demand_.repository && !same_repository(what.repository, *demand_.repository))
    throw Error(
        ErrorKind::invalid,
        what.repository.empty()
            ? concat("it names no repository, and ", demand_.repository->name(), " is demanded")
            : concat("it was made for ", shortened(valid_utf8(what.repository), 200), ", not for ",
                     demand_.repository->name()));
  for (const auto& [name, wanted] : demand_.claims) {
    const auto claim = what.claims.find(name);
    if (claim == what.claims.end() || claim->second != wanted)
      throw Error(ErrorKind::invalid, concat("it does not claim ", name, '=', wanted));
  }
}

void Verifying::look_at_tag() {
  const std::string tag =
      wants_signature() ? trust::signature_tag(digest()) : trust::attestation_tag(digest());
  const auto manifest = client_.find_manifest(result_.image.with_tag(tag), stop_);
  if (!manifest) return;
  std::vector<trust::AttachedLayer> layers;
  judge("legacy", tag, [&] { layers = trust::attached_layers(manifest->bytes); });
  for (const trust::AttachedLayer& layer : layers) {
    const std::string where = concat(tag, ' ', layer.blob.digest.brief());
    judge("legacy", where, [&] {
      const auto type = layer.annotations.find("predicateType");
      if (!wants_signature() && type != layer.annotations.end() &&
          type->second != demand_.predicate_type)
        return;  // Another attestation, and none that was asked for.
      const std::string bytes = attached_blob(client_, result_.image, layer.blob, stop_);
      if (!wants_signature()) {
        const trust::Envelope envelope = trust::Envelope::parse(bytes);
        const trust::PublicKey& signer = signer_of(envelope);
        Signed what = signed_in(envelope);
        check(what);
        return add_proof("legacy", signer, layer.blob.digest, std::move(what));
      }
      const auto signature = signature_of(layer);
      if (!signature) throw Error(ErrorKind::invalid, "its signature is missing");
      const auto signer = std::ranges::find_if(
          keys_, [&](const auto& key) { return key.verifies({bytes}, *signature); });
      if (signer == keys_.end()) throw Error(ErrorKind::invalid, std::string(nobody));
      trust::SimpleSigning payload = trust::SimpleSigning::parse(bytes);
      if (payload.image != digest())
        throw Error(ErrorKind::invalid, concat("it was made for ", payload.image));
      Signed what{bytes, std::move(payload.repository), std::move(payload.claims), {}};
      check(what);
      add_proof("legacy", *signer, layer.blob.digest, std::move(what));
    });
  }
}

void Verifying::look_at_bundle(const registry::Referrer& referrer) {
  const auto manifest = client_.find_manifest(result_.image.at(referrer.manifest.digest), stop_);
  if (!manifest) throw Error(ErrorKind::not_found, "it is listed but not there");
  const auto blob = trust::bundle_in(manifest->bytes);
  if (!blob) return;  // Something else that refers to the image.
  const trust::Envelope envelope =
      trust::envelope_in_bundle(attached_blob(client_, result_.image, *blob, stop_));
  const trust::PublicKey& signer = signer_of(envelope);
  Signed what = signed_in(envelope);
  check(what);
  add_proof("bundle", signer, blob->digest, std::move(what));
}

void Verifying::look_at_referrers() {
  // Of all types: cosign itself wrote a wrong one into fallback indexes.
  for (const registry::Referrer& each :
       registry::find_referrers(client_, result_.image, digest(), "", stop_)) {
    const auto type = each.annotations.find(std::string(trust::bundle_predicate_annotation));
    if (type != each.annotations.end() && type->second != demand_.predicate_type &&
        !wants_signature())
      continue;
    const std::string where = concat("referrer ", each.manifest.digest.brief());
    judge("bundle", where, [&] { look_at_bundle(each); });
  }
}

}  // namespace

std::string Verification::why_not() const {
  if (good()) return {};
  if (doubts.empty()) return concat(image.text(), " carries nothing that was asked for");
  std::string why = concat(image.text(), " is not vouched for: ");
  for (const Doubt& doubt : doubts)
    why += concat(&doubt == &doubts.front() ? "" : "; ", doubt.form, ' ', doubt.where, ": ",
                  doubt.reason);
  return shortened(why, 2000);
}

Verification verify(registry::Client& client, const Reference& image,
                    std::span<const trust::PublicKey> keys, const Demand& demand,
                    const std::stop_token& stop) {
  if (!image.digest())
    throw Error(ErrorKind::invalid, concat(image.text(), " has no digest to verify"));
  if (keys.empty()) throw Error(ErrorKind::invalid, "no key to verify with");
  return during(concat("verifying ", image.text()), [&] {
    return Verifying(client, image.bare().at(*image.digest()), keys, demand, stop).perform();
  });
}

}  // namespace lighterman::pipeline
