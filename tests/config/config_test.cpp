#include "config/config.hpp"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <boost/json.hpp>
#include <set>

#include "core/error.hpp"
#include "os/file.hpp"
#include "support/failure.hpp"

namespace lighterman::config {
namespace {

const std::string usual = R"(
listen: 0.0.0.0:7070
data: /srv/lighterman
staging: {size_limit: 5GiB, compression: zstd}
engines:
  - {name: big, host: "tcp://build.example:2376", tls: true, slots: 4, builder: classic}
registries:
  registry.example:5000: {username: robot, password: "env:ROBOT_PASSWORD", push_limit: 20MB}
sources:
  hello:
    url: https://git.example/acme/hello.git
    secret: file:/etc/lighterman/hook
    every: 5m
    schedules: [{cron: "0 3 * * *"}]
    images:
      web: {reference: "registry.example:5000/acme/web", target: web, memory: 2GiB, timeout: 30m}
      tool: registry.example:5000/acme/tool
  other:
    url: ssh://git@git.example/acme/other.git
    image: docker.io/acme/other
)";

std::string refusal(const std::string& text) {
  try {
    parse(text, "lighterman.yml");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    return error.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Config, ReadsWhatATeamWrites) {
  const Config config = parse(usual, "lighterman.yml");
  EXPECT_EQ(config.staging_size_limit, 5ull << 30);
  EXPECT_EQ(config.compression, "zstd");
  ASSERT_EQ(config.engines.size(), 1u);
  EXPECT_EQ(config.engines[0].builder, Builder::classic);
  EXPECT_EQ(config.registries.at("registry.example:5000").push_limit, 20'000'000u);
  const Source& hello = config.source("hello");
  EXPECT_EQ(hello.poll, std::chrono::minutes(5));
  EXPECT_EQ(hello.schedules.at(0).cron, "0 3 * * *");
  EXPECT_EQ(hello.images.at("web").limits.memory_bytes, 2ull << 30);
  EXPECT_EQ(hello.images.at("tool").targets.at(0).name(), "registry.example:5000/acme/tool");
  EXPECT_EQ(config.source("other").images.at("other").targets.at(0).host(), "docker.io");
}

TEST(Config, ReadsPluginsWithSettingsOfTheirOwn) {
  const Config config = parse(R"(
secrets: {chat: "env:CHAT_URL"}
plugin_folders: [mine, /usr/share/ours]
plugins:
  tag-semver:
  size:
    use: gate-size
    sources: shop*
    settings: {limit: 500MB, growth: 1.5, hard: true, version: "1.10", layers: [1, two]}
    allow: {http: [chat.example, "private:git.lan"], secret: chat}
sources: {a: {url: /a.git, image: localhost/a}}
)",
                              "/etc/lighterman/lighterman.yml");
  EXPECT_EQ(config.plugin_folders.at(0), "/etc/lighterman/mine");
  EXPECT_EQ(config.plugin_folders.at(1), "/usr/share/ours");
  EXPECT_TRUE(config.plugins.at("tag-semver").use.empty());
  const PluginSeat& size = config.plugins.at("size");
  EXPECT_EQ(size.use, "gate-size");
  EXPECT_EQ(size.sources, std::vector<std::string>{"shop*"});
  EXPECT_EQ(boost::json::serialize(size.settings),
            R"({"limit":"500MB","growth":1.5E0,"hard":true,"version":"1.10","layers":[1,"two"]})");
  EXPECT_EQ(size.allow.at("http").at(1), "private:git.lan");
  const std::string shown = render(config);
  EXPECT_EQ(render(parse(shown, "/etc/lighterman/lighterman.yml")), shown);
}

TEST(Config, RefusesASecretThatNobodyNamed) {
  const std::string why = refusal(
      "secrets: {chat: \"env:CHAT\"}\nplugins: {notify: {allow: {secret: [chatt]}}}\n"
      "sources: {a: {url: /a.git, image: localhost/a}}\n");
  EXPECT_TRUE(has(why, "no secret is called \"chatt\"")) << why;
  EXPECT_TRUE(has(why, "did you mean \"chat\"")) << why;
}

TEST(Config, ReadsWhatIsAskedOfBasesAndMissesKeysThatAreNotThere) {
  const os::ScratchFolder folder;
  os::replace_file(folder.path() / "vendor.pub", "x");
  const std::string text =
      "bases: {keys: {vendor: vendor.pub}, signed_by: [vendor], max_age: 90d, except: [busybox]}\n"
      "sources: {a: {url: /a.git, image: localhost/a, secret: \"env:HOME\"}}\n";
  const Config config = parse(text, folder.path() / "lighterman.yml");
  EXPECT_EQ(config.bases->signed_by, std::vector<std::string>{"vendor"});
  EXPECT_EQ(config.bases->max_age, std::chrono::hours(24 * 90));
  EXPECT_EQ(render(parse(render(config), folder.path() / "lighterman.yml")), render(config));
  const auto errors = [&](const Config& examined) {
    std::string all;
    for (const Finding& finding : examine(examined))
      if (finding.weight == Finding::Weight::error)
        all += concat(finding.where, ": ", finding.text);
    return all;
  };
  EXPECT_EQ(errors(config), "");
  Config wrong = config;
  wrong.bases->signed_by = {"vendr"};
  EXPECT_TRUE(has(errors(wrong), "bases.signed_by: no key is called \"vendr\"")) << errors(wrong);
  EXPECT_TRUE(has(errors(wrong), "did you mean \"vendor\"")) << errors(wrong);
  wrong = config;
  wrong.bases->keys["vendor"] = "gone.pub";
  EXPECT_TRUE(has(errors(wrong), "bases.keys.vendor")) << errors(wrong);
  wrong = config;
  wrong.scan.emplace().vex = {"/nowhere/vex.json", "in/the/repository.json"};
  EXPECT_TRUE(has(errors(wrong), "scan.vex: ")) << errors(wrong);
  EXPECT_FALSE(has(errors(wrong), "repository.json")) << errors(wrong);
}

TEST(Config, ReadsWhereImagesGoAndHowLongTagsStay) {
  const Config config = parse(R"(
replicate:
  - name: eu
    to: registry.eu.example/acme
    tags: ["v*"]
    platforms: linux/amd64
    only_signed: true
  - name: nightly
    to: mirror.example
    rename: "{repository}"
    from: ["registry.example/acme/**"]
    when: scheduled
    schedule: "0 4 * * *"
    delete_vanished: true
retain:
  - {name: versions, repositories: "registry.example/acme/*", keep: 3}
  - {name: branches, repositories: registry.example/acme/web, by: time, newer_than: 30d, deployed: /etc/in-use}
registries:
  registry.eu.example: {signatures: legacy}
keys: {folder: keys}
sources:
  hello: {url: "https://git.example/a.git", image: registry.example/acme/web}
)",
                              "l.yml");
  ASSERT_EQ(config.replicate.size(), 2u);
  EXPECT_EQ(config.replicate[0].terms.platforms, std::vector<std::string>{"linux/amd64"});
  EXPECT_TRUE(config.replicate[0].terms.only_signed);
  EXPECT_EQ(config.replicate[1].when, ReplicateWhen::scheduled);
  ASSERT_EQ(config.retain.size(), 2u);
  EXPECT_EQ(config.retain[0].keep, 3u);
  EXPECT_EQ(config.retain[0].protect, Patterns{"latest"});
  EXPECT_FALSE(config.retain[1].by_version);
  EXPECT_EQ(config.registries.at("registry.eu.example").signatures, SignatureForms::legacy);
  EXPECT_EQ(render(parse(render(config), "l.yml")), render(config));
}

