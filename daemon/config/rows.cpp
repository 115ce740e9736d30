#include "config/rows.hpp"

#include <array>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::config {
namespace {

Json list_of(Json item) { return {{"type", "array"}, {"items", std::move(item)}}; }
Json map_of(Json item) { return {{"type", "object"}, {"additionalProperties", std::move(item)}}; }

template <class T>
Json show_each(const std::vector<T>& values, const std::vector<Row<T>>& rows) {
  boost::json::array shown;
  for (const T& value : values) shown.push_back(show_object(value, rows));
  return shown.empty() ? Json() : Json(std::move(shown));
}

template <class T>
Json show_each(const std::map<std::string, T>& values, const std::vector<Row<T>>& rows) {
  boost::json::object shown;
  for (const auto& [name, value] : values) shown[name] = show_object(value, rows);
  return shown.empty() ? Json() : Json(std::move(shown));
}

template <class T>
void read_each(std::vector<T>& to, const std::vector<Row<T>>& rows, const Value& value) {
  to.clear();
  for (const Value& item : value.items()) read_object(to.emplace_back(), rows, item);
}

/// A part of the file, or of a source, that is there or not.
template <class Whole, class Part>
Row<Whole> part(std::string name, std::optional<Part> Whole::*member, std::string meaning,
                const std::vector<Row<Part>>& rows) {
  return {std::move(name), std::move(meaning),
          [member, &rows](Whole& to, const Value& value) {
            (to.*member).emplace();
            if (!value.node.IsNull()) read_object(*(to.*member), rows, value);
          },
          [member, &rows](const Whole& from) {
            return from.*member ? show_object(*(from.*member), rows) : Json();
          },
          object_schema(rows)};
}

/// A row of net::Trust, which engines and registries have inside.
template <class T>
Row<T> trust(std::string name, std::string net::Trust::*member, std::string meaning) {
  return {std::move(name), std::move(meaning),
          [member](T& to, const Value& value) { read(to.trust.*member, value); },
          [member](const T& from) { return show(from.trust.*member); }, schema_of(std::string())};
}

const std::vector<Row<engine::Options>>& engine_rows() {
  using engine::Options;
  static const std::vector<Row<Options>> rows{
      row("name", &Options::name, "Name, for `engine:` of images and for messages"),
      row("host", &Options::host, "unix:///path or tcp://host:port; default: as the docker CLI"),
      row("slots", &Options::slots, "Builds at the same time"),
      {"builder",
       "auto, buildkit or classic",
       [](Options& to, const Value& value) {
         try {
           if (const auto given = value.text()) to.builder = parse_builder(*given);
         } catch (const Error& error) {
           value.refuse(error.what());
         }
       },
       [](const Options& from) { return Json(render(from.builder)); },
       {{"enum", {"auto", "buildkit", "classic"}}}},
      row("cache_limit", &Options::cache_limit,
          "Build cache that is kept on an engine of our own, such as 20GB; default: its own rules"),
      row("cache_age", &Options::cache_age,
          "Build cache unused for so long goes, on an engine of our own; default: any age stays"),
      row("image_limit", &Options::image_limit,
          "While all its images take more, those that our builds left go; default: no limit"),
      row("image_age", &Options::image_age,
          "Images that our builds left go when unused for so long; 0: they stay"),
      row("min_free", &Options::min_free,
          "With less free space on its disk builds wait; of engines on this machine"),
      row("platforms", &Options::platforms, "What it builds for; default: its own platform"),
      row("labels", &Options::labels, "Names it shares with others of its kind, for `engine:`"),
      row("drain", &Options::drain, "Take no new build, for upkeep"),
      row("tls", &Options::tls, "Speak TLS over tcp"),
      trust<Options>("ca", &net::Trust::ca_file, "Certificates to believe, a PEM file"),
      trust<Options>("cert", &net::Trust::client_certificate_file,
                     "Client certificate, a PEM file"),
      trust<Options>("key", &net::Trust::client_key_file, "Its key, a PEM file"),
  };
  return rows;
}

const std::vector<Row<registry::Options>>& registry_rows() {
  using registry::Options;
  static const std::vector<Row<Options>> rows{
      row("username", &Options::username, "Who pushes; default: as ~/.docker/config.json says"),
      place("password", &Options::password_place, "The password or token: file:PATH or env:NAME"),
      row("plain_http", &Options::plain_http, "Speak without TLS; loopback hosts may anyway"),
      trust<Options>("ca", &net::Trust::ca_file, "Certificates to believe, a PEM file"),
      row("push_limit", &Options::push_limit, "Bytes a second over all uploads, such as 20MB"),
      row("uploads", &Options::uploads, "Layers that travel at the same time"),
      row("chunk", &Options::chunk, "Largest request, such as 50MiB; default: found by trying"),
      {"signatures",
       "Form of signatures: both, legacy (cosign 2's tags) or bundle (cosign 3's referrers)",
       [](Options& to, const Value& value) {
         try {
           if (const auto given = value.text()) to.signatures = parse_signature_forms(*given);
         } catch (const Error& error) {
           value.refuse(error.what());
         }
       },
       [](const Options& from) { return Json(render(from.signatures)); },
       {{"enum", {"both", "legacy", "bundle"}}}},
      {"product",
       "What the registry is: auto (found by asking), plain, harbor or ecr",
       [](Options& to, const Value& value) {
         try {
           if (const auto given = value.text()) to.product = registry::parse_product(*given);
         } catch (const Error& error) {
           value.refuse(error.what());
         }
       },
       [](const Options& from) { return Json(render(from.product)); },
       {{"enum", {"auto", "plain", "harbor", "ecr"}}}},
      row("api", &Options::api, "Base URL of the product's API; default: as the product has it"),
      row("create", &Options::create,
          "A push creates what it needs: Harbor's project (private), ECR's repository"),
      row("collect_garbage", &Options::collect_garbage,
          "Harbor frees the space of what `retain` deleted, at once"),
  };
  return rows;
}

const std::vector<Row<Schedule>>& schedule_rows() {
  static const std::vector<Row<Schedule>> rows{
      row("cron", &Schedule::cron, "Minute, hour, day of month, month, day of week, in UTC"),
      row("ref", &Schedule::ref, "Full ref, such as refs/heads/main; default: the default branch"),
  };
  return rows;
}

const std::vector<Row<Status>>& status_rows() {
  static const std::vector<Row<Status>> rows{
      row("api", &Status::api, "Base URL of the forge's API; default: told by the source's `url`"),
      row("repository", &Status::repository,
          "The repository as the API names it; default: told by the source's `url`"),
      place("token", &Status::token_place, "A token that may set statuses: file:PATH or env:NAME"),
      row("username", &Status::username, "Whose token it is, where the forge wants user and token"),
      row("context", &Status::context, "The status's name at the commit"),
  };
  return rows;
}

const std::vector<Row<Config>>& metrics_rows() {
  static const std::vector<Row<Config>> rows{
      row("open", &Config::metrics_open, "Answer /metrics without a token, too"),
  };
  return rows;
}

const std::vector<Row<Config>>& staging_rows() {
  static const std::vector<Row<Config>> rows{
      row("listen", &Config::staging_listen, "Address that engines push to; loopback is best"),
      row("size_limit", &Config::staging_size_limit, "Disk space for staged layers"),
      row("compression", &Config::compression, "Of layers: gzip or zstd"),
  };
  return rows;
}

constexpr std::array<std::pair<Supersede, std::string_view>, 3> supersede_names{
    {{Supersede::never, "never"}, {Supersede::queued, "queued"}, {Supersede::running, "running"}}};

void read_supersede(Source& to, const Value& value) {
  const auto given = value.text("never, queued or running");
  for (const auto& [each, name] : supersede_names) {
    if (given && *given == name) {
      to.supersede = each;
      return;
    }
  }
  if (given) value.refuse("must be never, queued or running");
}

Json show_supersede(const Source& from) {
  for (const auto& [each, name] : supersede_names)
    if (each == from.supersede) return Json(name);
  return {};
}

}  // namespace

