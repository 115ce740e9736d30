#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <stop_token>
#include <string>

#include "pipeline/bases.hpp"
#include "pipeline/endorsement.hpp"
#include "pipeline/publisher.hpp"
#include "pipeline/runner.hpp"
#include "pipeline/stage.hpp"
#include "policy/decision.hpp"

namespace lighterman::pipeline {

/// How an image's way ended when nothing failed.
struct ImageEnd {
  std::string denied;    ///< why policy kept it back; empty: it is published
  std::string problems;  ///< hooks that failed after it was published
};

/// One image of a run on its way: engine, staging, gate, publish. One thread.
class ImageRun {
 public:
  ImageRun(const RunnerOptions& options, Yard& yard, staging::Staging& staging, store::Store& store,
           Journal& journal, const Run& run, const BuildPlan& plan,
           const boost::json::object& push);

  ImageEnd perform(const std::stop_token& stop);

 private:
  StagedImage stage(staging::Session& session, const std::stop_token& stop);
  std::optional<StagedImage> find_staged(staging::Session& session, const std::stop_token& stop);
  boost::json::value build(engine::Engine& engine, const std::string& name, const std::string& tag,
                           const std::stop_token& stop);
  boost::json::value bring_in(engine::Engine& engine, staging::Session& session,
                              const std::string& image_id, const std::stop_token& stop);
  bool push_in(engine::Engine& engine, staging::Session& session, const std::stop_token& stop);
  boost::json::object facts_of(const StagedImage& image, const std::string& config,
                               const std::vector<Base>& bases);
  /// What the build began with, as far as somebody asks.
  std::vector<Base> bases_of(const std::string& config, policy::Decision& verdict,
                             const std::stop_token& stop);
  static std::string config_of(const StagedImage& image, const staging::Session& session,
                               const std::stop_token& stop);
  std::string dockerfile_text();
  /// Empty: no scanner is set up, or it failed and may.
  std::optional<Findings> inspect(const StagedImage& image, staging::Session& session,
                                  policy::Decision& verdict, const std::stop_token& stop);
  scan::Image staged_for_scan(const StagedImage& image, staging::Session& session) const;
  policy::Decision judge(const StagedImage& image, const boost::json::object& facts,
                         policy::Decision scanned, const std::stop_token& stop);
  std::vector<Endorsement> endorsements_for(const policy::Decision& verdict,
                                            const StagedImage& image,
                                            const std::vector<Base>& bases,
                                            staging::Session& session, const std::stop_token& stop);
  /// To every destination; the first failure leaves when all were tried.
  std::vector<PublishedImage> publish_all(Publisher& publisher, const StagedImage& image,
                                          const std::string& manifest,
                                          const std::vector<Endorsement>& endorsements,
                                          const std::stop_token& stop);
  PublishedImage publish(const Destination& destination, Publisher& publisher,
                         const StagedImage& image, const std::string& manifest,
                         const std::vector<Endorsement>& endorsements, const std::stop_token& stop);
  void endorse(const Destination& destination, const StagedImage& image,
               const std::string& manifest, const std::vector<Endorsement>& endorsements,
               const std::stop_token& stop);
  void close_actions();
  std::string kept_sbom(const StagedImage& image, staging::Session& session,
                        const std::stop_token& stop);
  void keep_for_rescan(const StagedImage& image, staging::Session& session,
                       const std::vector<PublishedImage>& published,
                       const boost::json::object& facts, const Findings& findings,
                       const std::stop_token& stop);
  void send_on(const std::vector<PublishedImage>& published, const boost::json::object& facts,
               const std::stop_token& stop);
  void clear_old_tags(const config::RetainRule& rule, const std::stop_token& stop);
  std::string tell_published(const boost::json::object& facts, const std::stop_token& stop);
  void tidy(const staging::Session& session);
  StageLog log(std::string stage) const { return {journal_, plan_.image, std::move(stage)}; }
  StageRecord record(std::string stage) const {
    return {store_, run_.id, plan_.image, std::move(stage)};
  }

  const RunnerOptions& options_;
  Yard& yard_;
  staging::Staging& staging_;
  store::Store& store_;
  Journal& journal_;
  const Run& run_;
  BuildPlan plan_;
  const boost::json::object& push_;
};

}  // namespace lighterman::pipeline