TEST(Config, TakesHarborsReplicationPolicyAsItStandsInItsHandbook) {
  const os::ScratchFolder folder;
  os::replace_file(folder.path() / "policy.json", R"({
  "name": "release-to-production",
  "dest_registry": {"url": "https://harbor.prod.example", "insecure": false},
  "dest_namespace": "production",
  "trigger": {"type": "immediate"},
  "filters": [
    {"type": "tag", "pattern": "^v\\d+\\.\\d+\\.\\d+$"},
    {"type": "name", "pattern": "acme/**"},
    {"type": "label", "pattern": "release=yes"}
  ]
})");
  os::replace_file(folder.path() / "more.json", R"([
  {"name": "nightly", "dest_registry": {"url": "http://10.0.0.7:5000", "insecure": true},
   "trigger": {"type": "scheduled", "trigger_settings": {"cron": "0 0 2 * * *"}}, "deletion": false,
   "filters": [{"type": "tag", "value": "*-debug", "decoration": "excludes"}]},
  {"name": "off", "enabled": false, "dest_registry": {"url": "https://x.example"}}])");
  os::replace_file(folder.path() / "l.yml", R"(
replicate: [{file: policy.json}, {file: more.json}]
sources: {hello: {url: "https://git.example/a.git", image: registry.example/acme/web}}
)");
  const Config config = load(folder.path() / "l.yml");
  ASSERT_EQ(config.replicate.size(), 2u);
  const ReplicateRule& release = config.replicate[0];
  EXPECT_EQ(release.to, "harbor.prod.example/production");
  EXPECT_EQ(release.when, ReplicateWhen::immediate);
  EXPECT_EQ(release.tags, Patterns{"^v\\d+\\.\\d+\\.\\d+$"});
  EXPECT_EQ(release.names, Patterns{"acme/**"});
  EXPECT_EQ(release.labels, Patterns{"release=yes"});
  EXPECT_TRUE(config.registries.at("harbor.prod.example").trust.verify);
  const ReplicateRule& nightly = config.replicate[1];
  EXPECT_EQ(nightly.schedule, "0 2 * * *");
  EXPECT_EQ(nightly.tags_except, Patterns{"*-debug"});
  EXPECT_TRUE(config.registries.at("10.0.0.7:5000").plain_http);
  EXPECT_FALSE(config.registries.at("10.0.0.7:5000").trust.verify);
}

