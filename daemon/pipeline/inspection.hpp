#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "core/findings.hpp"
#include "core/image.hpp"
#include "engine/dockerfile.hpp"
#include "scan/origin.hpp"
#include "scan/trivy.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// The scanner that the configuration sets up. Findings of the same image with the same database
/// are asked of the store. Any thread.
class Scanner {
 public:
  Scanner(const config::Config& config, store::Store& store);

  Findings scan(const scan::Image& image, const Digest& subject, const std::stop_token& stop);
  std::string make_sbom(const scan::Image& image, scan::SbomFormat format,
                        const std::stop_token& stop);
  /// What is known today of an image, by its SBOM.
  Findings scan_sbom(const std::string& sbom, const Digest& subject, const std::stop_token& stop);

 private:
  store::Store& store_;
  scan::Trivy trivy_;
};

/// Which step or base brought which layer, lowest first.
std::vector<scan::LayerOrigin> layer_origins(const StagedImage& image,
                                             const engine::Dockerfile& dockerfile,
                                             const std::map<std::string, std::string>& args);

/// Says of each finding which Dockerfile step or base brought it.
void explain(Findings& findings, const StagedImage& image, const engine::Dockerfile& dockerfile,
             const std::map<std::string, std::string>& args);

/// The waivers of the configuration, and of the OpenVEX documents it names: `find` reads a file of
/// the repository, which may be missing there. Error(invalid or not_found) that names the document.
std::vector<scan::Waiver> waivers_for(
    const config::Scan& options, const scan::VexSubject& subject,
    const std::function<std::optional<std::string>(const std::string& path)>& find);
/// Marks what they waive; one that ended is a warning.
void waive(Findings& findings, const std::vector<scan::Waiver>& waivers, Instant now);

/// Why the findings keep the image from being published, a few of them in words; empty: they do
/// not.
std::vector<std::string> reasons_against(const Findings& findings, const config::Scan& options);

/// `findings` as hooks get them (plugins/README.md, "Facts").
boost::json::object findings_facts(const Findings& findings);

}  // namespace lighterman::pipeline
