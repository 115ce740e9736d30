#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>
#include <set>
#include <string>

#include "core/guarded.hpp"
#include "core/manifest.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "pipeline/replicator.hpp"
#include "support/background.hpp"
#include "support/registry.hpp"

namespace lighterman::pipeline {

inline const std::stop_token never;

/// Two real registries under one configuration.
class CarryTest : public ::testing::Test {
 protected:
  CarryTest() {
    config->data = folder.path();
    for (const auto* each : {&near, &far}) {
      registry::Options& options = config->registries[each->host()];
      options.host = each->host();
      options.use_docker_config = false;
      options.retry.attempts = 1;
    }
  }
  config::ReplicateRule& rule(const std::string& name) {
    config::ReplicateRule& made = config->replicate.emplace_back();
    made.name = name;
    made.to = concat(far.host(), "/mirror");
    made.from = {shop.name()};
    return made;
  }
  void start() { yard = std::make_shared<Yard>(config, store); }
  registry::Client& client(const support::RealRegistry& registry) {
    return yard->registry(registry.host());
  }
  Digest push(const std::string& tag, const std::string& content,
              const std::string& labels = "{}") {
    if (!yard) start();
    const auto blob = [&](const std::string& bytes, std::string_view type) {
      const Descriptor descriptor{std::string(type), os::sha256(bytes), bytes.size()};
      client(near).bring({descriptor,
                          [&bytes](std::uint64_t offset) {
                            return [rest = bytes.substr(offset)](char* into,
                                                                 std::size_t room) mutable {
                              const std::size_t part = rest.copy(into, room);
                              rest.erase(0, part);
                              return part;
                            };
                          }},
                         shop, {}, never);
      return descriptor;
    };
    const Descriptor config =
        blob(concat(R"({"os":"linux","architecture":"amd64","created":"2026-01-0)",
                    1 + pushed++ % 9, R"(T00:00:00Z","config":{"Labels":)", labels,
                    R"(},"rootfs":{"type":"layers","diff_ids":[]}})"),
             media::oci_config);
    const Descriptor layer = blob(content, media::oci_layer_gzip);
    return client(near).put_manifest(shop.with_tag(tag), std::string(media::oci_manifest),
                                     Manifest::compose(config, {layer}).bytes(), never);
  }
  std::set<std::string> tags(const support::RealRegistry& registry, const Reference& repository) {
    const auto all = client(registry).tags(repository, never);
    return {all.begin(), all.end()};
  }
  std::set<std::string> missing(const std::string& name) {
    std::set<std::string> found;
    for (const config::ReplicateRule& each : config->replicate) {
      if (each.name != name) continue;
      plan = plan_replication(*yard, each, never);
      for (const Replication& one : plan.missing) found.insert(join(one.tags, ","));
    }
    return found;
  }
  void run() {
    start();
    replicator = std::make_unique<Replicator>(
        [this] { return yard; }, store,
        [this](std::string_view, const std::string& text) {
          told.with([&](std::string& all) { all += text + '\n'; });
        },
        net::Retry{100, std::chrono::milliseconds(50), std::chrono::milliseconds(100), {}});
  }
  bool settled() {
    return support::eventually([&] { return store.replications({.open = true}).empty(); });
  }

  os::ScratchFolder folder;
  store::Store store{{folder.path() / "l.db"}};
  support::RealRegistry near, far;
  std::shared_ptr<config::Config> config = std::make_shared<config::Config>();
  std::shared_ptr<Yard> yard;
  Reference shop = Reference::parse(concat(near.host(), "/acme/shop"));
  Reference mirror = Reference::parse(concat(far.host(), "/mirror/shop"));
  int pushed = 0;
  ReplicatePlan plan;
  Guarded<std::string> told;
  std::unique_ptr<Replicator> replicator;
};

}  // namespace lighterman::pipeline
