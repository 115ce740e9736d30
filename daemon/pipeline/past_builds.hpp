#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "core/build_plan.hpp"
#include "core/image.hpp"
#include "core/run.hpp"
#include "os/file_tree.hpp"
#include "pipeline/bases.hpp"
#include "pipeline/named_contexts.hpp"
#include "pipeline/yard.hpp"
#include "source/context.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// The files that a build asked for: together with the Dockerfile and what is said to it, they
/// decide what comes out. Asked for on the session's threads, several at once.
class AskedFiles {
 public:
  void add(const os::FileChoice& choice);
  std::vector<os::FileChoice> all() const;

 private:
  mutable std::mutex mutex_;
  std::vector<os::FileChoice> choices_;
};

boost::json::array asked_files(const std::vector<os::FileChoice>& choices);
std::vector<os::FileChoice> asked_files_from(const boost::json::array& given);

/// An image that was built and published before.
struct PastBuild {
  boost::json::object recipe;         ///< what the build was told, without its files
  std::vector<os::FileChoice> asked;  ///< which files it wanted
  std::string files;                  ///< hash over them
  boost::json::value built;           ///< result of the engine stage
  std::string manifest;               ///< its bytes
  RunId run = 0;
  std::string commit, ref;
  std::set<std::string> refs;  ///< all that it was published for
  Instant started{}, finished{};
};
boost::json::object to_json(const PastBuild& build);
PastBuild past_build_from(const boost::json::value& given);

/// Of which images there are any.
std::vector<std::string> past_build_names(const store::Store& store);
/// Of this image ("shop/web", "shop/web@linux/arm64"), newest first.
std::vector<PastBuild> past_builds(const store::Store& store, const std::string& name);

/// The bases it took, as far as anything is known of them.
std::vector<Base> bases_of(const PastBuild& build);
/// Whether registries have all of them: the engine's own images are nowhere to be had anew.
bool are_remote(const PastBuild& build);

/// Remembers an image's newest builds (20, and the newest of each branch) in the store, and finds
/// the one that a new build would repeat: equal recipe, equal files of those that such a build asks
/// for, bases that did not move. One thread at a time.
class PastBuilds {
 public:
  PastBuilds(Yard& yard, store::Store& store, const BuildPlan& plan, const source::Context& context,
             const NamedContexts& named);

  struct Found {
    std::optional<PastBuild> build = {};
    std::string why = {};                   ///< there is none to take again
    std::vector<std::string> changed = {};  ///< files that are why
    bool newer_base =
        false;  ///< which the engine has to fetch, for it may still have the older one
  };
  Found find(const std::stop_token& stop);
  /// Puts what this plan built in front. Files are hashed here.
  void keep(PastBuild build, const std::stop_token& stop);
  /// It was taken for this ref as well.
  void keep_again(PastBuild build, const std::string& ref);

 private:
  std::string hash_of(const std::vector<os::FileChoice>& asked, const std::stop_token& stop);
  Found none_like(const PastBuild& last, const std::stop_token& stop);
  Found unless_bases_moved(const PastBuild& build, const std::stop_token& stop);
  void put_first(PastBuild build);

  Yard& yard_;
  store::Store& store_;
  const BuildPlan& plan_;
  const source::Context& context_;
  const std::string name_;
  const boost::json::object recipe_;
  std::vector<PastBuild> builds_;              ///< newest first
  std::map<std::string, std::string> hashes_;  ///< by what was asked for, as JSON
};

}  // namespace lighterman::pipeline