const std::vector<Row<Source>>& source_rows() {
  static const std::vector<Row<Source>> rows{
      row("url", &Source::url, "Where git fetches from: https, ssh, or a path"),
      place("secret", &Source::secret_place, "The webhook's secret: file:PATH or env:NAME"),
      row("forge", &Source::forge, "Which forge sends webhooks; default: told by their headers"),
      row("username", &Source::username, "For https"),
      place("password", &Source::password_place, "For https: file:PATH or env:NAME"),
      row("ssh_key", &Source::ssh_key_file, "Private key file, for ssh"),
      place("ssh_passphrase", &Source::ssh_passphrase_place, "Of that key: file:PATH or env:NAME"),
      row("known_hosts", &Source::known_hosts_file, "Host keys to believe, as ssh keeps them"),
      row("ca", &Source::ca_file, "Certificates to believe, a PEM file"),
      row("submodules", &Source::submodules, "Fetch submodules"),
      row("lfs", &Source::lfs, "Fetch Git LFS files"),
      row("branches", &Source::branches, "Globs of branches that are built"),
      row("git_tags", &Source::git_tags, "Globs of git tags that are built"),
      {"supersede",
       "A newer push ends older runs of its branch: never, queued or running",
       read_supersede,
       show_supersede,
       {{"enum", {"never", "queued", "running"}}}},
      row("every", &Source::poll, "Ask the repository this often, for forges without webhooks"),
      row("catch_up", &Source::catch_up, "Look for pushes whose webhook was lost; 0: never"),
      {"schedules", "Times to build without a push",
       [](Source& to, const Value& value) { read_each(to.schedules, schedule_rows(), value); },
       [](const Source& from) { return show_each(from.schedules, schedule_rows()); },
       list_of(object_schema(schedule_rows()))},
      row("repository_file", &Source::repository_file,
          ".lighterman.yml in the repository may describe images"),
      row("allowed_targets", &Source::allowed_targets,
          "Globs of registry/repository that file may publish to"),
      {"image",
       "Where to publish the one image of this source, or all about it",
       [](Source& to, const Value& value) {
         read_image(to.images[to.name], to.name, value, image_rows());
       },
       [](const Source&) { return Json(); },
       {{"anyOf", {schema_of(std::string()), object_schema(image_rows())}}}},
      {"images", "The images of this source, by name",
       [](Source& to, const Value& value) { read_images(to.images, value, image_rows()); },
       [](const Source& from) { return show_each(from.images, image_rows()); },
       map_of({{"anyOf", {schema_of(std::string()), object_schema(image_rows())}}})},
      part("status", &Source::status, "Tell the forge how each commit's run stands", status_rows()),
  };
  return rows;
}

