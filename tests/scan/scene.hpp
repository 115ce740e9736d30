#pragma once

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "core/manifest.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "os/tar.hpp"
#include "scan/trivy.hpp"
#include "support/failure.hpp"
#include "support/trivy_db.hpp"

namespace lighterman::test {

/// The real Trivy; put there by scripts/peers when it is missing.
inline std::string real_trivy() {
  const std::string program = LIGHTERMAN_TREE "/build/peers/bin/trivy";
  if (os::find_program(program).empty())
    os::perform({.name = LIGHTERMAN_TREE "/scripts/peers", .timeout = std::chrono::minutes(10)});
  return program;
}

/// A small Debian 12 image in an OCI layout: openssl in the lower layer, zlib in the upper.
class DebianImage {
 public:
  DebianImage() {
    const std::string ssl =
        "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\n"
        "Version: 3.0.9-1\nMaintainer: x <x@y.z>\n\n";
    const std::string zlib =
        "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib\n"
        "Version: 1:1.2.13.dfsg-1\nMaintainer: x <x@y.z>\n\n";
    add_layer({{"etc/debian_version", "12.1\n"},
               {"etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"},
               {"var/lib/dpkg/status.d/libssl3", ssl}});
    add_layer({{"var/lib/dpkg/status.d/zlib1g", zlib}});
    const std::string config = boost::json::serialize(boost::json::object{
        {"architecture", "amd64"},
        {"os", "linux"},
        {"config", boost::json::object()},
        {"rootfs",
         boost::json::object{{"type", "layers"},
                             {"diff_ids", {layers_[0].digest.text(), layers_[1].digest.text()}}}}});
    const Manifest manifest = Manifest::compose(
        {std::string(media::oci_config), add_blob(config), config.size()}, layers_);
    digest_.emplace(add_blob(manifest.bytes()));
    os::replace_file(folder() / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    os::replace_file(folder() / "index.json",
                     boost::json::serialize(boost::json::object{
                         {"schemaVersion", 2},
                         {"manifests", boost::json::array{boost::json::object{
                                           {"mediaType", media::oci_manifest},
                                           {"digest", digest_->text()},
                                           {"size", manifest.bytes().size()}}}}}));
  }

  std::filesystem::path folder() const { return scratch_.path(); }
  const Digest& digest() const { return *digest_; }
  scan::LayoutImage image() const { return {folder(), digest()}; }
  DiffId lower() const { return DiffId(layers_[0].digest); }
  DiffId upper() const { return DiffId(layers_[1].digest); }

 private:
  Digest add_blob(const std::string& bytes) {
    const Digest digest = os::sha256(bytes);
    std::filesystem::create_directories(folder() / "blobs" / "sha256");
    os::replace_file(folder() / "blobs" / "sha256" / std::string(digest.hex()), bytes);
    return digest;
  }
  void add_layer(const std::vector<std::pair<std::string, std::string>>& files) {
    std::string tar;
    os::TarWriter writer([&tar](std::string_view bytes) { tar += bytes; });
    for (const auto& [path, content] : files)
      writer.add({.path = path, .size = content.size()}, content);
    writer.finish();
    layers_.push_back({"application/vnd.oci.image.layer.v1.tar", add_blob(tar), tar.size()});
  }

  os::ScratchFolder scratch_;
  std::vector<Descriptor> layers_;
  std::optional<Digest> digest_;
};

}  // namespace lighterman::test
