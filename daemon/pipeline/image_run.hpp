#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "pipeline/bases.hpp"
#include "pipeline/build_steps.hpp"
#include "pipeline/endorsement.hpp"
#include "pipeline/publisher.hpp"
#include "pipeline/runner.hpp"
#include "pipeline/stage.hpp"
#include "policy/decision.hpp"
#include "source/context.hpp"

namespace lighterman::pipeline {

/// What one platform gives to the index of all of them.
struct PlatformPart {
  StagedImage image;
  std::uint64_t manifest_size = 0;
  policy::Decision verdict;
  std::vector<Base> bases;
  boost::json::object facts;
  std::optional<Findings> findings;
  std::vector<PublishedImage> published;  ///< by digest, under no tag
};

/// How an image's way ended when nothing failed.
struct ImageEnd {
  std::string denied = {};                ///< why policy kept it back; empty: it is published
  std::string problems = {};              ///< hooks that failed after it was published
  std::optional<PlatformPart> part = {};  ///< of a platform that was not kept back
};

/// One image of a run on its way: engine, staging, gate, publish. One thread.
class ImageRun {
 public:
  /// A part is published by digest and left to the index that names it.
  enum class Kind { image, part };
  ImageRun(const RunnerOptions& options, Yard& yard, staging::Staging& staging, store::Store& store,
           Journal& journal, const Run& run, const BuildPlan& plan, const boost::json::object& push,
           Kind kind = Kind::image);

  ImageEnd perform(const std::stop_token& stop);

 private:
  ImageEnd perform_one(const std::stop_token& stop);
  /// Each platform as a part, several at once, and an index over them.
  ImageEnd perform_platforms(const std::stop_token& stop);
  std::vector<ImageEnd> perform_parts(const std::stop_token& stop);
  std::vector<PublishedImage> publish_index(const StagedImage& index, const std::string& bytes,
                                            const std::vector<PlatformPart>& parts,
                                            const std::stop_token& stop);
  void require_platform(const std::string& config) const;
  StagedImage stage(staging::Session& session, const std::stop_token& stop);
  StagedImage stage_from(engine::Engine& engine, staging::Session& session, const net::Retry& retry,
                         const std::stop_token& stop);
  std::optional<StagedImage> find_staged(staging::Session& session, const std::stop_token& stop);
  /// An earlier build that this one would repeat.
  std::optional<StagedImage> take_again(staging::Session& session, const std::stop_token& stop);
  void remember_build(const std::string& manifest, const std::stop_token& stop);
  boost::json::value build(engine::Engine& engine, const std::string& name, const std::string& tag,
                           const std::stop_token& stop);
  boost::json::value bring_in(engine::Engine& engine, staging::Session& session,
                              const std::string& image_id, const std::stop_token& stop);
  std::int64_t source_date_epoch() const;
  StagedImage redate(engine::Engine& engine, staging::Session& session, const StagedImage& image,
                     const std::string& image_id, const std::stop_token& stop);
  bool push_in(engine::Engine& engine, staging::Session& session, const std::stop_token& stop);
  boost::json::object facts_of(const StagedImage& image, const std::string& config,
                               const std::vector<Base>& bases);
  /// What the build began with, as far as somebody asks.
  std::vector<Base> bases_of(const std::string& config, policy::Decision& verdict,
                             const std::stop_token& stop);
  static std::string config_of(const StagedImage& image, const staging::Session& session,
                               const std::stop_token& stop);
  source::Context context() const {
    return {yard_.mirror(plan_.source), plan_.commit, plan_.context, plan_.dockerfile};
  }
  std::string dockerfile_text() const { return context().dockerfile_text(); }
  /// Puts the image, under no tag, where Harbor can look at it; empty: none of its targets is one.
  using BringToHarbor = std::function<std::optional<Reference>()>;
  /// Empty: no scanner is set up, or it failed and may.
  std::optional<Findings> inspect(const StagedImage& image, staging::Session& session,
                                  const BringToHarbor& to_harbor, policy::Decision& verdict,
                                  const std::stop_token& stop);
  Findings scan(const StagedImage& image, staging::Session& session, const BringToHarbor& to_harbor,
                const std::stop_token& stop);
  scan::Image staged_for_scan(const StagedImage& image, staging::Session& session) const;
  using MakeSbom = std::function<std::string(scan::SbomFormat)>;
  policy::Decision judge(const StagedImage& image, const boost::json::object& facts,
                         policy::Decision scanned, const std::stop_token& stop);
  std::vector<Endorsement> endorsements_for(const policy::Decision& verdict,
                                            const std::vector<Base>& bases, const MakeSbom& sbom);
  /// To every destination; the first failure leaves when all were tried.
  std::vector<PublishedImage> publish_all(
      const std::vector<Destination>& destinations,
      const std::function<PublishedImage(const Destination&)>& publish_one);
  /// `bring` puts it there by digest; signatures and tags follow.
  PublishedImage publish(const Destination& destination, const StagedImage& image,
                         const std::string& manifest, const std::vector<Endorsement>& endorsements,
                         const std::stop_token& stop, const std::function<PublishedImage()>& bring);
  void endorse(const Destination& destination, const StagedImage& image,
               const std::string& manifest, const std::vector<Endorsement>& endorsements,
               const std::stop_token& stop);
  void close_actions();
  std::string kept_sbom(const StagedImage& image, staging::Session& session,
                        const std::stop_token& stop);
  /// As somebody asks for it, from the shelf where it is.
  std::string make_sbom(scan::SbomFormat format, const StagedImage& image,
                        staging::Session& session, const std::stop_token& stop);
  void try_keep_sbom(const StagedImage& image, staging::Session& session,
                     const std::stop_token& stop);
  void keep_for_rescan(const StagedImage& image, const std::vector<PublishedImage>& published,
                       const boost::json::object& facts, const Findings& findings);
  void send_on(const std::vector<PublishedImage>& published, const boost::json::object& facts,
               const std::stop_token& stop);
  void clear_old_tags(const config::RetainRule& rule, const std::stop_token& stop);
  std::string tell_published(const boost::json::object& facts, const std::stop_token& stop);
  void put_last(const std::string& image, const boost::json::object& facts);
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
  const Kind kind_;
  BuildCause cause_;  ///< known when it was looked for an earlier build
};

}  // namespace lighterman::pipeline
