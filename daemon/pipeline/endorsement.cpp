#include "pipeline/endorsement.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "core/error.hpp"
#include "core/json.hpp"
#include "os/file.hpp"

namespace lighterman::pipeline {
namespace {

/// What is said under the key of this name, in the order it was asked for.
using ByKey = std::map<std::string, std::vector<Assertion>>;

Assertion assertion_of(const policy::Action& action, const EndorsementScene& scene) {
  const Fields body(action.body, action.kind);
  if (action.kind == "sign") return Assertion::signature(body.text_map("claims"));
  const std::string kind = body.text("kind");
  if (kind == "provenance") return {"https://slsa.dev/provenance/v1", render(scene.provenance), {}};
  if (kind == "sbom") {
    std::string sbom = scene.sbom(scan::parse_sbom_format(body.text_or("format", "cyclonedx")));
    std::string type = trust::sbom_predicate_type(sbom);
    return {std::move(type), std::move(sbom), {}};
  }
  return {body.text("predicate_type"), boost::json::serialize(body.get("document")), {}};
}

/// The key that the action names; an attach{} that names none goes with the signature, or with the
/// only key there is.
std::string key_of(const policy::Action& action, const policy::Decision& decision,
                   const trust::Keyring& keyring) {
  if (const auto named = Fields(action.body, action.kind).find_text("key")) return *named;
  for (const policy::Action& other : decision.actions)
    if (other.kind == "sign") return Fields(other.body, "sign").text("key");
  std::vector<std::string> names;
  for (const trust::KeyEntry& entry : keyring.entries())
    if (std::ranges::find(names, entry.name) == names.end()) names.push_back(entry.name);
  if (names.size() == 1) return names.front();
  throw Error(ErrorKind::invalid, concat("attach: which `key`? There are ", join(names, ", ")));
}

}  // namespace

std::vector<Endorsement> endorsements(const policy::Decision& decision,
                                      const EndorsementScene& scene,
                                      const std::function<void(const std::string&)>& warn) {
  ByKey wanted;
  const auto& keys = scene.config->keys;
  for (const policy::Action& action : decision.actions) {
    if (action.kind != "sign" && action.kind != "attach") continue;
    during(concat("plugin \"", action.plugin, "\" asks to ", action.kind), [&] {
      if (!keys) {
        throw Error(ErrorKind::invalid,
                    "the configuration has no keys (keys: {folder: ..., password: file:...}; "
                    "`lighterman key new` makes one)");
      }
      const trust::Keyring keyring(keys->folder);
      const std::string name = key_of(action, decision, keyring);
      keyring.entries(name);  // throws when there is none of that name
      wanted[name].push_back(assertion_of(action, scene));
    });
  }
  std::vector<Endorsement> endorsements;
  for (const auto& [name, assertions] : wanted) {
    const Secret password =
        keys->password_place.empty() ? Secret() : os::read_secret(keys->password_place);
    bool signs = false;
    for (const trust::KeyEntry& entry : trust::Keyring(keys->folder).entries(name)) {
      if (!entry.signs(scene.now)) continue;
      const std::string warning = entry.warning(scene.now);
      if (entry.state(scene.now) == trust::KeyState::expired && keys->refuse_expired)
        throw Error(ErrorKind::denied, warning);
      if (!warning.empty()) warn(warning);
      endorsements.push_back({trust::open(entry, password), assertions});
      signs = true;
    }
    if (!signs)
      throw Error(ErrorKind::denied, concat("key \"", name, "\" signs no more: it was retired"));
  }
  return endorsements;
}

}  // namespace lighterman::pipeline
