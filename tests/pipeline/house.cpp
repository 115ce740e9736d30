#include "pipeline/house.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/program.hpp"
#include "support/peers.hpp"

namespace lighterman::pipeline {

support::RealEngine& the_engine() {
  static support::RealEngine engine;
  static const bool has_base = (engine.import_busybox("busybox:latest"), true);
  (void)has_base;
  return engine;
}

support::RealRegistry& the_registry() {
  static support::RealRegistry registry;
  return registry;
}

support::RealEngine& newer_engine(bool containerd_store) {
  static std::map<bool, std::unique_ptr<support::RealEngine>> engines;
  std::unique_ptr<support::RealEngine>& engine = engines[containerd_store];
  if (engine) return *engine;
  support::Peers::get();
  engine = std::make_unique<support::RealEngine>(
      std::vector<std::string>{
          concat("--feature=containerd-snapshotter=", containerd_store ? "true" : "false")},
      (support::Peers::folder() / "dockerd").native());
  engine->import_busybox();
  return *engine;
}

const std::string& local_base() {
  static const std::string base = [] {
    std::string name = concat(the_registry().host(), "/base/busybox:latest");
    the_engine().docker({"tag", "busybox:latest", name});
    the_engine().docker({"push", "-q", name});
    the_engine().docker({"rmi", name});
    return name;
  }();
  return base;
}

void build_by_cli(std::vector<std::string> arguments) {
  const std::vector<std::string> build{"build", "-q", "--network", "none"};
  arguments.insert(arguments.begin(), build.begin(), build.end());
  const os::Outcome built = os::perform(
      {.name = "/usr/bin/docker",
       .arguments = std::move(arguments),
       .environment = {{"DOCKER_HOST", the_engine().address()}, {"DOCKER_BUILDKIT", "1"}}});
  ASSERT_EQ(built.exit_code, 0) << built.errors;
}

void have_two_platforms() {
  static const bool done = [] {
    support::RealEngine& engine = the_engine();
    engine.docker({"tag", "busybox:latest", "busybox-amd64:latest"});
    const os::ScratchFolder folder;
    const std::string file = (folder.path() / "rootfs.tar").native();
    const std::string id = engine.docker({"create", "busybox:latest", "true"});
    engine.docker({"export", "-o", file, id});
    engine.docker({"rm", id});
    os::replace_file(folder.path() / "Dockerfile", "FROM scratch\nADD rootfs.tar /\n");
    build_by_cli(
        {"--platform", "linux/arm64", "-t", "busybox-arm64:latest", folder.path().native()});
    return true;
  }();
  (void)done;
}

House::House(support::RealEngine& real) : engine_(real) {
  static std::atomic<int> houses{0};
  repository = concat("acme/shop-", ++houses);
  config.data = folder_.path();
  config.staging_listen = concat("127.0.0.1:", support::free_port());
  engine::Options engine;
  engine.name = "real";
  engine.host = engine_.address();
  config.engines = {engine};
  config::Source source;
  source.name = "shop";
  source.url = git.url();
  config::Image image;
  image.name = "web";
  image.network = "none";
  image.targets = {reference()};
  image.limits.timeout = std::chrono::minutes(5);
  source.images["web"] = image;
  config.sources["shop"] = source;
  registry::Options registry;
  registry.host = the_registry().host();
  registry.use_docker_config = false;
  config.registries[registry.host] = registry;
  options.retry = {60, std::chrono::milliseconds(100), std::chrono::milliseconds(500), {}};
}

House::~House() { stop(); }

void House::start() {
  stop();
  std::filesystem::create_directories(config.data / "mirrors");
  store = std::make_unique<store::Store>(store::Options{config.data / "lighterman.db"});
  store->requeue_interrupted();
  staging::Options options_of_staging;
  options_of_staging.folder = config.data / "staging";
  options_of_staging.listen = config.staging_listen;
  staging = std::make_unique<staging::Staging>(options_of_staging, *store);
  staging->start();
  yard = std::make_shared<Yard>(std::make_shared<const config::Config>(config), *store);
  workers = std::make_unique<Workers>(
      options, 2, *staging, *store, [this] { return yard; }, [](const Run&, const RunEnd&) {});
}

void House::stop() {
  workers.reset();
  yard.reset();
  staging.reset();
  store.reset();
}

RunId House::begin(const std::string& ref, const std::string& commit) {
  PushEvent event;
  event.source = "shop";
  event.ref = ref;
  event.commit = commit;
  event.delivery = concat("delivery-", ++deliveries_);
  event.received = system_now();
  return store->add(event, store::Store::Supersede::no).run;
}

Run House::push(const std::string& ref, const std::string& commit) {
  return wait(begin(ref, commit));
}

Run House::wait(RunId run, std::chrono::seconds limit) {
  const bool ended = support::eventually([&] { return is_final(store->get(run).state); }, limit);
  EXPECT_TRUE(ended) << "run " << run << " does not end:\n" << log(run);
  return store->get(run);
}

bool House::log_says(RunId run, const std::string& text) {
  return support::eventually([&] { return log(run).find(text) != std::string::npos; },
                             std::chrono::seconds(60));
}

std::string House::log(RunId run) const {
  std::string text;
  for (const JournalLine& line : store->journal(run, 0, 100000)) {
    text += concat(line.image, ' ', line.stage, ' ', line.kind, " | ", line.text, '\n');
  }
  return text;
}

PublishedImage House::published(RunId run, std::size_t target) const {
  const std::string name =
      concat("publish:", config.sources.at("shop").images.at("web").targets.at(target).name());
  const auto stage = store->find_stage(run, "web", name);
  if (!stage || stage->state != StageState::done) {
    throw Error(ErrorKind::not_found, concat("run ", run, " published nothing:\n", log(run)));
  }
  return published_image_from(stage->result);
}

std::optional<Digest> House::tag(const std::string& name, const std::string& at) {
  const Reference base = at.empty() ? reference() : Reference::parse(at);
  return yard->registry(base.host()).find_tag(base.with_tag(name), {});
}

std::string House::content(const std::string& tag, const std::string& file) {
  const std::string name = reference().with_tag(tag).text();
  the_engine().docker({"pull", "-q", name});
  const std::string text =
      the_engine().docker({"run", "--rm", "--network", "none", name, "cat", file});
  the_engine().docker({"rmi", name});
  return text;
}

void write_shop(support::GitRepository& git, const std::string& built, const std::string& late) {
  git.write("Dockerfile",
            "FROM busybox AS build\n"
            "COPY source.txt /source.txt\n"
            "RUN tr a-z A-Z </source.txt >/built.txt\n"
            "FROM busybox\n"
            "COPY --from=build /built.txt /built.txt\n"
            "COPY late.txt /late.txt\n"
            "CMD [\"cat\", \"/built.txt\"]\n");
  git.write("source.txt", built + "\n");
  git.write("late.txt", late + "\n");
}

std::size_t sent(const PublishedImage& image) {
  std::size_t count = 0;
  for (const LayerOutcome& layer : image.layers) count += layer.fate == LayerFate::sent ? 1 : 0;
  return count;
}

}  // namespace lighterman::pipeline
