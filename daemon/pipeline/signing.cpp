#include "pipeline/signing.hpp"

#include <algorithm>
#include <future>

#include "audit/trail.hpp"
#include "core/error.hpp"
#include "os/hash.hpp"
#include "pipeline/attached.hpp"
#include "registry/referrers.hpp"
#include "trust/artifact.hpp"

namespace lighterman::pipeline {
namespace {

void bring(const Subject& subject, const trust::Blob& blob, const std::stop_token& stop) {
  const auto open = [&blob](std::uint64_t offset) -> Pull {
    return [&blob, offset](char* into, std::size_t room) mutable {
      const std::size_t count = blob.bytes.copy(into, room, offset);
      offset += count;
      return count;
    };
  };
  subject.client->bring({blob.descriptor(), open}, subject.image.bare(), {}, stop);
}

/// A layer for one of cosign's tags, and how to know it again there.
struct Wanted {
  const trust::Key* key;
  std::string predicate_type;
  Digest payload;
  trust::Attachment attachment;
  std::function<bool(const trust::AttachedLayer&)> is_there;
};

/// One call of attach().
class Attaching {
 public:
  Attaching(const Subject& subject, const Keys& keys, Instant now, const std::stop_token& stop)
      : subject_(subject), keys_(keys), now_(now), stop_(stop), editor_(*subject.client) {}

  void add_signatures(const std::vector<Assertion>& assertions);
  void add_attestations(const std::vector<Assertion>& assertions);
  void add_bundles(const std::vector<Assertion>& assertions);
  std::vector<SignatureRecord> finish() {
    editor_.confirm(stop_);
    return std::move(records_);
  }

 private:
  std::string statement_of(const Assertion& assertion) const {
    if (!assertion.payload.empty()) return assertion.payload;
    return render(trust::Statement{assertion.predicate_type, subject_.image.name(),
                                   subject_.manifest.digest, assertion.claims,
                                   assertion.predicate});
  }
  static trust::Envelope envelope_of(const std::string& statement, const trust::Key& key) {
    return trust::Envelope::sign(std::string(trust::in_toto), statement, key);
  }
  void record(const trust::Key& key, const std::string& predicate_type, std::string form,
              const Digest& payload, const Digest& artifact) {
    records_.push_back({key.public_key().hint(), subject_.image, predicate_type, std::move(form),
                        payload, artifact, now_});
  }
  void write_tag(const std::string& tag, const std::vector<Wanted>& wanted);
  bool holds(const Descriptor& blob, bool bundle, const std::string& statement,
             const trust::PublicKey& key) const;
  std::optional<Digest> find_bundle(const std::vector<registry::Referrer>& referrers,
                                    const std::string& predicate_type, const std::string& statement,
                                    const trust::PublicKey& key) const;

