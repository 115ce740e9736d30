#include "trust/provenance.hpp"

#include <boost/json/serialize.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "trust/payload.hpp"

namespace lighterman::trust {
namespace json = boost::json;
namespace {

/// Says how the fields under it are to be read.
constexpr std::string_view build_type = "urn:lighterman:build:dockerfile:v1";

json::object without_empty(json::object object) {
  for (auto field = object.begin(); field != object.end();) {
    const json::value& value = field->value();
    const bool empty = (value.is_string() && value.get_string().empty()) ||
                       (value.is_array() && value.get_array().empty()) ||
                       (value.is_object() && value.get_object().empty());
    field = empty ? object.stable_erase(field) : field + 1;
  }
  return object;
}

}  // namespace

std::string render(const Provenance& provenance) {
  json::array dependencies{
      json::object{{"uri", concat("git+", provenance.source,
                                  provenance.ref.empty() ? "" : concat('@', provenance.ref))},
                   {"digest", {{"gitCommit", provenance.commit}}}}};
  for (const Provenance::Base& base : provenance.bases)
    dependencies.push_back({{"uri", concat("docker://", base.reference)},
                            {"digest", {{"sha256", base.digest.hex()}}}});
  const json::object definition{
      {"buildType", build_type},
      {"externalParameters", without_empty({{"source", provenance.source},
                                            {"ref", provenance.ref},
                                            {"dockerfile", provenance.dockerfile},
                                            {"target", provenance.target},
                                            {"platforms", json_array(provenance.platforms)},
                                            {"args", json_object(provenance.args)}})},
      {"internalParameters", json::object()},
      {"resolvedDependencies", std::move(dependencies)}};
  return json::serialize(json::object{{"buildDefinition", definition},
                                      {"runDetails",
                                       {{"builder", {{"id", provenance.builder_id}}},
                                        {"metadata",
                                         {{"invocationId", provenance.invocation_id},
                                          {"startedOn", render_time(provenance.started)},
                                          {"finishedOn", render_time(provenance.finished)}}}}}});
}

std::string sbom_predicate_type(const std::string& sbom) {
  if (sbom.size() > largest_predicate)
    throw Error(ErrorKind::invalid,
                concat("the bill of materials is longer than ", render_size(largest_predicate)));
  const json::value value = parse_json(sbom, "bill of materials");
  const Fields fields(value, "bill of materials");
  if (fields.text_or("bomFormat", "") == "CycloneDX") return std::string(cyclonedx_predicate);
  if (fields.text_or("spdxVersion", "").starts_with("SPDX-")) return std::string(spdx_predicate);
  throw Error(ErrorKind::invalid,
              "the bill of materials is neither CycloneDX (bomFormat) nor SPDX (spdxVersion) JSON");
}

}  // namespace lighterman::trust
