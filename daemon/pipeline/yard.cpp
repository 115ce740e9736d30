#include "pipeline/yard.hpp"

#include <algorithm>
#include <tuple>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "pipeline/harbor_work.hpp"

namespace lighterman::pipeline {
namespace {

/// Equal keys: the mirror may be kept over a reload.
std::string key_of(const source::Options& options) {
  return concat(options.url, '\n', options.username, '\n', options.password_place, '\n',
                options.ssh_key_file, '\n', options.ssh_passphrase_place, '\n',
                options.known_hosts_file, '\n', options.ca_file, '\n',
                options.submodules ? "s" : "", options.lfs ? "l" : "");
}

/// Equal keys: the scanner may be kept over a reload.
std::string key_of(const config::Config& config) {
  const scan::TrivyOptions& options = config.scan->trivy;
  return concat(config.data.string(), '\n', config.scan->cache.string(), '\n', options.program,
                '\n', options.server, '\n', config.scan->server_token_place, '\n',
                options.database_repository, '\n', options.timeout.count(), '\n',
                options.database_age_limit.count(), '\n', options.skip_update ? "s" : "",
                options.offline ? "o" : "", options.stale == scan::Stale::refuse ? "r" : "");
}

/// Another URL under the same name is another repository, with another folder.
std::filesystem::path folder_of(const config::Config& config, const source::Options& options) {
  return config.data / "mirrors" /
         concat(options.name, '-', os::sha256(options.url).brief(), ".git");
}

/// Empty: there is no such folder here.
std::optional<std::uint64_t> free_space(const std::filesystem::path& disk) {
  std::error_code unknown;
  if (disk.empty()) return {};
  const auto space = std::filesystem::space(disk, unknown);
  if (unknown) return {};
  return space.available;
}

}  // namespace

source::Options mirror_options(const config::Source& source) {
  source::Options options;
  options.name = source.name;
  options.url = source.url;
  options.username = source.username;
  options.password_place = source.password_place;
  options.ssh_key_file = source.ssh_key_file;
  options.ssh_passphrase_place = source.ssh_passphrase_place;
  options.known_hosts_file = source.known_hosts_file;
  options.ca_file = source.ca_file;
  options.submodules = source.submodules;
  options.lfs = source.lfs;
  return options;
}

registry::Options registry_options(const config::Config& config, const std::string& host) {
  const auto configured = config.registries.find(host);
  if (configured != config.registries.end()) return configured->second;
  registry::Options options;
  options.host = host;
  return options;
}

Yard::Yard(std::shared_ptr<const config::Config> config, store::Store& store, Yard* former)
    : config_(std::move(config)), store_(store), rulebook_(*config_, powers_options()) {
  for (const engine::Options& options : config_->engines) {
    engines_.push_back({std::make_unique<engine::Engine>(options), std::make_shared<EngineUse>()});
  }
  if (config_->scan && config_->scan->by != config::ScanBy::harbor) {
    scanner_key_ = key_of(*config_);
    const bool same = former != nullptr && former->scanner_key_ == scanner_key_;
    scanner_ = same ? former->scanner_ : std::make_shared<Scanner>(*config_, store_);
  }
  if (former == nullptr) return;
  const std::lock_guard lock(former->mutex_);
  for (Moored& moored : engines_) {
    for (const Moored& before : former->engines_)
      if (before.engine->options().name == moored.engine->options().name) moored.use = before.use;
  }
  for (const auto& [name, kept] : former->mirrors_) {
    const auto source = config_->sources.find(name);
    if (source != config_->sources.end() && key_of(mirror_options(source->second)) == kept.key &&
        former->config_->data == config_->data) {
      mirrors_.emplace(name, kept);
    }
  }
}

policy::PowersOptions Yard::powers_options() {
  policy::PowersOptions options;
  options.secrets = config_->secrets;
  options.registry = [this](const std::string& host) -> registry::Client& {
    return registry(host);
  };
  if (config_->scan) {
    options.scan = [this](const std::string& reference, const boost::json::value&,
                          const std::stop_token& stop) { return scan_published(reference, stop); };
  }
  return options;
}

boost::json::value Yard::scan_published(const std::string& text, const std::stop_token& stop) {
  Reference reference = Reference::parse(text);
  registry::Client& client = registry(reference.host());
  if (!reference.digest()) {
    const auto digest = client.find_tag(reference, stop);
    if (!digest) throw Error(ErrorKind::not_found, concat("there is no ", reference));
    reference = reference.at(*digest);
  }
  return findings_facts(
      scanner_ != nullptr ? scanner_->scan(published_for_scan(reference), *reference.digest(), stop)
                          : scan_in_harbor(registry_options(*config_, reference.host()), reference,
                                           config_->scan->trivy.timeout, stop));
}

scan::Image Yard::published_for_scan(const Reference& by_digest) {
  const auto login = registry(by_digest.host()).login();
  return scan::RegistryImage{
      by_digest, login ? login->first : "", login ? login->second : Secret(), {}, {}};
}

source::Mirror& Yard::mirror(const std::string& source) {
  const source::Options options = mirror_options(config_->source(source));
  const std::lock_guard lock(mutex_);
  KeptMirror& kept = mirrors_[source];
  if (!kept.mirror) {
    kept = {key_of(options),
            std::make_shared<source::Mirror>(options, folder_of(*config_, options))};
  }
  return *kept.mirror;
}

registry::Client& Yard::registry(const std::string& host) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<registry::Client>& client = registries_[host];
  if (!client) {
    client = std::make_unique<registry::Client>(registry_options(*config_, host), store_);
  }
  return *client;
}

