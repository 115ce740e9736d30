#include "pipeline/checkup.hpp"

#include <sys/statvfs.h>

#include <cerrno>
#include <map>
#include <set>
#include <system_error>

#include "core/error.hpp"
#include "core/text.hpp"
#include "engine/space.hpp"
#include "os/file.hpp"
#include "pipeline/commit_status.hpp"
#include "pipeline/examine.hpp"
#include "pipeline/yard.hpp"
#include "registry/harbor.hpp"
#include "registry/product.hpp"
#include "registry/profile.hpp"
#include "registry/trial.hpp"
#include "scan/trivy.hpp"
#include "trust/keyring.hpp"

namespace lighterman::pipeline {
namespace {

using config::Config;
using std::chrono::days;

Look good(std::string seen) { return {"", std::move(seen), "", Health::good}; }
Look doubtful(std::string seen, std::string advice) {
  return {"", std::move(seen), std::move(advice), Health::doubtful};
}
Look broken(std::string seen, std::string advice) {
  return {"", std::move(seen), std::move(advice), Health::broken};
}

/// What is looked at, in the order in which a push needs it.
class Rounds {
 public:
  Rounds(std::shared_ptr<const Config> config, const TellLook& tell, const std::stop_token& stop)
      : config_(std::move(config)),
        tell_(tell),
        stop_(stop),
        store_({scratch_.path() / "doctor.db"}),
        yard_(config_, store_),
        now_(system_now()) {}

  void make() {
    for (const config::Finding& finding : examine_all(*config_)) {
      const bool error = finding.weight == config::Finding::Weight::error;
      tell_({"configuration", concat(finding.where, ": ", finding.text), "",
             error ? Health::broken : Health::doubtful});
    }
    add("data folder", "", [&] { return look_at_folder(); });
    for (const engine::Options& each : config_->engines) {
      const bool answers = add(concat("engine ", each.name), "start it, or set its `host`",
                               [&] { return look_at_engine(each.name); });
      if (!answers) continue;
      add(concat("disk of engine ", each.name), "", [&] { return look_at_space(each); });
    }
    for (const auto& [name, source] : config_->sources) look_at_source(source);
    look_at_registries();
    if (config_->scan && config_->scan->by != config::ScanBy::harbor)
      add("scanner", "install Trivy, or set `scan: {program: ...}`",
          [&] { return look_at_scanner(); });
    if (config_->keys) look_at_keys();
  }

 private:
  /// False: it is broken, and what needs it is not worth a look.
  bool add(const std::string& what, const std::string& advice, const std::function<Look()>& look) {
    Look seen;
    try {
      seen = look();
    } catch (const Error& error) {
      // All is looked at, whatever one of them says.
      seen = broken(error.what(), advice);
    }
    if (stop_.stop_requested())
      throw Error(ErrorKind::cancelled, "stopped before all was looked at");
    seen.what = what;
    tell_(seen);
    return seen.health != Health::broken;
  }

  Look look_at_folder() const {
    const std::string folder = config_->data.string();
    struct statvfs space {};
    if (statvfs(folder.c_str(), &space) != 0)
      return doubtful(concat('"', folder, "\" cannot be looked at: ",
                             std::error_code(errno, std::generic_category()).message()),
                      "`lighterman serve` makes it, where it may");
    const std::uint64_t block = space.f_frsize, free = space.f_bavail * block;
    const std::string seen = concat(render_size(free), " of ", render_size(space.f_blocks * block),
                                    " free, ", space.f_favail, " files can be made");
    const std::string advice = "make room, or lower `staging: {size_limit: ...}`";
    if (free < least_space || (space.f_files != 0 && space.f_favail < least_files))
      return broken(seen, advice);
    if (free < space.f_blocks * block / 10) return doubtful(seen, advice);
    return good(seen);
  }

  Look look_at_engine(const std::string& name) {
    const engine::About about = yard_.engine(name).about(stop_);
    const std::string seen =
        concat("version ", about.version, ", API ", about.api_version, ", ", about.os, '/',
               about.architecture, ", ", about.containerd_store ? "containerd's store" : "driver ",
               about.containerd_store ? "" : about.storage_driver, ", ", about.cpus,
               " processors, ", render_size(about.memory_bytes));
    if (about.storage_driver == "vfs")
      return doubtful(seen, "vfs copies each layer whole: overlay2 is faster and takes less room");
    if (about.storage_driver == "aufs" || about.storage_driver == "devicemapper")
      return doubtful(seen, "newer engines have no such driver: move to overlay2");
    return good(seen);
  }

