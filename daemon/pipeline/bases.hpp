#pragma once

#include <boost/json/array.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "core/build_plan.hpp"
#include "engine/dockerfile.hpp"
#include "engine/engine.hpp"
#include "pipeline/yard.hpp"
#include "trust/provenance.hpp"

namespace lighterman::pipeline {

/// An image that a build begins with.
struct Base {
  std::string image;  ///< as FROM names it, variables filled in
  std::string stage;  ///< empty: not known
  std::optional<Digest> digest = {};
  std::string image_id = {};  ///< where there is no digest: what the engine had under this name
  std::optional<Instant> created = {};
  std::optional<std::vector<std::string>> signed_by = {};  ///< names of keys; empty: not looked up
  std::string unknown = {};                                ///< why something is not known
};
/// As hooks get them, too (plugins/README.md, "Facts").
boost::json::array to_json(const std::vector<Base>& bases);
std::vector<Base> bases_from(const boost::json::value& given);

/// The name of an image in FROM; empty: it is none, as with a variable that nobody set.
std::optional<Reference> find_reference(std::string_view text);

/// As the Dockerfile has them; nothing more is known.
std::vector<Base> bases_in(const engine::Dockerfile& dockerfile, const BuildPlan& plan);

/// The images that the plan's named contexts stand for, as they are now: what the engine has of
/// that name, unless the plan pulls, else what the registry has. Error(not_found) where neither has
/// it.
std::vector<Base> named_bases(const engine::Dockerfile& dockerfile, const BuildPlan& plan,
                              engine::Engine& engine, Yard& yard, const std::stop_token& stop);

/// Finds out which images a build really took: BuildKit names them in its steps, with the digest
/// where it asked a registry; what it took from the engine's own images, the engine knows. One
/// thread at a time.
class BaseWatch {
 public:
  /// `named`: those of named_bases().
  BaseWatch(const engine::Dockerfile& dockerfile, const BuildPlan& plan, std::vector<Base> named)
      : bases_(bases_in(dockerfile, plan)), named_(std::move(named)) {}

  void see(const std::string& step);
  /// After the build. Images that the Dockerfile brings in by another way than FROM are added.
  std::vector<Base> finish(engine::Engine& engine, Builder builder, const std::stop_token& stop);

 private:
  std::vector<Reference> seen_;  ///< in the order of their steps
  std::vector<Base> bases_, named_;
};

/// Who is asked what a base's name means by now. A build that does not pull takes what the engine
/// has under that name.
enum class AskFirst { engine, registry };

/// What its name means by now, where that is another image: its digest in the registry, its id in
/// the engine, or "gone". Empty: it did not move. Throws what they throw, and Error(not_found)
/// where it is not known what was taken.
std::string moved_to(const Base& base, const std::string& engine, AskFirst first, Yard& yard,
                     const std::stop_token& stop);

/// How many of the image's layers, the first ones, are a base's and not the build's. Asks the
/// engine or the base's registry; throws what they throw.
std::size_t count_base_layers(const std::vector<Base>& bases, const engine::Inspected& image,
                              engine::Engine& engine, Yard& yard, store::Store& store,
                              const std::stop_token& stop);

/// Whether the configuration, or a plugin for this source, asks more of bases than their names.
bool wants_bases(Yard& yard, const std::string& source);

/// Asks registries for what is not known yet: the digest of an image that the build did not take
/// (its tag's), when it was made, and which of the configured keys signed it. What cannot be found
/// out is told in `unknown`; only a stop is thrown.
void look_up(std::vector<Base>& bases, Yard& yard, store::Store& store, const std::string& os,
             const std::string& architecture, const std::stop_token& stop);

/// Why the configuration's `bases:` keep an image from being published; empty: they do not.
std::vector<std::string> reasons_against(const std::vector<Base>& bases,
                                         const config::Bases& options, Instant now);

/// Those with a digest.
std::vector<trust::Provenance::Base> materials(const std::vector<Base>& bases);

}  // namespace lighterman::pipeline