engine::Engine& Yard::engine(const std::string& name) { return *moored(name).engine; }

Yard::Moored& Yard::moored(const std::string& name) {
  for (Moored& moored : engines_) {
    if (moored.engine->options().name == name) return moored;
  }
  std::vector<std::string> names;
  for (const Moored& moored : engines_) names.push_back(moored.engine->options().name);
  throw Error(ErrorKind::not_found, concat("engine \"", name, "\" is not in the configuration",
                                           did_you_mean(name, names)));
}

unsigned Yard::slots() const noexcept {
  unsigned slots = 0;
  for (const Moored& moored : engines_) slots += moored.engine->options().slots;
  return slots;
}

std::vector<Yard::Moored*> Yard::fitting(const BerthWish& wish) {
  std::vector<Moored*> fitting;
  for (Moored& moored : engines_) {
    const engine::Options& options = moored.engine->options();
    const bool meant = wish.engine.empty() || options.name == wish.engine ||
                       std::ranges::find(options.labels, wish.engine) != options.labels.end();
    // An engine that does not say may well emulate.
    const bool able =
        wish.platform.empty() || options.platforms.empty() ||
        std::ranges::find(options.platforms, wish.platform) != options.platforms.end();
    if (meant && able) fitting.push_back(&moored);
  }
  if (fitting.empty()) {
    throw Error(ErrorKind::not_found,
                concat("no engine", wish.engine.empty() ? "" : concat(" \"", wish.engine, '"'),
                       wish.platform.empty() ? "" : concat(" builds for ", wish.platform),
                       ": see `engines` in the configuration"));
  }
  return fitting;
}

/// The engine's folder may be another one here: of an engine elsewhere, or outside of our
/// container.
void Yard::learn_disk(Moored& moored, const std::stop_token& stop) {
  const std::string& host = moored.engine->options().host;
  if (!host.empty() && !host.starts_with("unix://")) return;
  {
    const std::lock_guard lock(mutex_);
    if (!moored.disk.empty()) return;
  }
  try {
    const std::filesystem::path disk = moored.engine->about(stop).root_folder;
    const std::lock_guard lock(mutex_);
    moored.disk = disk;
  } catch (const Error& error) {
    // Whether it answers shows when it is to build.
    if (error.kind() == ErrorKind::cancelled) throw;
  }
}

std::optional<std::uint64_t> Yard::find_free_space(const std::string& engine,
                                                   const std::stop_token& stop) {
  Moored& asked = moored(engine);
  learn_disk(asked, stop);
  const std::lock_guard lock(mutex_);
  return free_space(asked.disk);
}

bool Yard::is_low(const Moored& moored) {
  const auto free = free_space(moored.disk);
  return free && *free < moored.engine->options().min_free;
}