const std::vector<Row<Config>>& config_rows() {
  static const std::vector<Row<Config>> rows{
      row("listen", &Config::listen, "Address of webhooks and API"),
      row("public_url", &Config::public_url, "How others reach it, for links"),
      row("data", &Config::data, "Folder for mirrors, staged images and the database"),
      row("log_format", &Config::log_format, "text or json"),
      {"tokens", "Bearer tokens of the API; without any, only loopback may call",
       [](Config& to, const Value& value) { read_each(to.tokens, token_rows(), value); },
       [](const Config& from) { return show_each(from.tokens, token_rows()); },
       list_of(object_schema(token_rows()))},
      part("tls", &Config::tls, "Serve https by itself, with TLS 1.2 or newer", tls_rows()),
      row("trusted_proxies", &Config::trusted_proxies,
          "Networks (CIDR) whose X-Forwarded-For and X-Forwarded-Proto are believed"),
      part("identity", &Config::identity,
           "Believe who a proxy says is there (OpenID Connect); needs trusted_proxies",
           identity_rows()),
      {"metrics", "For Prometheus, at /metrics",
       [](Config& to, const Value& value) { read_object(to, metrics_rows(), value); },
       [](const Config& from) { return show_object(from, metrics_rows()); },
       object_schema(metrics_rows())},
      row("open_badges", &Config::open_badges,
          "Badges without a token: anybody may see how the newest run of a branch ended"),
      {"staging", "Where finished builds wait before they are published",
       [](Config& to, const Value& value) { read_object(to, staging_rows(), value); },
       [](const Config& from) { return show_object(from, staging_rows()); },
       object_schema(staging_rows())},
      row("body_limit", &Config::body_limit, "Largest webhook body"),
      row("workers", &Config::workers, "Runs at a time; 0: the engines' slots in all"),
      row("stop_limit", &Config::stop_limit, "Time for running builds to end when stopping"),
      {"engines", "Docker Engines to build on; default: the one the docker CLI finds",
       [](Config& to, const Value& value) { read_each(to.engines, engine_rows(), value); },
       [](const Config& from) { return show_each(from.engines, engine_rows()); },
       list_of(object_schema(engine_rows()))},
      {"registries", "Registries that need more than the docker CLI's logins, by host",
       [](Config& to, const Value& value) {
         for (const auto& [host, inner] : value.pairs()) {
           to.registries[host].host = host;
           read_object(to.registries[host], registry_rows(), inner);
         }
       },
       [](const Config& from) { return show_each(from.registries, registry_rows()); },
       map_of(object_schema(registry_rows()))},
      {"sources", "Repositories to build from, by name",
       [](Config& to, const Value& value) {
         for (const auto& [name, inner] : value.pairs()) {
           to.sources[name].name = name;
           read_object(to.sources[name], source_rows(), inner);
         }
       },
       [](const Config& from) { return show_each(from.sources, source_rows()); },
       map_of(object_schema(source_rows()))},
      {"replicate",
       "Which images go to which other registry: rules, Harbor's JSON policies, or files of them",
       read_replicate,
       [](const Config& from) { return show_each(from.replicate, replicate_rows()); },
       list_of({{"type", "object"}})},
      row("replications", &Config::replications, "Images that travel at the same time"),
      row("replication_limit", &Config::replication_limit, "How long one try may take"),
      {"retain", "Which tags are kept, and so which go",
       [](Config& to, const Value& value) { read_each(to.retain, retain_rows(), value); },
       [](const Config& from) { return show_each(from.retain, retain_rows()); },
       list_of(object_schema(retain_rows()))},
      row("min_free", &Config::min_free, "With less free disk space in `data`, runs wait"),
      part("keys", &Config::keys, "Keys to sign with", key_rows()),
      part("bases", &Config::bases, "What is asked of the images in FROM", base_rows()),
      part("scan", &Config::scan, "Scan images before they are tagged", scan_rows()),
      {"secrets", "Secrets that plugins may be allowed to use, by name: file:PATH or env:NAME",
       [](Config& to, const Value& value) {
         for (const auto& [name, inner] : value.pairs()) read_place(to.secrets[name], inner);
       },
       [](const Config& from) { return show(from.secrets); }, map_of(place_schema())},
      {"plugin_folders",
       "Folders with plugins of your own, beside those that ship; relative to this file",
       [](Config& to, const Value& value) {
         for (const Value& item : value.items())
           if (const auto folder = item.text("a path"))
             to.plugin_folders.push_back(to.file.parent_path() / *folder);
       },
       [](const Config& from) {
         std::vector<std::string> shown;
         for (const auto& folder : from.plugin_folders) shown.push_back(folder.string());
         return show(shown);
       },
       schema_of(std::vector<std::string>())},
      {"plugins", "Plugins at work, by name",
       [](Config& to, const Value& value) {
         for (const auto& [name, inner] : value.pairs()) {
           to.plugins[name].name = name;
           if (!inner.node.IsNull()) read_object(to.plugins[name], plugin_rows(), inner);
         }
       },
       [](const Config& from) { return show_each(from.plugins, plugin_rows()); },
       map_of(object_schema(plugin_rows()))},
      row("plugin_history", &Config::plugin_history,
          "How long questions to plugins are kept, for `plugin replay`; 0: not at all"),
      row("keep_denied", &Config::keep_denied,
          "How long the image of a denied run stays in its engine, for `lighterman allow`"),
  };
  return rows;
}

}  // namespace lighterman::config