TEST(Config, TakesTheRestOfHarborsPolicyAsHarborMeansIt) {
  const os::ScratchFolder folder;
  const auto read = [&](const std::string& more) {
    os::replace_file(
        folder.path() / "policy.json",
        concat(R"({"name": "p", "dest_registry": {"url": "https://hub.docker.com"})", more, "}"));
    os::replace_file(folder.path() / "l.yml", R"(
replicate: [{file: policy.json}]
sources: {hello: {url: "https://git.example/a.git", image: registry.example/acme/web}}
)");
    return load(folder.path() / "l.yml").replicate.at(0);
  };
  EXPECT_EQ(read("").to, "docker.io");
  EXPECT_EQ(read("").rename, "{repository}") << "without a namespace the source's stays";
  EXPECT_EQ(read(R"(, "dest_namespace": "ns")").rename, "{name}");
  EXPECT_EQ(read(R"(, "dest_namespace": "ns", "dest_namespace_replace_count": 0)").rename,
            "{repository}");
  EXPECT_EQ(read(R"(, "speed": 100)").terms.push_limit, 102'400U);
  EXPECT_EQ(read(R"(, "speed": -1, "override": true)").terms.push_limit, 0U);
  EXPECT_THROW(read(R"(, "override": false)"), Error);
  EXPECT_THROW(read(R"(, "dest_namespace": "ns", "dest_namespace_replace_count": 2)"), Error);
}

TEST(Config, KnowsProductsOfRegistriesAndRulesThatOnlyWarm) {
  const Config config = parse(
      "registries: {h.example: {product: harbor, create: true, collect_garbage: true}}\n"
      "replicate: [{name: near, warm: [\"https://m.example/proxy\"], push_limit: 5MB}]\n"
      "retain: [{name: used, repositories: h.example/a/*, pulled_within: 30d}]\n"
      "sources: {a: {url: /a.git, secret: 'env:HOME', image: h.example/a/b}}\n",
      "l.yml");
  const registry::Options& options = config.registries.at("h.example");
  EXPECT_EQ(options.product, registry::Product::harbor);
  EXPECT_TRUE(options.create && options.collect_garbage);
  EXPECT_EQ(config.replicate.at(0).terms.warm, std::vector<std::string>{"https://m.example/proxy"});
  EXPECT_EQ(config.replicate.at(0).terms.push_limit, 5'000'000U);
  EXPECT_EQ(config.retain.at(0).pulled_within, std::chrono::hours(24 * 30));
  EXPECT_EQ(parse(render(config), "again.yml").retain.at(0).pulled_within,
            std::chrono::hours(24 * 30));
}

TEST(Config, RefusesRulesThatCannotBeMeant) {
  const auto refused = [](const std::string& rules) {
    return refusal(concat(
        rules, "\nsources: {a: {url: \"https://git.example/a.git\", image: r.example/a}}\n"));
  };
  EXPECT_TRUE(
      has(refused("retain: [{name: all, repositories: r.example/a}]"), "would keep nothing"));
  EXPECT_TRUE(has(refused("retain: [{name: x, keep: 0, repositories: a}]"), "would keep nothing"));
  EXPECT_TRUE(has(refused("replicate: [{name: x, to: \"https://r.example\"}]"), "needs `to`"));
  EXPECT_TRUE(has(refused("replicate: [{name: x}]"), "needs `to`"));
  EXPECT_TRUE(has(refused("replicate: [{name: x, warm: [mirror.example]}]"), "no URL in `warm`"));
  EXPECT_TRUE(
      has(refused("registries: {r.example: {product: nexus}}"), "auto, plain, harbor, ecr"));
  EXPECT_TRUE(
      has(refused("registries: {r.example: {api: r.example/api}}"), "registries.r.example"));
  EXPECT_TRUE(has(refused("replicate: [{name: x, to: r.example, when: scheduled}]"), "`schedule`"));
  EXPECT_TRUE(
      has(refused("replicate: [{name: x, to: r.example, only_signed: true}]"), "no `keys`"));
  EXPECT_TRUE(
      has(refused("replicate: [{name: x, to: r.example, delete_vanished: true}]"), "`from`"));
  EXPECT_TRUE(has(refused("replicate: [{file: missing.json}]"), "missing.json"));
  EXPECT_TRUE(
      has(refused("replicate: [{name: x, dest_registry: {insecure: true}}]"), "needs the `url`"));
  EXPECT_TRUE(has(refused("replicate: [{nmae: x, to: r.example}]"), "did you mean \"name\""));
}

TEST(Config, FindsAnEngineWhenNoneIsNamed) {
  setenv("DOCKER_HOST", "unix:///run/other.sock", 1);
  const Config config = parse("sources: {a: {url: /a.git, image: localhost/a}}", "l.yml");
  unsetenv("DOCKER_HOST");
  ASSERT_EQ(config.engines.size(), 1u);
  EXPECT_EQ(config.engines[0].name, "local");
  EXPECT_EQ(config.engines[0].host, "unix:///run/other.sock");
}

TEST(Config, NamesTheLineTheKeyAndTheLikelyWord) {
  const std::string why = refusal("listen: 127.0.0.1:1\nsources:\n  a:\n    ulr: /a.git\n");
  EXPECT_TRUE(
      has(why, "lighterman.yml:4: sources.a.ulr: is not known here (did you mean \"url\"?)"))
      << why;
  EXPECT_TRUE(has(why, "sources.a.url: is missing")) << why;
  EXPECT_TRUE(has(why, "sources.a: has no image")) << why;
}

TEST(Config, TellsEverythingWrongAtOnce) {
  const std::string why = refusal(
      "listen: nowhere\nlog_format: jsn\nbody_limit: many\nworkers: -1\n"
      "staging: {compression: lzma}\n"
      "engines: [{name: a, host: 'ssh://x'}, {name: a, slots: 0}]\n"
      "registries: {reg.example: {username: u}}\n"
      "sources: {'../up': {url: /a.git, image: 'reg.example/a:1'}}\n");
  for (const char* part :
       {"listen: must be an address", "log_format: must be text or json (did you mean \"json\"?)",
        "body_limit: ", "workers: must be a whole number", "compression: must be gzip or zstd",
        "two engines have the name \"a\"", "engine \"a\": ", "at least one of `slots`",
        "registries.reg.example: needs both", "sources.../up: is no good name",
        "cannot have a tag"}) {
    EXPECT_TRUE(has(why, part)) << part << "\nis not in\n" << why;
  }
}

TEST(Config, TellsTheLineOfPartsThatDoNotFitOneAnother) {
  const std::string why = refusal(
      "listen: 127.0.0.1:7070\nlog_format: jsn\n"
      "sources:\n  a:\n    url: /a.git\n    image: localhost/a\n    forge: gitae\n");
  EXPECT_TRUE(has(why, "lighterman.yml:2: log_format: ")) << why;
  EXPECT_TRUE(has(why, "lighterman.yml:7: sources.a.forge: ")) << why;
}

TEST(Config, SaysWhoIsBelieved) {
  const std::string sources = "sources: {a: {url: /a.git, image: localhost/a}}\n";
  const Config config =
      parse(concat(sources,
                   "tls: {cert: /c.pem, key: /k.pem}\ntrusted_proxies: [10.0.0.0/8, '::1']\n"
                   "identity: {user: X-User, roles: {ops: admin}, everybody: viewer}\n"
                   "tokens: [{name: t, place: 'env:T', role: admin, sources: [a]}]\n"),
            "l.yml");
  EXPECT_EQ(config.tls->key_file, "/k.pem");
  EXPECT_EQ(config.base_url(), "https://127.0.0.1:7070");
  EXPECT_EQ(config.identity->groups.at("ops"), Role::admin);
  EXPECT_EQ(config.identity->everybody, Role::viewer);
  EXPECT_EQ(config.tokens[0].sources, std::vector<std::string>{"a"});
  EXPECT_EQ(render(parse(render(config), "again.yml")), render(config));

  const auto refused = [&](const std::string& text) { return refusal(concat(sources, text)); };
  EXPECT_TRUE(has(refused("tls: {cert: /c.pem}"), "tls: needs both `cert` and `key`"));
  EXPECT_TRUE(has(refused("trusted_proxies: [10.0.0/8]"), "trusted_proxies: \"10.0.0/8\" is"));
  EXPECT_TRUE(has(refused("identity: {everybody: viewer}"), "identity: needs `trusted_proxies`"));
  EXPECT_TRUE(has(refused("trusted_proxies: [10.0.0.1]\nidentity: {}"), "gives nobody a role"));
  EXPECT_TRUE(has(refused("trusted_proxies: [10.0.0.1]\nidentity: {roles: {a: god}}"),
                  "identity.roles.a: unknown role"));
  EXPECT_TRUE(has(refused("tokens: [{name: t, place: 'env:T', sources: []}]"), "names none"));
  EXPECT_TRUE(has(refused("tokens: [{name: t, place: 'env:T', sources: [b]}]"),
                  "token \"t\": no source is called \"b\""));
}

TEST(Config, NeverRepeatsAPasswordWrittenWhereAPlaceBelongs) {
  const std::string why = refusal(
      "registries: {reg.example: {username: u, password: hunter2}}\n"
      "sources: {a: {url: /a.git, secret: hunter2, image: localhost/a}}\n");
  EXPECT_TRUE(has(why, "sources.a.secret: must say where the secret lies")) << why;
  EXPECT_FALSE(has(why, "hunter2")) << why;
}

TEST(Config, SaysWhereTheYamlBreaks) {
  EXPECT_TRUE(has(refusal("sources:\n  a: [\n"), "lighterman.yml:3: not valid YAML"));
  EXPECT_TRUE(has(refusal("a: 1\na: 1\n"), "is there twice"));
  EXPECT_TRUE(has(refusal(""), "lighterman init"));
  EXPECT_TRUE(has(refusal("- a\n"), "must be a mapping"));
}

TEST(Config, LeavesTheUsersOwnKeysAlone) {
  EXPECT_NO_THROW(
      parse("x-common: &c {submodules: false}\n"
            "sources: {a: {url: /a.git, image: localhost/a, x-owner: me}}\n",
            "l.yml"));
}

TEST(Config, ShowsItselfAsYamlThatMeansTheSame) {
  const Config config = parse(usual, "lighterman.yml");
  const std::string shown = render(config);
  EXPECT_TRUE(has(shown, "env:ROBOT_PASSWORD"));
  EXPECT_EQ(render(parse(shown, "again.yml")), shown);
}

TEST(Config, AllowsPathsInsideTheRepositoryOnly) {
  const std::string why =
      refusal("sources: {a: {url: /a.git, images: {w: {reference: localhost/a, context: ../..}}}}");
  EXPECT_TRUE(has(why, "sources.a.images.w.context: must lie in the repository")) << why;
}

TEST(Config, ASourceThatIsNotThereHasANearName) {
  const Config config = parse(usual, "lighterman.yml");
  try {
    config.source("helo");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_TRUE(has(error.what(), "(did you mean \"hello\"?)")) << error.what();
  }
}

TEST(Config, ExaminesSecretsAndFilesBeforeTheyAreNeeded) {
  unsetenv("ROBOT_PASSWORD");
  const Config config = parse(usual, "lighterman.yml");
  std::string all;
  for (const Finding& finding : examine(config)) all += finding.where + ": " + finding.text + "\n";
  EXPECT_TRUE(has(all, "registries.registry.example:5000.password: secret env:ROBOT_PASSWORD"))
      << all;
  EXPECT_TRUE(has(all, "sources.hello.secret: secret file:/etc/lighterman/hook")) << all;
  EXPECT_TRUE(has(all, "tokens: there are none")) << all;
}

TEST(Config, WarnsWhereEveryLocalProgramMaySayThatItIsAnybody) {
  const auto warned = [](const std::string& proxies) {
    const Config config =
        parse(concat("identity: {everybody: viewer}\ntrusted_proxies: [", proxies, "]\n"), "l.yml");
    const std::vector<Finding> found = examine(config);
    return std::ranges::any_of(
        found, [](const Finding& finding) { return has(finding.text, "every local program"); });
  };
  for (const char* proxies : {"127.0.0.0/8", "10.0.0.0/8, '::1'", "0.0.0.0/0"})
    EXPECT_TRUE(warned(proxies)) << proxies;
  EXPECT_FALSE(warned("10.0.0.0/8"));
}

TEST(Config, WarnsThatTheApiAnswersNobodyWhereOthersReachItAndThereAreNoTokens) {
  const auto warned = [](const std::string& url) {
    const std::vector<Finding> found = examine(parse(concat("public_url: ", url, "\n"), "l.yml"));
    return std::ranges::any_of(
        found, [](const Finding& finding) { return has(finding.text, "others reach the API"); });
  };
  EXPECT_TRUE(warned("https://builds.example"));
  EXPECT_FALSE(warned("http://localhost:7070"));
}

TEST(Config, DescribesEveryKeyForEditors) {
  const boost::json::value described = schema();
  EXPECT_EQ(described.at("$schema"), "https://json-schema.org/draft/2020-12/schema");
  EXPECT_TRUE(described.at_pointer("/properties/sources/additionalProperties/properties/url")
                  .at("description")
                  .is_string());
}

/// The names of all keys that a schema knows, at any depth.
void collect_keys(const boost::json::value& schema, std::set<std::string>& keys) {
  if (schema.is_array())
    for (const auto& each : schema.get_array()) collect_keys(each, keys);
  if (!schema.is_object()) return;
  for (const auto& [name, value] : schema.get_object()) {
    if (name == "properties")
      for (const auto& property : value.as_object()) keys.insert(property.key());
    collect_keys(value, keys);
  }
}

TEST(Examples, AreGoodAndTheLongOneShowsEveryKey) {
  const std::filesystem::path folder = std::filesystem::path(LIGHTERMAN_TREE) / "examples";
  EXPECT_EQ(load(folder / "minimal.yml").sources.size(), 1u);
  EXPECT_EQ(load(folder / "lighterman.yml").sources.size(), 3u);
  const std::string text = os::read_file(folder / "lighterman.yml");
  std::set<std::string> keys;
  collect_keys(schema(), keys);
  EXPECT_GT(keys.size(), 50u);
  for (const std::string& key : keys) EXPECT_TRUE(has(text, key + ":")) << key;
}

TEST(RepositoryFile, MayPublishOnlyWhereItsOperatorAllows) {
  Config config = parse(
      "sources: {a: {url: /a.git, repository_file: true, allowed_targets: ['localhost/a/**'],"
      " images: {web: {reference: localhost/a/web, memory: 1GiB}}}}",
      "l.yml");
  const Source& source = config.source("a");
  const auto images =
      parse_repository_file("images: {web: {reference: localhost/a/b, target: x}}", source);
  EXPECT_EQ(images.at("web").target, "x");
  EXPECT_EQ(images.at("web").limits.memory_bytes, 1ull << 30);
  expect_refused("images.w: may not publish to \"localhost/b\"",
                 [&] { parse_repository_file("images: {w: localhost/b}", source); });
  const std::string why = failure_of([&] {
    parse_repository_file(
        "images: {w: {reference: localhost/a/w, secrets: {k: 'env:HOME'}}}\nlisten: x", source);
  });
  EXPECT_TRUE(has(why, "images.w.secrets: is not known here")) << why;
  EXPECT_TRUE(has(why, "listen: is not known here")) << why;
}

}  // namespace
}  // namespace lighterman::config
