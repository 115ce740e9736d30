// The facts of every hook, once: what specs build on and `lighterman plugin facts` prints.
#include <boost/json.hpp>

#include "core/json.hpp"
#include "core/text.hpp"
#include "policy/spec.hpp"

namespace lighterman::policy {
namespace {

using boost::json::array;
using boost::json::object;

constexpr const char* push_text = R"json({
  "source": "shop",
  "branch": "main",
  "ref": "refs/heads/main",
  "commit": "4f0c1a2b9d3e5f60718293a4b5c6d7e8f9012345",
  "short": "4f0c1a2b9d3e",
  "before": "1b2c3d4e5f60718293a4b5c6d7e8f90123456789",
  "author": "Ada Lovelace <ada@shop.example>",
  "author_known": true,
  "committed": "2026-03-14T15:00:00Z",
  "message": "Let carts survive a restart\n\nThey were kept in memory only.",
  "title": "Let carts survive a restart",
  "changed_paths": ["Dockerfile", "src/cart.go"],
  "forge": "gitea",
  "origin": "webhook",
  "default_branch": "main",
  "received": "2026-03-14T15:09:26.000Z",
  "run": 42
})json";

constexpr const char* planned_image_text = R"json({
  "name": "web",
  "targets": ["registry.example/acme/shop"],
  "context": ".",
  "dockerfile": "Dockerfile",
  "target": "",
  "platform": "linux/amd64",
  "args": {"GO_VERSION": "1.22"},
  "labels": {"org.opencontainers.image.title": "shop"},
  "tags": [{"tag": "main", "moving": true}]
})json";

constexpr const char* findings_text = R"json({
  "scanner": "trivy 0.50.1",
  "database_updated": "2026-03-14T06:00:00.000Z",
  "counts": {"CRITICAL": 1, "MEDIUM": 1},
  "list": [
    {"id": "CVE-2026-1111", "package": "openssl", "installed": "3.0.11-1", "fixed": "3.0.13-1",
     "severity": "CRITICAL", "status": "fixed", "title": "openssl: a handshake overflows a buffer",
     "layer": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
     "base": "debian:12"},
    {"id": "CVE-2026-2222", "package": "zlib1g", "installed": "1:1.2.13", "severity": "MEDIUM",
     "status": "affected", "title": "zlib: a length is not looked at",
     "layer": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
     "base": "debian:12"}
  ]
})json";

constexpr const char* staged_text = R"json({
  "name": "web",
  "target": "registry.example/acme/shop",
  "targets": ["registry.example/acme/shop"],
  "platform": "linux/amd64",
  "digest": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  "media_type": "application/vnd.oci.image.manifest.v1+json",
  "size": 36500000,
  "new_size": 7400000,
  "layers": [
    {"digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
     "diff_id": "sha256:1010101010101010101010101010101010101010101010101010101010101010",
     "size": 29100000, "media_type": "application/vnd.oci.image.layer.v1.tar+gzip",
     "instruction": "FROM debian:12", "line": 8, "new": false},
    {"digest": "sha256:2222222222222222222222222222222222222222222222222222222222222222",
     "diff_id": "sha256:2020202020202020202020202020202020202020202020202020202020202020",
     "size": 7400000, "media_type": "application/vnd.oci.image.layer.v1.tar+gzip",
     "instruction": "COPY --from=build /shop /usr/local/bin/shop", "line": 10, "new": true}
  ],
  "labels": {
    "org.opencontainers.image.title": "shop",
    "org.opencontainers.image.source": "https://git.example/acme/shop",
    "org.opencontainers.image.revision": "4f0c1a2b9d3e5f60718293a4b5c6d7e8f9012345",
    "org.opencontainers.image.licenses": "Apache-2.0"
  },
  "config": {
    "user": "app",
    "entrypoint": ["/usr/local/bin/shop"],
    "cmd": ["--listen", ":8080"],
    "workdir": "/srv",
    "os": "linux",
    "architecture": "amd64",
    "exposed_ports": ["8080/tcp"],
    "volumes": ["/srv/carts"],
    "healthcheck": true,
    "env": ["PATH", "SHOP_MODE"]
  },
  "bases": [
    {"image": "golang:1.22", "stage": "build",
     "digest": "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
     "created": "2026-03-05T00:00:00.000Z"},
    {"image": "debian:12",
     "digest": "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
     "signed_by": ["bases"], "created": "2026-03-10T00:00:00.000Z"}
  ],
  "tags": [{"tag": "main", "moving": true}],
  "sbom": {"format": "cyclonedx", "components": 118},
  "staging": {
    "address": "127.0.0.1:7071",
    "repository": "web",
    "reference": "127.0.0.1:7071/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  },
  "previous": {
    "digest": "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
    "size": 36100000,
    "commit": "1b2c3d4e5f60718293a4b5c6d7e8f90123456789",
    "tags": ["main"],
    "published": "2026-03-13T10:00:00.000Z",
    "run": 41
  },
  "built": true,
  "duration": 41.5
})json";

constexpr const char* rescan_text = R"json({
  "name": "web",
  "target": "registry.example/acme/shop",
  "targets": ["registry.example/acme/shop"],
  "references": ["registry.example/acme/shop@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
  "tags": ["main", "main-4f0c1a2b9d3e"],
  "labels": {"org.opencontainers.image.title": "shop"},
  "published": "2026-03-14T15:10:12.000Z"
})json";

