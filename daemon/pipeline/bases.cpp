#include "pipeline/bases.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "pipeline/attached.hpp"
#include "pipeline/signing.hpp"
#include "trust/keyring.hpp"

namespace lighterman::pipeline {
namespace {

void add_unknown(Base& base, std::string_view why) {
  if (base.unknown.find(why) != std::string::npos) return;
  base.unknown += concat(base.unknown.empty() ? "" : "; ", why);
}

/// A key that bases may be signed with.
struct NamedKey {
  std::string name;
  trust::PublicKey key;
};

std::vector<NamedKey> named_keys(const config::Config& config) {
  std::vector<NamedKey> keys;
  if (config.keys) {
    const Instant now = system_now();
    for (const trust::KeyEntry& entry : trust::Keyring(config.keys->folder).entries())
      if (entry.verifies(now)) keys.push_back({entry.name, entry.public_key});
  }
  if (config.bases) {
    for (const auto& [name, file] : config.bases->keys)
      keys.push_back({name, trust::PublicKey::load(config.file.parent_path() / file)});
  }
  return keys;
}

/// One call of look_up().
class BaseLook {
 public:
  BaseLook(Yard& yard, store::Store& store, std::string os, std::string architecture,
           const std::stop_token& stop)
      : yard_(yard),
        store_(store),
        os_(std::move(os)),
        architecture_(std::move(architecture)),
        stop_(stop) {}

  void look_at(Base& base) {
    const auto reference = find_reference(base.image);
    if (!reference)
      return add_unknown(base, "that is no image's name; is a variable in FROM not set?");
    attempt(base, "digest", [&] { find_digest(base, *reference); });
    if (!base.digest) return;
    const Reference image = reference->at(*base.digest);
    if (!base.created) attempt(base, "age", [&] { base.created = created(image); });
    attempt(base, "signature", [&] { base.signed_by = signers(image); });
  }

  std::vector<DiffId> layers(const Reference& image) {
    return ImageConfig::parse(config_of(image)).diff_ids;
  }

 private:
  /// What one base's registry does not tell must not keep the others from being looked at.
  template <class Look>
  void attempt(Base& base, std::string_view what, Look&& look) {
    try {
      look();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      add_unknown(base, concat("its ", what, " is not known: ", shortened(error.what(), 500)));
    }
  }

  void find_digest(Base& base, const Reference& reference) {
    if (base.digest || !base.unknown.empty()) return;
    base.digest = reference.digest();
    if (!base.digest)
      base.digest =
          yard_.registry(reference.host())
              .find_tag(reference.tag() ? reference : reference.with_tag("latest"), stop_);
    if (!base.digest) add_unknown(base, concat("there is no ", reference.text()));
  }

  std::string config_of(const Reference& image) {
    registry::Client& client = yard_.registry(image.host());
    std::string manifest = manifest_of(client, image);
    if (const auto chosen = chosen_from(manifest))
      manifest = manifest_of(client, image.at(*chosen));
    return attached_blob(client, image, Manifest::parse(std::move(manifest)).config(), stop_);
  }

  /// Never changes with a digest, so it is asked for once.
  std::optional<Instant> created(const Reference& image) {
    const std::string key = concat(*image.digest(), ' ', os_, '/', architecture_);
    if (const auto kept = store_.find_fact("base", key)) return parse_time(*kept);
    const boost::json::value value = parse_json(config_of(image), "its configuration");
    const auto text = Fields(value, "its configuration").find_text("created");
    if (!text) throw Error(ErrorKind::not_found, "its configuration does not say when it was made");
    const Instant when = parse_time(*text);
    store_.put_fact("base", key, render_time(when));
    return when;
  }

  std::string manifest_of(registry::Client& client, const Reference& image) {
    auto manifest = client.find_manifest(image, stop_);
    if (!manifest) throw Error(ErrorKind::not_found, concat("there is no ", image.text()));
    return std::move(manifest->bytes);
  }

  /// Of an index: the manifest of our platform. Empty: it is no index.
  std::optional<Digest> chosen_from(const std::string& bytes) const {
    const boost::json::value value = parse_json(bytes, "its manifest");
    const Fields index(value, "index");
    if (!index.find("manifests")) return {};
    for (const boost::json::value& each : index.list("manifests")) {
      const Fields entry(each, "index.manifests");
      if (!entry.find("platform")) continue;
      const Fields platform(entry.get("platform"), "index.manifests.platform");
      if (platform.text_or("os", "") == os_ &&
          platform.text_or("architecture", "") == architecture_)
        return Digest::parse(entry.text("digest"));
    }
    throw Error(ErrorKind::not_found, concat("it has no image for ", os_, '/', architecture_));
  }

