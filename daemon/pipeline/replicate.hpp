#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "core/image.hpp"
#include "core/replication.hpp"
#include "pipeline/yard.hpp"
#include "policy/decision.hpp"

namespace lighterman::pipeline {

/// One that is due now, under terms that ask nothing.
Replication replication(const std::string& rule, Reference source, Reference target,
                        std::vector<std::string> tags);

/// The repository that a rule carries this one to.
Reference target_of(const config::ReplicateRule& rule, const Reference& repository);

/// What the `immediate` rules carry of an image that was just published. `labels` are the image's.
std::vector<Replication> replications_after(const config::Config& config, RunId run,
                                            const std::vector<PublishedImage>& published,
                                            const std::map<std::string, std::string>& labels);
/// What a plugin's replicate{} or promote{} wants carried; `image` is the one it was asked about.
/// Throws Error(invalid).
std::vector<Replication> replications_for(const policy::Action& action, RunId run,
                                          const PublishedImage& image);

/// The rule that a plugin's retain{} makes of itself, for the image it was asked about.
config::RetainRule retain_rule_for(const policy::Action& action, const PublishedImage& image);

/// The repositories that a rule is about: those named, or of the catalogs of the registries that
/// its patterns begin with; without `from`, what this daemon publishes.
std::vector<Reference> repositories_of(Yard& yard, const config::ReplicateRule& rule,
                                       const std::stop_token& stop);

/// A comparison of what a rule says should be at its target with what is there.
struct ReplicatePlan {
  std::vector<Replication> missing;                    ///< one for each image
  std::vector<std::pair<Reference, Digest>> vanished;  ///< tags to delete over there
  std::vector<std::string> failures;                   ///< repositories that could not be asked
  std::size_t same = 0;                                ///< tags that are there already
  std::size_t left_out = 0;                            ///< tags that the rule does not want
};
/// Asks both registries about all tags that the rule is for. What waits or travels already counts
/// as missing.
ReplicatePlan plan_replication(Yard& yard, const config::ReplicateRule& rule,
                               const std::stop_token& stop);
boost::json::object to_json(const ReplicatePlan& plan);

}  // namespace lighterman::pipeline
