#include "staging/import.hpp"

#include <boost/json.hpp>
#include <map>
#include <optional>
#include <vector>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/tar.hpp"
#include "staging/pipe.hpp"
#include "store/store.hpp"

namespace lighterman::staging {
namespace {

namespace json = boost::json;
constexpr std::string_view layer_paths =
    "exported-layer";  ///< facts: path in the export -> diff ID

/// One export on its way in. One thread.
class Import {
 public:
  Import(Wing& wing, const ImportOptions& options, const std::stop_token& stop)
      : wing_(wing), options_(options), stop_(stop), scratch_(options.scratch) {}

  Digest run(Pull in) {
    os::TarReader tar(std::move(in));
    for (os::TarEntry entry; tar.next(entry);) take(entry, tar);
    return compose();
  }

 private:
  void take(const os::TarEntry& entry, os::TarReader& tar) {
    const bool in_layout = entry.path.starts_with("blobs/");
    if (entry.type == os::TarEntry::Type::symlink) {
      const auto folder = std::filesystem::path(entry.path).parent_path();
      links_[entry.path] = (folder / entry.link).lexically_normal().string();
    } else if (entry.type != os::TarEntry::Type::file) {
      return;
    } else if ((in_layout || entry.path.find('/') == std::string::npos) &&
               entry.size <= config_limit) {
      spool(entry, tar);
    } else if (in_layout || entry.path.ends_with("/layer.tar")) {
      const auto known = find_known(entry.path);
      layers_.insert_or_assign(
          entry.path, known ? *known : compress(entry.path, [&](char* to, std::size_t room) {
            return tar.read(to, room);
          }));
    }
  }

  std::filesystem::path spooled(const std::string& path) const {
    return scratch_.path() / os::sha256(path).hex();
  }

  void spool(const os::TarEntry& entry, os::TarReader& tar) {
    os::File file = os::File::create(spooled(entry.path));
    std::string part(64 << 10, '\0');
    std::uint64_t at = 0;
    while (true) {
      const std::size_t got = tar.read(part.data(), part.size());
      if (got == 0) return;
      file.write_at(at, std::string_view(part).substr(0, got));
      at += got;
    }
  }

  /// A layer whose bytes need not be looked at: its path names its content.
  std::optional<store::KnownLayer> find_known(const std::string& path) {
    const auto diff_id = wing_.store().find_fact(std::string(layer_paths), path);
    if (!diff_id) return {};
    return find_layer(wing_, options_, DiffId::parse(*diff_id), stop_);
  }

  store::KnownLayer compress(const std::string& path, const Pull& raw) {
    store::KnownLayer layer = take_layer(wing_, options_, os::decompressed(raw), stop_);
    wing_.store().put_fact(std::string(layer_paths), path, layer.diff_id.text());
    return layer;
  }

  std::string read_spooled(const std::string& path) {
    if (!std::filesystem::exists(spooled(path)))
      throw Error(ErrorKind::invalid, concat("the engine's export has no \"", path, "\""));
    return os::read_file(spooled(path), config_limit);
  }

  store::KnownLayer layer_at(std::string path) {
    if (const auto link = links_.find(path); link != links_.end()) path = link->second;
    if (const auto found = layers_.find(path); found != layers_.end()) return found->second;
    if (!std::filesystem::exists(spooled(path)))
      throw Error(ErrorKind::invalid, concat("the engine's export has no layer \"", path, "\""));
    if (auto known = find_known(path)) return *known;
    return compress(path, os::reader(spooled(path)));
  }

  Digest compose() {
    const json::value list =
        parse_json(read_spooled("manifest.json"), "the export's manifest.json");
    if (!list.is_array() || list.as_array().size() != 1)
      throw Error(ErrorKind::invalid, "the engine's export does not hold exactly one image");
    const Fields image(list.as_array().front(), "the export's manifest.json");
    const std::string config_bytes = read_spooled(image.text("Config"));
    const ImageConfig config = ImageConfig::parse(config_bytes);
    const std::vector<std::string> paths = image.texts("Layers");
    if (paths.size() != config.diff_ids.size())
      throw Error(ErrorKind::invalid,
                  "the engine's export has more or fewer layers than its config");
    std::vector<Descriptor> layers;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const store::KnownLayer layer = layer_at(paths[i]);
      if (layer.diff_id != config.diff_ids[i]) {
        throw Error(ErrorKind::invalid,
                    concat("layer ", i + 1, " of the engine's export is ", layer.diff_id.text(),
                           ", its config says ", config.diff_ids[i].text()));
      }
      layers.push_back(layer.blob);
    }
    const Digest config_digest = wing_.layout().keep(config_bytes);
    wing_.received(config_digest, config_bytes.size());
    return wing_.put_manifest(
        wing_.tag(),
        Manifest::compose({std::string(media::oci_config), config_digest, config_bytes.size()},
                          layers),
        stop_);
  }

  Wing& wing_;
  const ImportOptions& options_;
  const std::stop_token stop_;
  os::ScratchFolder scratch_;
  std::map<std::string, std::string> links_;
  std::map<std::string, store::KnownLayer> layers_;
};

}  // namespace

Digest import_image(Wing& wing, const ImportOptions& options,
                    const std::function<void(const Push&)>& exporter, const std::stop_token& stop) {
  Import import(wing, options, stop);
  return through_pipe<Digest>(exporter, [&](Pull in) { return import.run(std::move(in)); });
}

}  // namespace lighterman::staging
