#include "cli/trust_verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "cli/live_log.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "pipeline/signing.hpp"
#include "store/store.hpp"
#include "trust/provenance.hpp"

namespace lighterman::cli {
namespace {

constexpr int not_vouched_for = 4;

/// What the words of the command line fill.
struct TrustWords {
  std::string reference, password, forms = "both", repository, attestation;
  std::vector<std::string> keys, annotations, attest;
  bool json = false, plain_http = false;
};

/// The registry of a reference, with the credentials of ~/.docker/config.json.
class OneRegistry {
 public:
  OneRegistry(const Reference& reference, bool plain_http)
      : store_({scratch_.path() / "places.db"}), client_(options(reference, plain_http), store_) {}
  registry::Client& client() noexcept { return client_; }

 private:
  static registry::Options options(const Reference& reference, bool plain_http) {
    registry::Options options;
    options.host = reference.host();
    options.plain_http = plain_http;
    return options;
  }
  os::ScratchFolder scratch_;
  store::Store store_;
  registry::Client client_;
};

trust::Claims claims_of(const std::vector<std::string>& given) {
  trust::Claims claims;
  for (const std::string& each : given) {
    const std::size_t equals = each.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error(ErrorKind::invalid, concat("\"", each, "\" is no annotation (NAME=VALUE is)"));
    claims[each.substr(0, equals)] = each.substr(equals + 1);
  }
  return claims;
}

/// "TYPE=FILE", or "FILE" of a bill of materials, which says itself what it is.
pipeline::Assertion assertion_of(const std::string& given) {
  const std::size_t equals = given.find('=');
  const std::string file = given.substr(equals == std::string::npos ? 0 : equals + 1);
  std::string predicate = os::read_file(file, trust::largest_predicate);
  std::string type = equals == std::string::npos
                         ? during(file, [&] { return trust::sbom_predicate_type(predicate); })
                         : trust::predicate_type_of(given.substr(0, equals));
  if (type == trust::sign_predicate)
    throw Error(ErrorKind::invalid, "a plain signature needs no --attest");
  return {std::move(type), std::move(predicate), {}};
}

int sign(const TrustWords& words) {
  const Reference reference = Reference::parse(words.reference);
  std::vector<pipeline::Assertion> assertions{
      pipeline::Assertion::signature(claims_of(words.annotations))};
  for (const std::string& each : words.attest) assertions.push_back(assertion_of(each));
  const SignatureForms forms = parse_signature_forms(words.forms);
  std::vector<trust::Key> keys;
  for (const std::string& file : words.keys)
    keys.push_back(trust::Key::load(file, key_password(words.password)));
  OneRegistry registry(reference, words.plain_http);
  const pipeline::Subject subject = pipeline::get_subject(registry.client(), reference, {});
  const auto records = pipeline::attach(subject, pipeline::Keys(keys.begin(), keys.end()),
                                        assertions, forms, system_now(), {});
  if (words.json) {
    boost::json::array all;
    for (const SignatureRecord& each : records)
      all.push_back({{"key", each.key_hint},
                     {"type", each.predicate_type},
                     {"form", each.form},
                     {"artifact", each.artifact.text()}});
    std::cout << boost::json::serialize(boost::json::object{{"image", subject.image.text()},
                                                            {"signatures", std::move(all)}})
              << '\n';
    return 0;
  }
  std::cout << "signed " << subject.image.text() << '\n';
  for (const SignatureRecord& each : records)
    std::cout << "  " << each.form << ' ' << each.artifact.text() << ' ' << each.predicate_type
              << '\n';
  return 0;
}

boost::json::value to_json(const pipeline::Verification& verification) {
  boost::json::array proofs, doubts;
  for (const pipeline::Proof& each : verification.proofs) {
    boost::json::object proof{{"form", each.form},
                              {"key", each.key_hint},
                              {"blob", each.blob.text()},
                              {"repository", each.repository},
                              {"annotations", json_object(each.claims)}};
    if (!each.predicate.empty()) proof["predicate"] = parse_json(each.predicate, "predicate");
    proofs.push_back(std::move(proof));
  }
  for (const pipeline::Doubt& each : verification.doubts)
    doubts.push_back({{"form", each.form}, {"where", each.where}, {"reason", each.reason}});
  return boost::json::object{{"image", verification.image.text()},
                             {"verified", verification.good()},
                             {"proofs", std::move(proofs)},
                             {"doubts", std::move(doubts)}};
}

int verify(const TrustWords& words) {
  const Reference reference = Reference::parse(words.reference);
  std::vector<trust::PublicKey> keys;
  for (const std::string& file : words.keys) keys.push_back(trust::PublicKey::load(file));
  pipeline::Demand demand;
  demand.claims = claims_of(words.annotations);
  if (!words.repository.empty()) demand.repository = Reference::parse(words.repository).bare();
  if (!words.attestation.empty())
    demand.predicate_type = trust::predicate_type_of(words.attestation);
  OneRegistry registry(reference, words.plain_http);
  const pipeline::Subject subject = pipeline::get_subject(registry.client(), reference, {});
  const pipeline::Verification verification =
      pipeline::verify(registry.client(), subject.image, keys, demand, {});
  if (words.json) {
    std::cout << boost::json::serialize(to_json(verification)) << '\n';
  } else if (verification.good()) {
    std::cout << "verified " << subject.image.text() << '\n';
    // What others wrote may hold anything.
    for (const pipeline::Proof& each : verification.proofs)
      std::cout << "  " << each.form << ", key " << each.key_hint << ", for "
                << harmless(each.repository.empty() ? "any repository" : each.repository, false)
                << '\n';
  } else {
    std::cerr << "lighterman: " << harmless(verification.why_not(), false) << '\n';
  }
  return verification.good() ? 0 : not_vouched_for;
}

}  // namespace

Secret key_password(const std::string& place) {
  if (!place.empty()) return os::read_secret(place);
  const char* password = std::getenv("COSIGN_PASSWORD");
  return Secret(password ? password : "");
}

void add_trust_verbs(CLI::App& app, std::function<int()>& chosen) {
  // The verbs share them, whichever is chosen.
  const auto words = std::make_shared<TrustWords>();
  const auto add = [&](const std::string& name, const std::string& meaning,
                       int (*act)(const TrustWords&)) {
    CLI::App* verb = app.add_subcommand(name, meaning);
    verb->add_option("reference", words->reference, "The image: host/name:tag or @digest")
        ->required();
    verb->add_flag("--json", words->json, "Print JSON for programs");
    verb->add_flag("--plain-http", words->plain_http, "Its registry may be asked without TLS");
    verb->callback([&chosen, words, act] { chosen = [words, act] { return act(*words); }; });
    return verb;
  };
  CLI::App* verb =
      add("sign", "Sign an image in its registry, as cosign 2 and 3 understand it", sign);
  verb->add_option("--key", words->keys, "Private key file (may be repeated)")->required();
  verb->add_option("--password", words->password,
                   "Where the keys' password is: file:PATH or env:NAME (COSIGN_PASSWORD)");
  verb->add_option("-a,--annotation", words->annotations, "NAME=VALUE to sign (may be repeated)");
  verb->add_option("--attest", words->attest,
                   "TYPE=FILE to attest, such as cyclonedx=sbom.json (may be repeated)");
  verb->add_option("--form", words->forms, "both, legacy (a tag) or bundle (a referrer)")
      ->capture_default_str();
  verb = add("verify", "Say whether an image was signed with a key", verify);
  verb->add_option("--key", words->keys, "Public key file (may be repeated: any will do)")
      ->required();
  verb->add_option("-a,--annotation", words->annotations, "NAME=VALUE it must claim");
  verb->add_option("--repository", words->repository, "host/name that the signature must name");
  verb->add_option("--attestation", words->attestation,
                   "Instead of a signature: an attestation of this type, such as cyclonedx");
  add_key_verbs(app, chosen);
}

}  // namespace lighterman::cli
