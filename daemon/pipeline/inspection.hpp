#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
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
                                             const engine::Dockerfile& dockerfile);

/// Says of each finding which Dockerfile step brought it, and who waived it.
void explain(Findings& findings, const StagedImage& image, const engine::Dockerfile& dockerfile,
             const config::Scan& options, Instant now);

/// Why the findings keep the image from being published, a few of them in words; empty: they do
/// not.
std::vector<std::string> reasons_against(const Findings& findings, const config::Scan& options);

/// `findings` as hooks get them (plugins/README.md, "Facts").
boost::json::object findings_facts(const Findings& findings);

}  // namespace lighterman::pipeline