  const Subject& subject_;
  const Keys& keys_;
  Instant now_;
  const std::stop_token& stop_;
  registry::TagEditor editor_;
  std::vector<SignatureRecord> records_;
};

/// Whether the envelope in a blob is this statement, signed by this key.
bool Attaching::holds(const Descriptor& blob, bool bundle, const std::string& statement,
                      const trust::PublicKey& key) const {
  try {
    const std::string bytes = attached_blob(*subject_.client, subject_.image, blob, stop_);
    const trust::Envelope envelope =
        bundle ? trust::envelope_in_bundle(bytes) : trust::Envelope::parse(bytes);
    return envelope.payload == statement && envelope.signed_by(key);
  } catch (const Error& error) {
    // Somebody else's, in whatever state: not what is looked for.
    if (!is_doubt(error)) throw;
    return false;
  }
}

void Attaching::write_tag(const std::string& tag, const std::vector<Wanted>& wanted) {
  if (wanted.empty()) return;
  const Reference reference = subject_.image.with_tag(tag);
  // The editor calls it again after this returned.
  const auto edit = [this, reference,
                     wanted](const std::optional<registry::StoredManifest>& current)
      -> std::optional<registry::TagContent> {
    std::vector<trust::AttachedLayer> layers;
    if (current)
      layers = during(reference.text(), [&] { return trust::attached_layers(current->bytes); });
    std::vector<trust::Attachment> missing;
    for (const Wanted& each : wanted)
      if (std::ranges::none_of(layers, each.is_there)) missing.push_back(each.attachment);
    if (missing.empty()) return {};
    const trust::Artifact artifact =
        trust::with_attached(current ? current->bytes : std::string(), std::move(missing));
    for (const trust::Blob& blob : artifact.blobs) bring(subject_, blob, stop_);
    return registry::TagContent{artifact.media_type, artifact.manifest};
  };
  const std::optional<Digest> names = editor_.edit(reference, edit, stop_);
  for (const Wanted& each : wanted)
    record(*each.key, each.predicate_type, "legacy", each.payload, names.value());
}

void Attaching::add_signatures(const std::vector<Assertion>& assertions) {
  std::vector<Wanted> wanted;
  for (const Assertion& assertion : assertions) {
    if (assertion.predicate_type != trust::sign_predicate) continue;
    const std::string payload =
        !assertion.payload.empty()
            ? assertion.payload
            : render(trust::SimpleSigning{subject_.image.name(), subject_.manifest.digest,
                                          assertion.claims});
    const Digest payload_digest = os::sha256(payload);
    for (const trust::Key& key : keys_) {
      auto is_there = [payload, digest = payload_digest,
                       signer = key.public_key()](const trust::AttachedLayer& layer) {
        const auto signature = signature_of(layer);
        return layer.blob.digest == digest && signature && signer.verifies({payload}, *signature);
      };
      wanted.push_back({&key, assertion.predicate_type, payload_digest,
                        trust::attached_signature(payload, key.sign({payload})),
                        std::move(is_there)});
    }
  }
  write_tag(trust::signature_tag(subject_.manifest.digest), wanted);
}

void Attaching::add_attestations(const std::vector<Assertion>& assertions) {
  std::vector<Wanted> wanted;
  for (const Assertion& assertion : assertions) {
    if (assertion.predicate_type == trust::sign_predicate) continue;
    const std::string statement = statement_of(assertion);
    for (const trust::Key& key : keys_) {
      trust::Attachment attachment =
          trust::attached_envelope(envelope_of(statement, key), assertion.predicate_type);
      auto is_there = [this, statement, &key, digest = attachment.layer.descriptor().digest,
                       type = attachment.annotations](const trust::AttachedLayer& layer) {
        if (layer.blob.digest == digest) return true;
        return layer.annotations == type && holds(layer.blob, false, statement, key.public_key());
      };
      wanted.push_back({&key, assertion.predicate_type, os::sha256(statement),
                        std::move(attachment), std::move(is_there)});
    }
  }
  write_tag(trust::attestation_tag(subject_.manifest.digest), wanted);
}

std::optional<Digest> Attaching::find_bundle(const std::vector<registry::Referrer>& referrers,
                                             const std::string& predicate_type,
                                             const std::string& statement,
                                             const trust::PublicKey& key) const {
  for (const registry::Referrer& each : referrers) {
    const auto type = each.annotations.find(std::string(trust::bundle_predicate_annotation));
    if (type == each.annotations.end() || type->second != predicate_type) continue;
    const auto manifest =
        subject_.client->find_manifest(subject_.image.at(each.manifest.digest), stop_);
    const auto bundle = manifest ? trust::bundle_in(manifest->bytes) : std::nullopt;
    if (bundle && holds(*bundle, true, statement, key)) return each.manifest.digest;
  }
  return {};
}

void Attaching::add_bundles(const std::vector<Assertion>& assertions) {
  const auto referrers =
      registry::find_referrers(*subject_.client, subject_.image, subject_.manifest.digest,
                               std::string(trust::bundle_media), stop_);
  std::vector<registry::TagContent> manifests;
  for (const Assertion& assertion : assertions) {
    const std::string statement = statement_of(assertion);
    for (const trust::Key& key : keys_) {
      const std::string& type = assertion.predicate_type;
      if (const auto there = find_bundle(referrers, type, statement, key.public_key())) {
        record(key, type, "bundle", os::sha256(statement), *there);
        continue;
      }
      const trust::Artifact artifact = trust::bundle_artifact(
          subject_.manifest, trust::render_bundle(envelope_of(statement, key), key.public_key()),
          type, now_);
      for (const trust::Blob& blob : artifact.blobs) bring(subject_, blob, stop_);
      record(key, type, "bundle", os::sha256(statement), os::sha256(artifact.manifest));
      manifests.push_back({artifact.media_type, artifact.manifest});
    }
  }
  registry::put_referrers(*subject_.client, subject_.image, subject_.manifest.digest, manifests,
                          editor_, stop_);
}

}  // namespace

Assertion Assertion::signature(trust::Claims claims) {
  return {std::string(trust::sign_predicate), "{}", std::move(claims)};
}

Subject get_subject(registry::Client& client, const Reference& reference,
                    const std::stop_token& stop) {
  const auto manifest = client.find_manifest(reference, stop);
  if (!manifest) throw Error(ErrorKind::not_found, concat("there is no image ", reference.text()));
  return {&client,
          reference.at(manifest->digest),
          {manifest->media_type, manifest->digest, manifest->bytes.size()}};
}

std::vector<SignatureRecord> attach(const Subject& subject, const Keys& keys,
                                    const std::vector<Assertion>& assertions, SignatureForms forms,
                                    Instant now, const std::stop_token& stop) {
  using Records = std::vector<SignatureRecord>;
  const auto write_tags = [&] {
    Attaching attaching(subject, keys, now, stop);
    attaching.add_signatures(assertions);
    attaching.add_attestations(assertions);
    return attaching.finish();
  };
  const auto write_bundles = [&] {
    Attaching attaching(subject, keys, now, stop);
    attaching.add_bundles(assertions);
    return attaching.finish();
  };
  return during(concat("signing ", subject.image.text()), [&]() -> Records {
    if (forms == SignatureForms::legacy) return write_tags();
    if (forms == SignatureForms::bundle) return write_bundles();
    // They share nothing, and most of the time is the registry's.
    std::future<Records> bundles = std::async(std::launch::async, write_bundles);
    Records records = write_tags();
    for (SignatureRecord& each : bundles.get()) records.push_back(std::move(each));
    return records;
  });
}

void note_signatures(store::Store& store, const std::vector<SignatureRecord>& records,
                     const std::string& why) {
  if (records.empty()) return;
  std::vector<std::string> said;
  said.reserve(records.size());
  for (const SignatureRecord& each : records)
    said.push_back(concat(each.predicate_type, " (", each.form, ") by key ", each.key_hint));
  audit::Trail(store).note({.who = "the daemon",
                            .deed = "sign",
                            .subject = records.front().image.text(),
                            .why = concat(why, ": ", join(said, ", "))});
}

}  // namespace lighterman::pipeline