  /// Old images and build cache are what fills the disks of builders.
  Look look_at_space(const engine::Options& options) const {
    const engine::Space space = engine::look_at_space(options, stop_);
    const std::string seen =
        concat("images take ", render_size(space.images), ", of which no container uses ",
               render_size(space.unused), "; build cache ", render_size(space.cache));
    if (options.cache_limit == 0 && space.cache > much_cache)
      return doubtful(seen, "set `cache_limit` of this engine, where it is ours alone");
    if (space.unused > much_unused)
      return doubtful(seen,
                      "remove what nobody uses, by docker image prune --all --filter "
                      "until=240h");
    return good(seen);
  }

  void look_at_source(const config::Source& source) {
    add(concat("source ", source.name), "look at its `url` and credentials", [&] {
      source::Mirror mirror(mirror_options(source), scratch_.path() / source.name);
      const std::size_t heads = mirror.remote_heads(stop_).size();
      if (heads == 0) return doubtful("there is no branch yet", "push one");
      return good(concat(heads, heads == 1 ? " branch or tag" : " branches and tags"));
    });
    if (source.status)
      add(concat("commit statuses of ", source.name), "look at the source's `status`",
          [&] { return look_at_forge(source); });
  }

  Look look_at_forge(const config::Source& source) {
    const config::StatusPlace place = config::status_place(source);
    const Secret token = os::read_secret(source.status->token_place);
    net::Request request = look_request(place, source.status->username, token);
    request.trust.ca_file = source.ca_file;
    check_answer(request, http_.perform(request, stop_), place, token);
    return good(concat(place.api, " knows the token, which may see ", place.repository,
                       " (whether it may set statuses, only a run tells)"));
  }

  void look_at_registries() {
    std::map<std::string, std::set<Reference>> by_host;
    for (const auto& [name, source] : config_->sources)
      for (const auto& [image_name, image] : source.images)
        for (const Reference& target : image.targets) by_host[target.host()].insert(target);
    for (const auto& entry : by_host) {
      const std::string& host = entry.first;
      const std::set<Reference>& targets = entry.second;
      const registry::Options options = once(registry_options(*config_, host));
      const bool answers =
          add(concat("registry ", host), "look at its address and credentials (`registries:`)",
              [&] { return look_at_registry(options); });
      if (!answers) continue;
      const registry::Product product = registry::find_product(options, store_, stop_);
      if (product == registry::Product::harbor)
        add(concat("Harbor at ", host), "", [&] { return look_at_harbor(options, targets); });
      for (const Reference& target : targets)
        add(concat("push to ", target.name()), "give the account the permission to push",
            [&] { return look_at_push(options, product, target); });
      add(concat("what ", host, " can"), "", [&] {
        registry::Client client(options, store_);
        registry::look_around(client, *targets.begin(), stop_);
        return good(describe(registry::profile_of(store_, host)));
      });
    }
  }

  Look look_at_push(const registry::Options& options, registry::Product product,
                    const Reference& target) {
    if (options.create && product == registry::Product::harbor) {
      const std::string project = registry::Harbor::project_of(target);
      if (!registry::Harbor(options).has_project(project, stop_))
        return good(concat("project ", project, " is not there yet; a push creates it"));
    }
    try {
      registry::try_push(options, target, stop_);
    } catch (const Error& error) {
      // Only a push creates, so that looking changes nothing.
      if (!options.create || product != registry::Product::ecr ||
          error.kind() != ErrorKind::not_found)
        throw;
      return good("the repository is not there yet; a push creates it");
    }
    return good("an upload could be begun");
  }

