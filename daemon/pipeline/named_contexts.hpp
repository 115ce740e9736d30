#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "core/build_plan.hpp"
#include "os/file_tree.hpp"
#include "pipeline/yard.hpp"
#include "source/context.hpp"

namespace lighterman::pipeline {

/// Puts the commit in place of the ref of each context that is another source's, so that all images
/// and attempts of a run take the same. Throws what fetching throws, and Error(not_found) for a ref
/// that is not there.
void pin_contexts(BuildPlan& plan, Yard& yard, const std::stop_token& stop);

/// The named contexts of one plan whose contexts are pinned. files() on any thread.
class NamedContexts {
 public:
  NamedContexts(const BuildPlan& plan, Yard& yard, const std::stop_token& stop);

  /// Of the engine's named_folder(); null: there is none of that name.
  std::unique_ptr<os::FileTree> files(const std::string& folder, const os::FileChoice& choice,
                                      const std::stop_token& stop) const;
  /// Name -> what tells it from others: git's id of a folder, an image's name.
  const boost::json::object& ids() const noexcept { return ids_; }

 private:
  std::map<std::string, source::Folder> folders_;
  boost::json::object ids_;
};

/// The context that stands for this image in FROM or --from; null: none does.
const NamedContext* find_context(const BuildPlan& plan, const std::string& image);

}  // namespace lighterman::pipeline