  std::vector<std::string> signers(const Reference& image) {
    if (!keys_) keys_ = named_keys(yard_.config());
    if (keys_->empty())
      throw Error(ErrorKind::invalid,
                  "no keys to compare with are configured (bases: {keys: {NAME: FILE}})");
    const auto [place, fresh] = signers_.try_emplace(image.text());
    if (!fresh) return place->second;
    std::vector<trust::PublicKey> keys;
    for (const NamedKey& each : *keys_) keys.push_back(each.key);
    try {
      for (const Proof& proof :
           verify(yard_.registry(image.host()), image, keys, Demand{}, stop_).proofs)
        for (const NamedKey& each : *keys_)
          if (each.key.hint() == proof.key_hint &&
              std::ranges::find(place->second, each.name) == place->second.end())
            place->second.push_back(each.name);
    } catch (const Error&) {
      // Another base of the same digest is to find out for itself.
      signers_.erase(place);
      throw;
    }
    return place->second;
  }

  Yard& yard_;
  store::Store& store_;
  std::string os_, architecture_;
  const std::stop_token& stop_;
  std::optional<std::vector<NamedKey>> keys_;
  std::map<std::string, std::vector<std::string>> signers_;  ///< by reference
};

bool is_excepted(const Base& base, const config::Bases& options) {
  std::vector<std::string> names{base.image.substr(0, base.image.find('@'))};
  if (const auto reference = find_reference(base.image)) {
    names.push_back(reference->name());
    if (!reference->digest() || reference->tag())
      names.push_back(concat(reference->name(), ':', reference->tag().value_or("latest")));
  }
  return std::ranges::any_of(options.except, [&](const std::string& glob) {
    return std::ranges::any_of(names, [&](const auto& name) { return matches_glob(glob, name); });
  });
}

std::string because(const Base& base) {
  return base.unknown.empty() ? "" : concat(" (", base.unknown, ')');
}

}  // namespace

std::optional<Reference> find_reference(std::string_view text) {
  try {
    return Reference::parse(text);
  } catch (const Error&) {
    // A variable that nobody set, or a word that is no image's name.
    return {};
  }
}

boost::json::array to_json(const std::vector<Base>& bases) {
  boost::json::array list;
  for (const Base& base : bases) {
    boost::json::object object{{"image", base.image}};
    if (!base.stage.empty()) object["stage"] = base.stage;
    if (base.digest) object["digest"] = base.digest->text();
    if (!base.image_id.empty()) object["image_id"] = base.image_id;
    if (base.created) object["created"] = render_time(*base.created);
    if (base.signed_by) object["signed_by"] = json_array(*base.signed_by);
    if (!base.unknown.empty()) object["unknown"] = base.unknown;
    list.push_back(std::move(object));
  }
  return list;
}

std::vector<Base> bases_from(const boost::json::value& given) {
  std::vector<Base> bases;
  for (const boost::json::value& each : given.as_array()) {
    const Fields fields(each, "base");
    Base& base = bases.emplace_back();
    base.image = fields.text("image");
    base.stage = fields.text_or("stage", "");
    if (const auto digest = fields.find_text("digest")) base.digest = Digest::parse(*digest);
    base.image_id = fields.text_or("image_id", "");
    if (fields.find("created")) base.created = fields.time_or("created", {});
    if (fields.find("signed_by")) base.signed_by = fields.texts("signed_by");
    base.unknown = fields.text_or("unknown", "");
  }
  return bases;
}

std::string moved_to(const Base& base, const std::string& engine, AskFirst first, Yard& yard,
                     const std::stop_token& stop) {
  const auto reference = find_reference(base.image);
  const bool own = !base.image_id.empty();
  if (!own && (!base.digest || !reference)) {
    throw Error(ErrorKind::not_found, "it is not known which image the build took");
  }
  if (!own && reference->digest()) return "";
  if (own || first == AskFirst::engine) {
    const auto image = yard.engine(engine).find_image(base.image, stop);
    if (image && own) return image->id == base.image_id ? "" : image->id;
    // With containerd's store an image's id is its manifest's digest.
    if (image && (image->id == base.digest->text() ||
                  std::ranges::any_of(image->digests, [&](const Reference& known) {
                    return known.digest() == base.digest;
                  }))) {
      return "";
    }
    if (own) return "gone";
  }
  const Reference tagged = reference->tag() ? *reference : reference->with_tag("latest");
  const auto now = yard.registry(tagged.host()).find_tag(tagged, stop);
  if (!now) return "gone";
  return now == base.digest ? "" : now->text();
}

std::size_t count_base_layers(const std::vector<Base>& bases, const engine::Inspected& image,
                              engine::Engine& engine, Yard& yard, store::Store& store,
                              const std::stop_token& stop) {
  std::size_t most = 0;
  const auto count = [&](const std::vector<DiffId>& layers) {
    const bool begins = layers.size() <= image.layers.size() &&
                        std::equal(layers.begin(), layers.end(), image.layers.begin());
    if (begins) most = std::max(most, layers.size());
    return begins;
  };
  for (const Base& base : bases) {
    const auto reference = find_reference(base.image);
    const bool published = base.digest && reference;
    const std::string name = published               ? reference->at(*base.digest).text()
                             : base.image_id.empty() ? base.image
                                                     : base.image_id;
    const auto here = engine.find_image(name, stop);
    if ((here && count(here->layers)) || !published) continue;
    try {
      BaseLook look(yard, store, image.os, image.architecture, stop);
      count(look.layers(reference->at(*base.digest)));
    } catch (const Error& error) {
      // Its registry has it no more, or has it for other platforms: what it gave is the build's.
      if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::denied) throw;
    }
  }
  return most;
}