constexpr const char* finished_text = R"json({
  "id": 42,
  "status": "succeeded",
  "previous_status": "succeeded",
  "reason": "",
  "started": "2026-03-14T15:09:27.000Z",
  "ended": "2026-03-14T15:10:12.000Z",
  "duration": 45,
  "url": "https://lighterman.example/runs/42",
  "images": [
    {"name": "web", "status": "succeeded",
     "references": ["registry.example/acme/shop@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
     "tags": ["main", "main-4f0c1a2b9d3e"]}
  ]
})json";

object parsed(const char* text) { return parse_json(text, "sample facts").as_object(); }

/// What publishing adds to a staged image.
void publish(object& image, const object& given) {
  array references, published;
  for (const auto& target : image["targets"].as_array()) {
    references.emplace_back(concat(target.as_string(), '@', image["digest"].as_string()));
    array tags;
    for (const auto& tag : image["tags"].as_array()) {
      const bool moving = tag.is_object() && Fields(tag, "tags").flag_or("moving", false);
      tags.push_back(
          {{"tag", tag.is_object() ? tag.at("tag") : tag}, {"fate", moving ? "moved" : "created"}});
    }
    published.push_back({{"target", target},
                         {"tags", tags},
                         {"layers", {{"sent", 1}, {"mounted", 0}, {"present", 1}}},
                         {"sent_bytes", image["new_size"]}});
  }
  if (!given.contains("references")) image["references"] = references;
  if (!given.contains("published")) image["published"] = published;
}

object sample_of(Hook hook) {
  object push = parsed(push_text);
  switch (hook) {
    case Hook::on_push:
      push["image"] = parsed(planned_image_text);
      return push;
    case Hook::on_staged:
    case Hook::on_published: {
      object image = parsed(staged_text);
      image["push"] = push;
      image["findings"] = parsed(findings_text);
      if (hook == Hook::on_published) publish(image, {});
      return image;
    }
    case Hook::on_rescan: {
      object image = parsed(rescan_text);
      image["push"] = push;
      image["findings"] = parsed(findings_text);
      image["new_findings"] = array{image["findings"].at("list").at(0)};
      return image;
    }
    case Hook::on_finished: {
      object run = parsed(finished_text);
      run["push"] = push;
      return run;
    }
  }
  return {};
}

bool is_none(const boost::json::value& value) {
  return value.is_object() && value.get_object().contains("$none");
}

/// What every push has that was not said: a spec that says `tag` means no branch.
void follow_push(object& push, const object& given) {
  const auto says = [&](const char* key) { return given.contains(key) && !is_none(given.at(key)); };
  const auto text = [&](const char* key) {
    return push.contains(key) && push[key].is_string() ? std::string(push[key].get_string()) : "";
  };
  if (says("tag") && !given.contains("branch")) push.erase("branch");
  if (!given.contains("ref")) {
    if (says("tag")) {
      push["ref"] = concat("refs/tags/", text("tag"));
    } else if (says("branch")) {
      push["ref"] = concat("refs/heads/", text("branch"));
    }
  }
  if (says("commit") && !given.contains("short")) push["short"] = text("commit").substr(0, 12);
  if (says("message") && !given.contains("title")) {
    push["title"] = split(text("message"), '\n').front();
  }
}

void follow_findings(object& findings, const object& given) {
  if (!given.contains("list") || given.contains("counts") || !findings["list"].is_array()) return;
  object counts;
  for (const auto& finding : findings["list"].get_array()) {
    const auto* severity =
        finding.is_object() ? finding.get_object().if_contains("severity") : nullptr;
    if (severity == nullptr || !severity->is_string()) continue;
    auto& count = counts[severity->get_string()];
    count = count.is_null() ? 1 : count.as_int64() + 1;
  }
  findings["counts"] = counts;
}

void lay_over(object& facts, const object& given) {
  for (const auto& field : given) {
    const std::string key(field.key());
    auto* old = facts.if_contains(key);
    if (is_none(field.value())) {
      facts.erase(key);
    } else if (field.value().is_object() && old != nullptr && old->is_object()) {
      lay_over(old->get_object(), field.value().get_object());
    } else if (field.value().is_object()) {
      object fresh;
      lay_over(fresh, field.value().get_object());
      facts[key] = fresh;
    } else {
      facts[key] = field.value();
    }
  }
  // Only a push has a commit and a ref; only findings have a list.
  if (facts.contains("ref") && facts.contains("commit")) follow_push(facts, given);
  if (facts.contains("scanner")) follow_findings(facts, given);
  if (facts.contains("targets") && given.contains("target") && !given.contains("targets") &&
      facts.contains("digest")) {
    facts["targets"] = array{given.at("target")};
  }
}

}  // namespace

const object& sample_facts(Hook hook) {
  static const std::map<Hook, object> samples = [] {
    std::map<Hook, object> all;
    for (const Hook each : hooks) all[each] = sample_of(each);
    return all;
  }();
  return samples.at(hook);
}

object image_for(Hook hook, object facts, const object& given) {
  if (hook == Hook::on_published) publish(facts, given);
  if (hook != Hook::on_rescan) return facts;
  // An image that was published has names of tags, not plans for them.
  for (const auto& field : sample_facts(hook)) {
    const bool other = !facts.contains(field.key()) || field.key() == "tags";
    if (other && !given.contains(field.key())) facts[field.key()] = field.value();
  }
  if (auto* tags = facts.if_contains("tags"); tags != nullptr && tags->is_array()) {
    for (auto& tag : tags->get_array()) {
      if (tag.is_object() && tag.get_object().contains("tag")) {
        tag = boost::json::value(tag.at("tag"));
      }
    }
  }
  return facts;
}

object facts_with(object facts, const object& given) {
  lay_over(facts, given);
  return facts;
}

}  // namespace lighterman::policy
