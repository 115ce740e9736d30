#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/run.hpp"
#include "core/time.hpp"
#include "engine/engine.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// Something that a build of ours left on an engine.
struct Holding {
  enum class Kind {
    image,      ///< of a step; nobody named it
    base,       ///< fetched for our build
    name,       ///< of an image, given by us
    container,  ///< of a step
  } kind = Kind::image;
  std::string id;    ///< its first 12 digits; of a name: all of it
  std::string base;  ///< what it was fetched as
  RunId run = 0;     ///< the last that made or used it
  Instant used{};
  Instant made{};  ///< when we heard of it first
};

/// Whether something that the engine has since `created` is what we heard of at that time, and not
/// somebody else's whose id a step printed.
bool is_of_then(const Holding& holding, Instant created);

/// What we left on one engine, kept in the store: whatever else is there is somebody else's. Any
/// thread.
class Holdings {
 public:
  Holdings(store::Store& store, const std::string& engine);

  void put(const Holding& holding);
  /// A base or image was used; what is not ours stays unknown.
  void touch(const std::string& id, RunId run, Instant now);
  void see(const engine::Leaving& leaving, RunId run, Instant now);
  void forget(const Holding& holding);
  std::optional<Holding> find(const std::string& id) const;
  std::vector<Holding> all() const;  ///< least recently used first

 private:
  store::Store& store_;
  const std::string scope_;
};

}  // namespace lighterman::pipeline
