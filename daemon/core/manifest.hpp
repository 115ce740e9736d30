#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/digest.hpp"

namespace lighterman {

namespace media {
inline constexpr std::string_view oci_manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view oci_index = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view oci_config = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view oci_layer_gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view oci_layer_zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view docker_manifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view docker_index =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view docker_config = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view docker_layer_gzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";
}  // namespace media

/// OCI image-spec, descriptor.md. `size` in bytes.
struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  bool operator==(const Descriptor&) const = default;
};

/// One image's manifest (OCI image-spec manifest.md, or Docker schema 2). The bytes are kept as
/// they were, because the digest is over them.
class Manifest {
 public:
  static Manifest parse(std::string bytes);  ///< throws Error(invalid); an index is refused
  /// An OCI manifest over these parts, in canonical field order.
  static Manifest compose(const Descriptor& config, const std::vector<Descriptor>& layers);

  const std::string& bytes() const noexcept { return bytes_; }
  const std::string& media_type() const noexcept { return media_type_; }
  const Descriptor& config() const noexcept { return config_; }
  const std::vector<Descriptor>& layers() const noexcept { return layers_; }

 private:
  explicit Manifest(Descriptor config) : config_(std::move(config)) {}
  std::string bytes_, media_type_;
  Descriptor config_;
  std::vector<Descriptor> layers_;
};

/// What an image's config blob says of its layers (OCI image-spec, config.md).
struct ImageConfig {
  struct Step {
    std::string created_by;  ///< the Dockerfile instruction, as the builder wrote it
    bool empty_layer = false;
  };
  std::string os, architecture;
  std::vector<DiffId> diff_ids;
  std::vector<Step> history;
  std::map<std::string, std::string> labels;

  static ImageConfig parse(std::string_view bytes);  ///< throws Error(invalid)
  /// The instruction that made layer `index`; empty where the history does not say.
  std::string instruction_of(std::size_t index) const;
};

}  // namespace lighterman