std::vector<std::string> Yard::low_engines() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> low;
  for (const Moored& each : engines_)
    if (is_low(each)) low.push_back(each.engine->options().name);
  return low;
}

std::string Yard::why_waiting(const BerthWish& wish) {
  const std::vector<Moored*> candidates = fitting(wish);
  if (!std::ranges::all_of(candidates, [](const Moored* each) { return is_low(*each); }))
    return "waiting for a free build slot";
  const engine::Options& options = candidates.front()->engine->options();
  return concat("waiting: less than ", render_size(options.min_free),
                " is free on the disk of engine \"", options.name, "\" (",
                candidates.front()->disk.native(),
                "): make room there (docker system prune), give the engine a `cache_limit` or "
                "`image_limit`, or set its `min_free` lower");
}

Yard::Moored* Yard::find_free(const BerthWish& wish) {
  const auto now = std::chrono::steady_clock::now();
  std::vector<Moored*> candidates = fitting(wish);
  // A build that fails half way leaves more behind than one that waits.
  std::erase_if(candidates, [](const Moored* each) {
    return each->engine->options().drain || is_low(*each) || each->use->is_cleared();
  });
  const auto shunned = [&](const Moored* each) { return each->shunned_until > now; };
  if (!std::ranges::all_of(candidates, shunned)) std::erase_if(candidates, shunned);
  // Who says that it builds for a platform does so without emulation, as far as we know.
  const auto rank = [&](const Moored* each) {
    const engine::Options& options = each->engine->options();
    const unsigned free = options.slots > each->busy ? options.slots - each->busy : 0;
    return std::tuple(free > 0, !wish.platform.empty() && !options.platforms.empty(),
                      options.name == wish.rather, free);
  };
  const auto best = std::ranges::max_element(candidates, {}, rank);
  if (best == candidates.end() || !std::get<0>(rank(*best)) || !(*best)->use->try_build())
    return nullptr;
  return *best;
}

void Yard::shun(const std::string& name) {
  constexpr std::chrono::seconds long_enough{30};
  const std::lock_guard lock(mutex_);
  for (Moored& moored : engines_) {
    if (moored.engine->options().name == name) {
      moored.shunned_until = std::chrono::steady_clock::now() + long_enough;
    }
  }
}

bool Yard::has_other(const BerthWish& wish, const std::string& name) {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(fitting(wish), [&](const Moored* each) {
    return each->engine->options().name != name && !each->engine->options().drain &&
           each->shunned_until <= std::chrono::steady_clock::now();
  });
}

Berth Yard::take_berth(const BerthWish& wish, const std::function<void(const std::string&)>& report,
                       const std::stop_token& stop) {
  for (Moored* each : fitting(wish)) learn_disk(*each, stop);
  std::unique_lock lock(mutex_);
  Moored* free = find_free(wish);
  if (free == nullptr) {
    const std::string why = why_waiting(wish);
    lock.unlock();
    report(why);
    lock.lock();
    // Nobody tells when an engine is no longer shunned, or has room again.
    constexpr std::chrono::seconds between_looks{1};
    while (!left_.wait_for(lock, stop, between_looks,
                           [&] { return (free = find_free(wish)) != nullptr; })) {
      if (stop.stop_requested())
        throw Error(ErrorKind::cancelled, "stopped while waiting for a free build slot");
    }
  }
  ++free->busy;
  return Berth(*free->engine, [this, free] {
    {
      const std::lock_guard leave(mutex_);
      --free->busy;
    }
    free->use->end_build();
    left_.notify_all();
  });
}

std::optional<Berth> Yard::find_idle(const std::string& engine) {
  Moored& asked = moored(engine);
  if (!asked.use->try_clear()) return {};
  return Berth(*asked.engine, [this, use = asked.use] {
    use->end_clearing();
    left_.notify_all();
  });
}

bool EngineUse::try_build() noexcept {
  unsigned builds = builds_;
  while (builds != clearing) {
    if (builds_.compare_exchange_weak(builds, builds + 1)) return true;
  }
  return false;
}

bool EngineUse::try_clear() noexcept {
  unsigned none = 0;
  return builds_.compare_exchange_strong(none, clearing);
}

}  // namespace lighterman::pipeline
