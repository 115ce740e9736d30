#include "staging/staging.hpp"

#include <thread>

#include "core/choices.hpp"
#include "core/error.hpp"
#include "core/guarded.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "staging/import.hpp"
#include "staging/redate.hpp"
#include "staging/server.hpp"
#include "staging/wing.hpp"
#include "store/store.hpp"

namespace lighterman::staging {
namespace {

using Wings = Guarded<std::map<std::string, std::weak_ptr<Wing>>>;

/// A part of a repository's name (distribution-spec, `<name>`); different texts stay different.
std::string path_part(const std::string& text) {
  std::string part;
  for (const char letter : lower(text)) {
    const bool plain = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
    if (plain)
      part += letter;
    else if (!part.empty() && part.back() != '-')
      part += '-';
  }
  while (part.ends_with('-')) part.pop_back();
  return part == text ? part
                      : concat(part.empty() ? "" : part + "-", os::sha256(text).hex().substr(0, 8));
}

os::Compression compression_of(const std::string& name) {
  if (name == "gzip") return os::Compression::gzip;
  if (name == "zstd") return os::Compression::zstd;
  throw Error(ErrorKind::invalid,
              concat("staging.compression: \"", name, "\" is not gzip or zstd"));
}

}  // namespace

struct Session::Inside {
  std::shared_ptr<Wing> wing;
  std::string address;
  ImportOptions import;
  Wings& wings;
  ~Inside() {
    wings.with([&](auto& open) { open.erase(wing->user()); });
  }
};

Session::Session(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Session::Session(Session&&) noexcept = default;
Session::~Session() = default;

std::string Session::name() const {
  return concat(inside_->address, '/', inside_->wing->repository());
}
std::string Session::tag() const { return inside_->wing->tag(); }

engine::Login Session::login() const {
  engine::Login login;
  login.username = inside_->wing->user();
  login.password = inside_->wing->password();
  return login;
}

StagedImage Session::get_pushed() const {
  Wing& wing = *inside_->wing;
  const auto digest = wing.find_manifest(wing.tag());
  if (!digest)
    throw Error(ErrorKind::not_found, concat("the engine has not pushed ", name(), ':', tag()));
  StagedImage image = describe(wing, *digest, {});
  for (const StagedLayer& layer : image.layers) {
    if (layer.diff_id && layer.held)
      wing.store().put_layer({*layer.diff_id, "engine", layer.blob, 0});
  }
  return image;
}

StagedImage Session::import(const std::function<void(const Push&)>& exporter,
                            const std::stop_token& stop) {
  Wing& wing = *inside_->wing;
  return describe(wing, import_image(wing, inside_->import, exporter, stop), stop);
}

StagedImage Session::adopt(const std::string& manifest, const std::stop_token& stop) {
  Wing& wing = *inside_->wing;
  return describe(wing, wing.put_manifest(wing.tag(), Manifest::parse(manifest), stop), stop);
}

StagedImage Session::redate(const StagedImage& image, const Dates& dates, std::size_t own,
                            const std::stop_token& stop) {
  Wing& wing = *inside_->wing;
  return describe(wing, staging::redate(wing, inside_->import, image, dates, own, stop), stop);
}

std::string Session::manifest_bytes(const Digest& manifest) const {
  return inside_->wing->manifest_bytes(manifest);
}

registry::BlobSource Session::blob(const Descriptor& descriptor,
                                   const std::stop_token& stop) const {
  return {descriptor, [wing = inside_->wing, digest = descriptor.digest,
                       stop](std::uint64_t offset) { return wing->open(digest, offset, stop); }};
}

bool Session::is_complete(const StagedImage& image, const std::stop_token& stop) const {
  Wing& wing = *inside_->wing;
  if (!wing.holds(image.manifest) || !wing.find(image.config.digest, stop)) return false;
  for (const StagedLayer& layer : image.layers) {
    if (!wing.find(layer.blob.digest, stop)) return false;
  }
  return true;
}

struct Staging::Inside {
  Inside(Options given, store::Store& store_given)
      : options(std::move(given)),
        compression(compression_of(options.compression)),
        store(store_given),
        layout(options.folder, options.size_limit),
        server(options, [this](const std::string& user, const std::string& password) {
          return find(user, password);
        }) {
    if (options.threads == 0) options.threads = std::max(1U, std::thread::hardware_concurrency());
    // Small files of exports that a dead daemon was reading.
    std::filesystem::remove_all(options.folder / "exports");
    std::filesystem::create_directories(options.folder / "exports");
  }

  std::shared_ptr<Wing> find(const std::string& user, const std::string& password) {
    const auto wing = wings.with([&](auto& open) -> std::shared_ptr<Wing> {
      const auto found = open.find(user);
      return found == open.end() ? nullptr : found->second.lock();
    });
    if (!wing || !os::equal_in_constant_time(password, wing->password().reveal())) return nullptr;
    return wing;
  }

  Options options;
  const os::Compression compression;
  store::Store& store;
  Layout layout;
  Wings wings;
  Server server;
};

Staging::Staging(Options options, store::Store& store)
    : inside_(std::make_unique<Inside>(std::move(options), store)) {}
Staging::~Staging() = default;

void Staging::start() { inside_->server.start(); }
std::string Staging::address() const { return inside_->server.address(); }
std::uint64_t Staging::held_bytes() const { return inside_->layout.held_bytes(); }

Session Staging::open(const std::string& source, const std::string& image, std::int64_t run,
                      std::vector<Upstream> upstreams, BlobNews news) {
  Inside& house = *inside_;
  auto wing = std::make_shared<Wing>(house.layout, house.store,
                                     concat(path_part(source), '/', path_part(image)),
                                     concat("run-", run), std::move(upstreams), std::move(news));
  house.wings.with([&](auto& open) { open[wing->user()] = wing; });
  return Session(std::unique_ptr<Session::Inside>(new Session::Inside{
      wing, address(),
      ImportOptions{house.compression, house.options.threads, house.options.folder / "exports"},
      house.wings}));
}

}  // namespace lighterman::staging
