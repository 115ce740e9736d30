#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/yard.hpp"

namespace lighterman::pipeline {

/// What becomes of a tag, and why.
struct TagFate {
  std::string tag;
  Digest digest;
  bool keep = true;
  std::string why;
};

struct RepositoryFate {
  Reference repository;
  std::vector<TagFate> tags;    ///< those that go last
  std::vector<Digest> deleted;  ///< manifests that no kept tag needs; with what refers to them
  std::vector<std::string> notes;
};

/// What a rule of `retain` would keep and delete, asked of the registry. Whatever is not known to
/// be of no use is kept; a rule whose list of what is in use cannot be read deletes nothing
/// (an Error is thrown).
std::vector<RepositoryFate> plan_retention(Yard& yard, store::Store& store,
                                           const config::RetainRule& rule,
                                           const std::stop_token& stop);
/// The manifests that an index names; none of an image, or of what is not there.
std::set<Digest> children_of(registry::Client& client, const Reference& image,
                             const std::stop_token& stop);
/// What is gone, a tag or a digest, and why.
using TellGone = std::function<void(const Reference& gone, const std::string& why)>;
/// Deletes what the plan says, of tags that still name what they did when it was made. `tell_gone`
/// is called once for each, after it went; `tell` also has what else there is to say. A repository
/// where that fails does not keep the others; the first failure is thrown in the end.
void perform_retention(Yard& yard, store::Store& store, const std::vector<RepositoryFate>& plan,
                       const std::function<void(const std::string&)>& tell,
                       const TellGone& tell_gone, const std::stop_token& stop);
void perform_retention(Yard& yard, store::Store& store, const std::vector<RepositoryFate>& plan,
                       const std::function<void(const std::string&)>& tell,
                       const std::stop_token& stop);
boost::json::array to_json(const std::vector<RepositoryFate>& plan);

}  // namespace lighterman::pipeline
