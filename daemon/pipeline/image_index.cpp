// An image for several platforms: a part for each, and the index that its tags point to.
#include "pipeline/image_index.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <exception>
#include <thread>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "pipeline/decide.hpp"
#include "pipeline/facts.hpp"
#include "pipeline/image_run.hpp"
#include "pipeline/rescan.hpp"

namespace lighterman::pipeline {
namespace {

/// What the policy wants said of the index as well: an SBOM is of one platform.
policy::Decision said_of_all(const std::vector<PlatformPart>& parts) {
  policy::Decision verdict = parts.front().verdict;
  for (const PlatformPart& part : parts) {
    for (const policy::Action& action : part.verdict.actions) {
      const bool known = std::ranges::any_of(verdict.actions, [&](const policy::Action& each) {
        return each.kind == action.kind && each.plugin == action.plugin && each.body == action.body;
      });
      if (!known) verdict.actions.push_back(action);
    }
  }
  std::erase_if(verdict.actions, [](const policy::Action& action) {
    const auto* body = action.body.if_object();
    const auto* kind = body != nullptr ? body->if_contains("kind") : nullptr;
    return action.kind == "attach" && kind != nullptr && *kind == "sbom";
  });
  return verdict;
}

/// All that was found in any of the parts, each once.
std::optional<Findings> united_findings(const std::vector<PlatformPart>& parts) {
  std::optional<Findings> united;
  for (const PlatformPart& part : parts) {
    if (!part.findings) return {};
    if (!united) {
      united = part.findings;
      continue;
    }
    unite(*united, *part.findings);
  }
  return united;
}

}  // namespace

std::string part_name(const BuildPlan& plan, std::size_t at) {
  return concat(plan.image, '@', plan.platforms.at(at));
}

bool is_part_of(const std::string& image, const BuildPlan& plan) {
  for (std::size_t at = 0; at < plan.platforms.size(); ++at) {
    if (image == part_name(plan, at)) return true;
  }
  return false;
}

Index compose_index(const std::vector<IndexEntry>& entries) {
  const bool docker = std::ranges::all_of(entries, [](const IndexEntry& entry) {
    return entry.manifest.media_type == media::docker_manifest;
  });
  boost::json::array manifests;
  for (const IndexEntry& entry : entries) {
    const std::vector<std::string> parts = split(entry.platform, '/');
    boost::json::object platform{{"architecture", parts.at(1)}, {"os", parts.at(0)}};
    if (parts.size() > 2) platform["variant"] = parts[2];
    manifests.push_back({{"mediaType", entry.manifest.media_type},
                         {"digest", entry.manifest.digest.text()},
                         {"size", entry.manifest.size},
                         {"platform", std::move(platform)}});
  }
  const std::string media_type(docker ? media::docker_index : media::oci_index);
  const boost::json::object index{
      {"schemaVersion", 2}, {"mediaType", media_type}, {"manifests", std::move(manifests)}};
  return {media_type, boost::json::serialize(index)};
}

void ImageRun::require_platform(const std::string& config) const {
  if (plan_.platform.empty()) return;
  const ImageConfig is = ImageConfig::parse(config);
  const std::vector<std::string> wanted = split(plan_.platform, '/');
  if (is.os == wanted.at(0) && is.architecture == wanted.at(1)) return;
  // Some engines take a base of another platform without a word.
  throw Error(ErrorKind::invalid,
              concat("the image was built for ", is.os, '/', is.architecture, " and not for ",
                     plan_.platform, ": is there a base in FROM that has no such platform?"));
}

std::vector<ImageEnd> ImageRun::perform_parts(const std::stop_token& stop) {
  std::vector<BuildPlan> plans(plan_.platforms.size(), plan_);
  std::vector<ImageEnd> ends(plans.size());
  std::vector<std::exception_ptr> failures(plans.size());
  std::vector<std::jthread> threads;
  for (std::size_t at = 0; at < plans.size(); ++at) {
    plans[at].image = part_name(plan_, at);
    set_platforms(plans[at], {plan_.platforms[at]});
    plans[at].cache_to = cache_apart(plan_.cache_to, plan_.platforms[at]);
    threads.emplace_back([&, at] {
      try {
        ends[at] = ImageRun(options_, yard_, staging_, store_, journal_, run_, plans[at], push_,
                            Kind::part)
                       .perform(stop);
      } catch (const std::exception& error) {
        // The others go on: what they build is there for the next attempt.
        journal_.add(plans[at].image, "", "error", error.what());
        failures[at] = std::current_exception();
      }
    });
  }
  threads.clear();
  for (std::size_t at = 0; at < plans.size(); ++at) {
    if (!failures[at]) continue;
    during(plan_.platforms[at], [&] { std::rethrow_exception(failures[at]); });
  }
  return ends;
}

ImageEnd ImageRun::perform_platforms(const std::stop_token& stop) {
  std::vector<ImageEnd> ends = perform_parts(stop);
  std::vector<std::string> denials;
  std::vector<PlatformPart> parts;
  std::vector<IndexEntry> entries;
  for (std::size_t at = 0; at < ends.size(); ++at) {
    if (!ends[at].part) {
      denials.push_back(concat(plan_.platforms[at], ": ", ends[at].denied));
      continue;
    }
    PlatformPart& part = parts.emplace_back(std::move(*ends[at].part));
    entries.push_back(
        {{part.image.media_type, part.image.manifest, part.manifest_size}, plan_.platforms[at]});
    unite(plan_.tags, part.verdict.tags);
  }
  if (!denials.empty()) {
    const std::string denied = join(denials, "; ");
    // As the gate of a single image tells it.
    record("gate").perform([&] { return boost::json::value{{"denied", denied}}; });
    return {.denied = denied};
  }

  const Index index = compose_index(entries);
  StagedImage whole(os::sha256(index.bytes), parts.front().image.config);
  whole.media_type = index.media_type;
  const std::vector<PublishedImage> published = publish_index(whole, index.bytes, parts, stop);

  boost::json::object facts = parts.front().facts;
  facts["name"] = plan_.image;
  facts["digest"] = whole.manifest.text();
  facts["media_type"] = whole.media_type;
  boost::json::array platforms;
  for (std::size_t at = 0; at < parts.size(); ++at) {
    platforms.push_back({{"platform", plan_.platforms[at]},
                         {"digest", parts[at].image.manifest.text()},
                         {"size", parts[at].facts.at("size")}});
  }
  facts["platforms"] = std::move(platforms);
  facts = published_facts(std::move(facts), published);
  if (const auto findings = united_findings(parts)) {
    keep_for_rescan(whole, published, facts, *findings);
    const SbomShelf shelf(yard_.config().data / "sboms");
    for (std::size_t at = 0; at < parts.size(); ++at) {
      if (const auto sbom = shelf.find(parts[at].image.manifest))
        shelf.put(whole.manifest, *sbom, at);
    }
  }
  ImageEnd end;
  end.problems = tell_published(facts, stop);
  send_on(published, facts, stop);
  put_last(plan_.image, facts);
  for (std::size_t at = 0; at < parts.size(); ++at) put_last(part_name(plan_, at), parts[at].facts);
  return end;
}

std::vector<PublishedImage> ImageRun::publish_index(const StagedImage& index,
                                                    const std::string& bytes,
                                                    const std::vector<PlatformPart>& parts,
                                                    const std::stop_token& stop) {
  const std::vector<Endorsement> endorsed =
      endorsements_for(said_of_all(parts), parts.front().bases, [](scan::SbomFormat) {
        return std::string();  // there is none of an index
      });
  std::vector<Destination> destinations;
  for (const Reference& target : plan_.targets) {
    destinations.push_back({&yard_.registry(target.host()), target});
  }
  return publish_all(destinations, [&](const Destination& destination) {
    PublishedImage published{destination.repository.at(index.manifest), {}, {}};
    for (const PlatformPart& part : parts) {
      for (const PublishedImage& each : part.published) {
        if (each.reference.name() != destination.repository.name()) continue;
        published.layers.insert(published.layers.end(), each.layers.begin(), each.layers.end());
      }
    }
    return publish(destination, index, bytes, endorsed, stop, [&] {
      destination.client->put_manifest(published.reference, index.media_type, bytes, stop);
      return published;
    });
  });
}

}  // namespace lighterman::pipeline
