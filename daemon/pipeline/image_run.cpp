#include "pipeline/image_run.hpp"

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/guarded.hpp"
#include "core/text.hpp"
#include "pipeline/decide.hpp"
#include "pipeline/facts.hpp"
#include "pipeline/hooks.hpp"
#include "pipeline/stage.hpp"
#include "pipeline/untagged.hpp"
#include "registry/product.hpp"

namespace lighterman::pipeline {
ImageRun::ImageRun(const RunnerOptions& options, Yard& yard, staging::Staging& staging,
                   store::Store& store, Journal& journal, const Run& run, const BuildPlan& plan,
                   const boost::json::object& push, Kind kind)
    : options_(options),
      yard_(yard),
      staging_(staging),
      store_(store),
      journal_(journal),
      run_(run),
      plan_(plan),
      push_(push),
      kind_(kind) {}

ImageEnd ImageRun::perform(const std::stop_token& stop) {
  return plan_.platforms.empty() ? perform_one(stop) : perform_platforms(stop);
}

ImageEnd ImageRun::perform_one(const std::stop_token& stop) {
  std::vector<Destination> destinations;
  std::vector<staging::Upstream> upstreams;
  for (const Reference& target : plan_.targets) {
    destinations.push_back({&yard_.registry(target.host()), target});
    upstreams.push_back({destinations.back().client, target});
  }
  // Order matters: the session's news must find no publisher once that is gone, and what the
  // publisher still carries comes out of the session.
  Guarded<Publisher*> door{nullptr};
  staging::Session session = staging_.open(plan_.source, plan_.image, run_.id, upstreams,
                                           [&](const Descriptor& blob, bool held) {
                                             // Its layers are yet to be made others.
                                             if (plan_.reproducible) return;
                                             door.with([&](Publisher* publisher) {
                                               if (publisher != nullptr)
                                                 publisher->offer(blob, held);
                                             });
                                           });
  Publisher publisher(
      destinations, [&](const Descriptor& blob) { return session.blob(blob, stop); },
      log("publish"));
  door.with([&](Publisher*& place) { place = &publisher; });
  struct Close {
    Guarded<Publisher*>& door;
    ~Close() {
      door.with([](Publisher*& place) { place = nullptr; });
    }
  } const close{door};

  try {
    const StagedImage image = stage(session, stop);
    const std::string config = steady(options_.retry, store_, run_.id, log("gate"), stop,
                                      [&] { return config_of(image, session, stop); });
    require_platform(config);
    policy::Decision scanned;
    const std::vector<Base> bases = bases_of(config, scanned, stop);
    boost::json::object facts = facts_of(image, config, bases);
    const std::string manifest = session.manifest_bytes(image.manifest);
    const auto to_harbor = [&]() -> std::optional<Reference> {
      for (const Destination& destination : destinations) {
        if (registry::find_product(destination.client->options(), store_, stop) !=
            registry::Product::harbor)
          continue;
        steady(options_.retry, store_, run_.id, log("scan"), stop,
               [&] { publisher.bring(image, manifest, destination, stop); });
        const Reference place = destination.repository.at(image.manifest);
        note_untagged(store_, place, run_.id);
        return place;
      }
      return {};
    };
    const std::optional<Findings> findings = inspect(image, session, to_harbor, scanned, stop);
    if (findings) facts["findings"] = findings_facts(*findings);
    const policy::Decision verdict = judge(image, facts, std::move(scanned), stop);
    if (const auto denied = why_denied(verdict)) {
      // The image stays in the engine under our name: who allows it wants this very image.
      if (!run_.allowed) {
        log("gate").error(concat("denied: ", *denied));
        return {.denied = *denied};
      }
      log("gate").warn(concat("denied: ", *denied, "; published all the same, as ",
                              run_.allowed->who, " allowed: ", run_.allowed->reason));
    }
    unite(plan_.tags, verdict.tags);
    const std::vector<Endorsement> endorsed = endorsements_for(
        verdict, bases,
        [&](scan::SbomFormat format) { return make_sbom(format, image, session, stop); });
    const std::vector<PublishedImage> published =
        publish_all(destinations, [&](const Destination& destination) {
          return publish(destination, image, manifest, endorsed, stop,
                         [&] { return publisher.bring(image, manifest, destination, stop); });
        });
    close_actions();
    remember_build(manifest, stop);
    if (findings && yard_.scanner() != nullptr) try_keep_sbom(image, session, stop);
    tidy(session);
    facts = published_facts(std::move(facts), published);
    ImageEnd end;
    if (kind_ == Kind::part) {
      end.part = PlatformPart{image,    manifest.size(), verdict, bases, std::move(facts),
                              findings, published};
    } else {
      if (findings) keep_for_rescan(image, published, facts, *findings);
      end.problems = tell_published(facts, stop);
      send_on(published, facts, stop);
      put_last(plan_.image, facts);
    }
    return end;
  } catch (const Error& error) {
    // A run that is handed back goes on later from the image in the engine; any other is over.
    if (error.kind() != ErrorKind::cancelled || store_.cancel_wanted(run_.id)) tidy(session);
    throw;
  }
}

/// What the next image is compared with.
void ImageRun::put_last(const std::string& image, const boost::json::object& facts) {
  store_.put_fact(concat("last:", plan_.source, '/', image), run_.event.ref,
                  boost::json::serialize(lasting_facts(facts, run_)));
}

}  // namespace lighterman::pipeline