bool wants_bases(Yard& yard, const std::string& source) {
  if (yard.config().bases) return true;
  return std::ranges::any_of(*yard.rulebook().seats(), [&](const policy::Seat& seat) {
    const bool meant =
        seat.sources.empty() || std::ranges::any_of(seat.sources, [&](const std::string& glob) {
          return matches_glob(glob, source);
        });
    // Whoever reads the field has its name among the constants of its code.
    return meant && seat.plugin->code.find("bases") != std::string::npos;
  });
}

void look_up(std::vector<Base>& bases, Yard& yard, store::Store& store, const std::string& os,
             const std::string& architecture, const std::stop_token& stop) {
  BaseLook look(yard, store, os, architecture, stop);
  for (Base& base : bases) look.look_at(base);
}

std::vector<std::string> reasons_against(const std::vector<Base>& bases,
                                         const config::Bases& options, Instant now) {
  std::vector<std::string> reasons;
  for (const Base& base : bases) {
    if (is_excepted(base, options)) continue;
    const std::string name = concat("base ", base.image,
                                    base.digest && base.image.find('@') == std::string::npos
                                        ? concat(" (", *base.digest, ')')
                                        : "");
    if (!options.signed_by.empty()) {
      const std::string wanted = join(options.signed_by, " or ");
      const bool good =
          base.signed_by && std::ranges::any_of(*base.signed_by, [&](const auto& key) {
            return std::ranges::find(options.signed_by, key) != options.signed_by.end();
          });
      if (!base.signed_by) {
        reasons.push_back(
            concat(name, ": it is not known whether ", wanted, " signed it", because(base)));
      } else if (!good) {
        reasons.push_back(
            concat(name, " is not signed by ", wanted,
                   base.signed_by->empty() ? "" : concat(", only by ", join(*base.signed_by, ", ")),
                   ": build on an image that is, or let its makers sign this one"));
      }
    }
    if (options.max_age.count() == 0) continue;
    if (!base.created) {
      reasons.push_back(concat(name, " is of unknown age", because(base)));
    } else if (now - *base.created > options.max_age) {
      reasons.push_back(
          concat(name, " is ",
                 render_duration(std::chrono::floor<std::chrono::hours>(now - *base.created)),
                 " old, the limit is ", render_duration(options.max_age),
                 ": take a newer one, or set `pull: true` so that its tag is asked for anew"));
    }
  }
  return reasons;
}

std::vector<trust::Provenance::Base> materials(const std::vector<Base>& bases) {
  std::vector<trust::Provenance::Base> materials;
  for (const Base& base : bases)
    if (base.digest) materials.push_back({base.image, *base.digest});
  return materials;
}

}  // namespace lighterman::pipeline