  /// Who we are to Harbor, whether that lasts, and whether it suffices.
  Look look_at_harbor(const registry::Options& options, const std::set<Reference>& targets) {
    registry::Harbor harbor(options);
    const auto about = harbor.find(stop_);
    std::string seen = about && !about->version.empty() ? concat("version ", about->version)
                                                        : std::string("some version");
    if (about && about->read_only)
      return broken(concat(seen, ", read-only"), "let an administrator end its read-only mode");
    std::optional<registry::HarborRobot> robot;
    try {
      robot = harbor.find_robot(stop_);
    } catch (const Error& error) {
      // A push needs no permission to look at robots.
      if (error.kind() != ErrorKind::denied) throw;
      return good(concat(seen, ", logged in as ", harbor.account(),
                         ", who may not look at itself (permission: list robot)"));
    }
    seen += concat(", logged in as ", harbor.account().empty() ? "nobody" : harbor.account());
    if (!robot) return good(seen);
    if (robot->disabled) return broken(concat(seen, ", disabled"), "enable the robot in Harbor");
    if (robot->expires) {
      seen += concat(" until ", render_time(*robot->expires).substr(0, 10));
      if (*robot->expires < now_) return broken(seen, "renew the robot account in Harbor");
    }
    const bool scans = config_->scan && config_->scan->by != config::ScanBy::trivy;
    for (const Reference& target : targets) {
      const std::string project = registry::Harbor::project_of(target);
      if (!robot->may(project, "push", "repository"))
        return broken(concat(seen, ", may not push repositories in project ", project),
                      "give the robot this permission in Harbor");
      if (scans && !robot->may(project, "create", "scan"))
        return broken(concat(seen, ", may not create scans in project ", project),
                      "give the robot this permission in Harbor, or do without `scan: {by: ...}`");
    }
    if (robot->expires && *robot->expires < now_ + certificate_notice)
      return doubtful(seen, "renew the robot account in Harbor");
    return good(seen);
  }

  /// Somebody waits for the answer.
  static registry::Options once(registry::Options options) {
    options.retry.attempts = 1;
    return options;
  }

  Look look_at_registry(const registry::Options& options) const {
    const registry::Door door = registry::look_at(options, stop_);
    std::string seen = concat("answers at ", door.url);
    Look look = good("");
    if (door.certificate) {
      seen += concat(", its certificate ends ", render_time(*door.certificate).substr(0, 10));
      if (*door.certificate < now_ + certificate_notice)
        look = doubtful("", "renew its certificate");
    }
    if (door.clock) {
      const auto skew = std::chrono::abs(*door.clock - now_);
      if (skew > most_skew)
        look = doubtful("", concat("its clock and this machine's differ by ", render_duration(skew),
                                   ": tokens and signatures go by the time; set up NTP"));
    }
    look.seen = std::move(seen);
    return look;
  }

  Look look_at_scanner() const {
    scan::TrivyOptions options = config_->scan->trivy;
    options.cache_folder =
        config_->scan->cache.empty() ? config_->data / "trivy" : config_->scan->cache;
    if (!options.server.empty()) return good(concat("asks ", options.server));
    const auto database = scan::Trivy(options).find_database();
    if (!database)
      return options.skip_update ? broken("it has no database",
                                          "bring one, or do without `scan: {skip_update: true}`")
                                 : good("it has no database yet and gets one with the first scan");
    const auto age = now_ - database->updated;
    const std::string seen = concat("its database is ", render_duration(whole_hours(age)), " old");
    if (age > options.database_age_limit)
      return doubtful(seen, "look why it is not renewed (a mirror? `scan: {database: ...}`)");
    return good(seen);
  }

  void look_at_keys() {
    std::vector<trust::KeyEntry> entries;
    add("keys", "look at `keys: {folder: ...}`", [&] {
      entries = trust::Keyring(config_->keys->folder).entries();
      if (entries.empty()) return doubtful("there are none", "lighterman key new");
      return good(concat(entries.size(), entries.size() == 1 ? " key" : " keys"));
    });
    for (const trust::KeyEntry& entry : entries) {
      const std::string warning = entry.warning(now_);
      if (warning.empty()) continue;
      const bool over = entry.state(now_) == trust::KeyState::expired;
      add(concat("key ", entry.name), "", [&] {
        const std::string advice = concat("lighterman key rotate ", entry.name);
        return over && config_->keys->refuse_expired ? broken(warning, advice)
                                                     : doubtful(warning, advice);
      });
    }
  }

  static std::chrono::milliseconds whole_hours(std::chrono::milliseconds length) {
    return std::chrono::floor<std::chrono::hours>(length);
  }

  static constexpr std::uint64_t much_cache = 50'000'000'000;
  static constexpr std::uint64_t much_unused = 50'000'000'000;
  static constexpr std::uint64_t least_space = 1'000'000'000;
  static constexpr std::uint64_t least_files = 10'000;
  static constexpr days certificate_notice{14};
  static constexpr std::chrono::seconds most_skew{30};

  std::shared_ptr<const Config> config_;  // shared with the yard
  const TellLook& tell_;
  const std::stop_token& stop_;
  os::ScratchFolder scratch_;
  store::Store store_;
  Yard yard_;
  net::Client http_;
  Instant now_;
};

}  // namespace

void check_up(std::shared_ptr<const Config> config, const TellLook& tell,
              const std::stop_token& stop) {
  Rounds(std::move(config), tell, stop).make();
}

}  // namespace lighterman::pipeline
