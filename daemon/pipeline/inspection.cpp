#include "pipeline/inspection.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "os/file.hpp"
#include "scan/origin.hpp"
#include "scan/verdict.hpp"

namespace lighterman::pipeline {
namespace {

/// More findings than this no policy reads; the worst come first.
constexpr std::size_t most_facts = 2000;
constexpr std::size_t most_reasons = 10;
/// A report larger than this is scanned again rather than kept.
constexpr std::size_t largest_kept = 4 << 20;

scan::TrivyOptions trivy_options(const config::Config& config) {
  scan::TrivyOptions options = config.scan->trivy;
  options.cache_folder = config.scan->cache.empty() ? config.data / "trivy" : config.scan->cache;
  if (!config.scan->server_token_place.empty())
    options.server_token = os::read_secret(config.scan->server_token_place);
  return options;
}

}  // namespace

Scanner::Scanner(const config::Config& config, store::Store& store)
    : store_(store), trivy_(trivy_options(config)) {}

Findings Scanner::scan(const scan::Image& image, const Digest& subject,
                       const std::stop_token& stop) {
  trivy_.refresh_database(stop);
  const std::optional<std::string> key = trivy_.key(subject);
  if (key) {
    if (const auto kept = store_.find_fact("scan", *key))
      return findings_from(parse_json(*kept, "the kept findings"));
  }
  Findings findings = trivy_.scan(image, stop);
  if (key) {
    const std::string text = boost::json::serialize(to_json(findings));
    if (text.size() <= largest_kept) store_.put_fact("scan", *key, text);
  }
  return findings;
}

std::string Scanner::make_sbom(const scan::Image& image, scan::SbomFormat format,
                               const std::stop_token& stop) {
  return trivy_.make_sbom(image, format, stop);
}

Findings Scanner::scan_sbom(const std::string& sbom, const Digest& subject,
                            const std::stop_token& stop) {
  trivy_.refresh_database(stop);
  return trivy_.scan_sbom(sbom, subject, stop);
}

std::vector<scan::LayerOrigin> layer_origins(const StagedImage& image,
                                             const engine::Dockerfile& dockerfile,
                                             const std::map<std::string, std::string>& args) {
  std::vector<scan::LayerOrigin> layers = scan::layers_of(image, "", 0);
  std::size_t first_own = layers.size();
  std::string stage;
  for (std::size_t at = 0; at < layers.size(); ++at) {
    const engine::Dockerfile::Place place = dockerfile.place_of_history(layers[at].instruction);
    layers[at].line = place.line;
    if (place.line == 0 || at > first_own) continue;
    first_own = at;
    stage = place.stage;
  }
  // What lies below the Dockerfile's first layer came with the base of that layer's stage.
  const auto bases = dockerfile.bases(args);
  const auto base = std::ranges::find(bases, stage, &engine::Dockerfile::Base::stage);
  if (base != bases.end() && first_own < layers.size()) {
    for (std::size_t at = 0; at < first_own; ++at) layers[at].base = base->image;
  }
  return layers;
}

void explain(Findings& findings, const StagedImage& image, const engine::Dockerfile& dockerfile,
             const std::map<std::string, std::string>& args) {
  scan::tie(findings, layer_origins(image, dockerfile, args));
}

std::vector<scan::Waiver> waivers_for(
    const config::Scan& options, const scan::VexSubject& subject,
    const std::function<std::optional<std::string>(const std::string& path)>& find) {
  std::vector<scan::VexDocument> documents;
  for (const std::string& file : options.vex) {
    if (file.starts_with('/')) {
      documents.push_back(scan::read_vex(file));
    } else if (const auto text = find(file)) {
      documents.push_back(scan::parse_vex(*text, file));
    }
  }
  std::vector<scan::Waiver> waivers = options.waivers;
  for (scan::Waiver& waiver : scan::waivers_from_openvex(documents, subject))
    waivers.push_back(std::move(waiver));
  return waivers;
}

void waive(Findings& findings, const std::vector<scan::Waiver>& waivers, Instant now) {
  const scan::WaiverUse use = scan::apply(waivers, findings, now);
  for (const std::string& expired : use.expired) findings.warnings.push_back(expired);
}

std::vector<std::string> reasons_against(const Findings& findings, const config::Scan& options) {
  std::vector<std::string> reasons =
      scan::reasons_to_block(findings, {options.block, options.ignore_unfixed});
  if (reasons.size() > most_reasons) {
    const std::size_t more = reasons.size() - most_reasons;
    reasons.resize(most_reasons);
    reasons.push_back(concat("and ", more, " more"));
  }
  return reasons;
}

boost::json::object findings_facts(const Findings& findings) {
  std::vector<const Finding*> worst_first;
  for (const Finding& finding : findings.list) worst_first.push_back(&finding);
  std::ranges::stable_sort(
      worst_first, [](const Finding* a, const Finding* b) { return a->severity > b->severity; });
  if (worst_first.size() > most_facts) worst_first.resize(most_facts);
  boost::json::array list;
  for (const Finding* finding : worst_first) {
    boost::json::object facts{{"id", finding->id},
                              {"package", finding->package},
                              {"installed", finding->installed},
                              {"severity", render(finding->severity)},
                              {"status", render(finding->status)},
                              {"title", finding->title}};
    if (!finding->fixed.empty()) facts["fixed"] = finding->fixed;
    if (finding->layer) facts["layer"] = finding->layer->text();
    if (finding->origin && !finding->origin->instruction.empty())
      facts["instruction"] = finding->origin->instruction;
    if (finding->origin && !finding->origin->base.empty()) facts["base"] = finding->origin->base;
    if (finding->waived) facts["waived"] = finding->waived->reason;
    list.push_back(std::move(facts));
  }
  boost::json::object counts;
  const Findings::Counts counted = findings.counts();
  for (const Severity severity :
       {Severity::critical, Severity::high, Severity::medium, Severity::low, Severity::unknown})
    counts[render(severity)] = counted.of(severity);
  boost::json::object facts{
      {"scanner", findings.scanner}, {"counts", std::move(counts)}, {"list", std::move(list)}};
  if (findings.database_time) facts["database_updated"] = render_time(*findings.database_time);
  return facts;
}

}  // namespace lighterman::pipeline
