#include "trust/payload.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>

#include "core/error.hpp"
#include "core/json.hpp"

namespace lighterman::trust {
namespace json = boost::json;
namespace {

constexpr std::string_view simple_type = "cosign container image signature";
constexpr std::string_view bundle_type = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// cosign attest --type
constexpr std::pair<std::string_view, std::string_view> short_names[] = {
    {"cyclonedx", cyclonedx_predicate},
    {"spdx", spdx_predicate},
    {"spdxjson", spdx_predicate},
    {"slsaprovenance", "https://slsa.dev/provenance/v0.2"},
    {"slsaprovenance02", "https://slsa.dev/provenance/v0.2"},
    {"slsaprovenance1", slsa_predicate},
    {"link", "https://in-toto.io/Link/v1"},
    {"vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"},
    {"openvex", "https://openvex.dev/ns"},
};

std::string json_text(std::string_view text) { return json::serialize(json::value(text)); }

std::string base64_in(const Fields& fields, std::string_view name) {
  std::optional<std::string> bytes = parse_base64(fields.text(name));
  if (!bytes) fields.refuse(name, "base64 is expected");
  return *std::move(bytes);
}

/// The header of DSSE's "pre-authentication encoding"; the payload follows it.
std::string encoding_header(const Envelope& envelope) {
  return concat("DSSEv1 ", envelope.payload_type.size(), ' ', envelope.payload_type, ' ',
                envelope.payload.size(), ' ');
}

Envelope envelope_of(const json::value& value, const std::string& what) {
  const Fields fields(value, what);
  Envelope envelope{fields.text("payloadType"), base64_in(fields, "payload"), {}};
  for (const json::value& each : fields.list("signatures"))
    envelope.signatures.push_back(base64_in(Fields(each, fields.path("signatures")), "sig"));
  return envelope;
}

}  // namespace

std::string predicate_type_of(std::string_view given) {
  std::vector<std::string> names;
  for (const auto& [name, type] : short_names) {
    if (name == given) return std::string(type);
    names.emplace_back(name);
  }
  if (given.find("://") != std::string_view::npos) return std::string(given);
  throw Error(ErrorKind::invalid,
              concat("unknown type of attestation \"", shortened(valid_utf8(given), 80),
                     "\" (choices: ", join(names, ", "), ", or a URI)"));
}

std::string render(const SimpleSigning& payload) {
  // The same bytes as cosign's, so that it takes ours for its own when it signs again.
  return json::serialize(json::object{
      {"critical",
       {{"identity", {{"docker-reference", payload.repository}}},
        {"image", {{"docker-manifest-digest", payload.image.text()}}},
        {"type", simple_type}}},
      {"optional", payload.claims.empty() ? json::value() : json_object(payload.claims)}});
}

SimpleSigning SimpleSigning::parse(std::string_view payload) {
  const json::value value = parse_json(payload, "signed payload");
  const Fields fields(value, "signed payload");
  const Fields critical(fields.get("critical"), fields.path("critical"));
  const Fields image(critical.get("image"), critical.path("image"));
  const Fields identity(critical.get("identity"), critical.path("identity"));
  if (critical.text("type") != simple_type)
    critical.refuse("type", concat("\"", simple_type, "\" is expected"));
  SimpleSigning signing{identity.text_or("docker-reference", ""),
                        Digest::parse(image.text("docker-manifest-digest")),
                        {}};
  // cosign writes texts; whatever else somebody put there is no claim that we understand.
  if (const json::value* optional = fields.find("optional"))
    if (const json::object* claims = optional->if_object())
      for (const auto& [name, claim] : *claims)
        if (claim.is_string()) signing.claims.emplace(name, claim.as_string().c_str());
  return signing;
}

std::string render(const Statement& statement) {
  if (statement.predicate.size() > largest_predicate)
    throw Error(
        ErrorKind::invalid,
        concat("the predicate is ", render_size(statement.predicate.size()),
               " long, more than the ", render_size(largest_predicate), " that can be attested"));
  if (!parse_json(statement.predicate, "predicate").is_object())
    throw Error(ErrorKind::invalid, "the predicate is no JSON object");
  json::object subject;
  if (!statement.name.empty()) subject["name"] = statement.name;
  subject["digest"] = {{"sha256", statement.image.hex()}};
  if (statement.predicate_type == sign_predicate)
    subject["annotations"] = json_object(statement.claims);
  // The predicate goes in as it came: an SBOM's bytes are its author's.
  return concat(R"({"_type":"https://in-toto.io/Statement/v1","subject":[)",
                json::serialize(subject), R"(],"predicateType":)",
                json_text(statement.predicate_type), R"(,"predicate":)", trim(statement.predicate),
                '}');
}

Statement Statement::parse(std::string_view text, const Digest& image) {
  const json::value value = parse_json(text, "statement");
  const Fields fields(value, "statement");
  const std::string type = fields.text("_type");
  if (!type.starts_with("https://in-toto.io/Statement/")) fields.refuse("_type", "not in-toto's");
  for (const json::value& each : fields.list("subject")) {
    const Fields subject(each, fields.path("subject"));
    const Fields digests(subject.get("digest"), subject.path("digest"));
    if (digests.text_or("sha256", "") != image.hex()) continue;
    return {fields.text("predicateType"), subject.text_or("name", ""), image,
            subject.text_map("annotations"), json::serialize(fields.get("predicate"))};
  }
  throw Error(ErrorKind::invalid, "the statement is about another image");
}

Envelope Envelope::sign(std::string payload_type, std::string payload, const Key& key) {
  Envelope envelope{std::move(payload_type), std::move(payload), {}};
  envelope.signatures.push_back(key.sign({encoding_header(envelope), envelope.payload}));
  return envelope;
}

bool Envelope::signed_by(const PublicKey& key) const {
  return std::ranges::any_of(signatures, [&](const std::string& signature) {
    return key.verifies({encoding_header(*this), payload}, signature);
  });
}

std::string render(const Envelope& envelope) {
  json::array signatures;
  for (const std::string& each : envelope.signatures)
    signatures.push_back({{"keyid", ""}, {"sig", render_base64(each)}});
  return json::serialize(json::object{{"payloadType", envelope.payload_type},
                                      {"payload", render_base64(envelope.payload)},
                                      {"signatures", std::move(signatures)}});
}

Envelope Envelope::parse(std::string_view text) {
  return envelope_of(parse_json(text, "envelope"), "envelope");
}

std::string render_bundle(const Envelope& envelope, const PublicKey& key) {
  json::array signatures;
  for (const std::string& each : envelope.signatures)
    signatures.push_back(json::object{{"sig", render_base64(each)}});
  return json::serialize(
      json::object{{"mediaType", bundle_type},
                   {"verificationMaterial", {{"publicKey", {{"hint", key.hint()}}}}},
                   {"dsseEnvelope",
                    {{"payload", render_base64(envelope.payload)},
                     {"payloadType", envelope.payload_type},
                     {"signatures", std::move(signatures)}}}});
}

Envelope envelope_in_bundle(std::string_view text) {
  const json::value value = parse_json(text, "bundle");
  const Fields fields(value, "bundle");
  const std::string type = fields.text("mediaType");
  if (!type.starts_with("application/vnd.dev.sigstore.bundle"))
    fields.refuse("mediaType", concat("\"", shortened(type, 80), "\" is no sigstore bundle"));
  // Older cosigns signed the payload itself ("messageSignature"); of an image that says nothing.
  return envelope_of(fields.get("dsseEnvelope"), fields.path("dsseEnvelope"));
}

}  // namespace lighterman::trust
