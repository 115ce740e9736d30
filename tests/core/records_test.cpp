#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "core/build_plan.hpp"
#include "core/image.hpp"
#include "core/json.hpp"
#include "core/run.hpp"
#include "support/failure.hpp"

namespace lighterman {
namespace {

namespace json = boost::json;

/// Through text, as the store and the API send it.
json::value sent(const json::value& value) { return parse_json(json::serialize(value), "it"); }

Digest digest(char digit) { return Digest::parse("sha256:" + std::string(64, digit)); }
Descriptor blob(char digit, std::uint64_t size) {
  return {std::string(media::oci_layer_gzip), digest(digit), size};
}

PushEvent event() {
  PushEvent event;
  event.source = "shop";
  event.origin = Origin::catch_up;
  event.delivery = "d-1";
  event.ref = "refs/heads/feature/x";
  event.commit = std::string(40, 'a');
  event.before = std::string(64, 'b');
  event.forge = "gitea";
  event.author = "Ada";
  event.message = "line\n\"two\" ü";
  event.reason = "asked";
  event.changed_paths = std::vector<std::string>{"a", "b/c"};
  event.images = {"web"};
  event.args = {{"VERSION", "1"}};
  event.no_cache = true;
  event.received = Instant{std::chrono::milliseconds(1717171717171)};
  return event;
}

TEST(PushEvent, SurvivesJson) {
  const json::value written = to_json(event());
  const PushEvent read = push_event_from(sent(written));
  EXPECT_EQ(to_json(read), written);
  EXPECT_EQ(read.changed_paths, event().changed_paths);
  EXPECT_EQ(read.received, event().received);
}

TEST(PushEvent, TellsUnknownPathsFromNone) {
  PushEvent unknown = event(), none = event();
  unknown.changed_paths.reset();
  none.changed_paths.emplace();
  EXPECT_EQ(push_event_from(sent(to_json(unknown))).changed_paths, std::nullopt);
  EXPECT_EQ(push_event_from(sent(to_json(none))).changed_paths, std::vector<std::string>{});
}

TEST(PushEvent, KnowsItsBranchOrTag) {
  PushEvent push = event();
  EXPECT_EQ(push.branch(), "feature/x");
  EXPECT_EQ(push.tag(), std::nullopt);
  push.ref = "refs/tags/v1";
  EXPECT_EQ(push.tag(), "v1");
  EXPECT_EQ(push.branch(), std::nullopt);
}

TEST(PushEvent, RefusesBadFieldsByName) {
  const auto with = [](const char* name, json::value value) {
    json::value given = to_json(event());
    given.as_object()[name] = std::move(value);
    return given;
  };
  expect_refused("push event.commit", [&] { push_event_from(with("commit", "../../etc")); });
  expect_refused("push event.before", [&] { push_event_from(with("before", "abc")); });
  expect_refused("push event.origin: unknown origin \"x\" (choices: webhook",
                 [&] { push_event_from(with("origin", "x")); });
  expect_refused("push event.source", [&] { push_event_from(with("source", nullptr)); });
  expect_refused("push event.args.a", [&] { push_event_from(with("args", {{"a", 1}})); });
  expect_refused("push event.images", [&] { push_event_from(with("images", "web")); });
}

BuildPlan plan() {
  BuildPlan plan;
  plan.image = "web";
  plan.source = "shop";
  plan.commit = std::string(40, 'a');
  plan.ref = "refs/heads/main";
  plan.context = "web";
  plan.dockerfile = "web/Dockerfile";
  plan.target = "final";
  plan.platform = "linux/arm64";
  plan.network = "none";
  plan.engine = "big";
  plan.builder = Builder::classic;
  plan.staging = StagingWay::exported;
  plan.reproducible = plan.no_cache = plan.pull = true;
  plan.args = {{"A", "1"}};
  plan.labels = {{"l", "2"}};
  plan.cache_from = {"r.example/web:cache"};
  plan.cache_to = "r.example/web:cache";
  plan.contexts = {{"base", parse_named_context("docker-image://r.example/base:1")},
                   {"files", parse_named_context("shared/files")},
                   {"lib", parse_named_context("source:lib#main:src")}};
  plan.secrets = {{"npm", "env:NPM"}};
  plan.targets = {Reference::parse("r.example/web"), Reference::parse("localhost:5000/web")};
  plan.tags = {{"latest", true}, {"1.2.3", false}};
  plan.limits = {std::uint64_t{3} << 30, 1.5, std::chrono::minutes(5)};
  return plan;
}

TEST(BuildPlan, SurvivesJson) {
  const json::value written = to_json(plan());
  const BuildPlan read = build_plan_from(sent(written));
  EXPECT_EQ(to_json(read), written);
  EXPECT_EQ(read.tags, plan().tags);
  EXPECT_EQ(read.limits.timeout, plan().limits.timeout);
  EXPECT_EQ(read.limits.cpus, 1.5);
}

TEST(BuildPlan, FillsInWhatIsNotSaid) {
  const BuildPlan read = build_plan_from(
      json::object{{"image", "web"}, {"source", "shop"}, {"commit", std::string(40, 'a')}});
  EXPECT_EQ(read.dockerfile, "Dockerfile");
  EXPECT_EQ(read.context, ".");
  EXPECT_EQ(read.limits.timeout, std::chrono::hours(1));
}

TEST(BuildPlan, RefusesBadFieldsByName) {
  const auto with = [](const char* name, json::value value) {
    json::value given = to_json(plan());
    given.as_object()[name] = std::move(value);
    return given;
  };
  expect_refused("build plan.image: missing", [&] { build_plan_from(with("image", nullptr)); });
  expect_refused("build plan.builder", [&] { build_plan_from(with("builder", "make")); });
  expect_refused("build plan.staging", [&] { build_plan_from(with("staging", "fly")); });
  expect_refused("build plan.targets", [&] { build_plan_from(with("targets", {"A/B"})); });
  expect_refused("build plan.tags.tag", [&] {
    build_plan_from(with("tags", {json::object{{"tag", "a/b"}}}));
  });
  expect_refused("build plan.limits.cpus", [&] {
    build_plan_from(with("limits", json::object{{"cpus", -1}}));
  });
  expect_refused("build plan.limits.timeout_ms", [&] {
    build_plan_from(with("limits", json::object{{"timeout_ms", -1}}));
  });
}

TEST(StagedImage, SurvivesJson) {
  StagedImage image(digest('1'), blob('2', 10));
  image.media_type = media::docker_manifest;
  image.image_id = digest('2').text();
  image.repository = "shop/web";
  image.layers = {{blob('3', std::uint64_t{1} << 40), DiffId(digest('4')), "COPY . .", true},
                  {blob('5', 0), std::nullopt, "", false}};
  const json::value written = to_json(image);
  const StagedImage read = staged_image_from(sent(written));
  EXPECT_EQ(to_json(read), written);
  EXPECT_EQ(read.layers[0].blob, image.layers[0].blob);
  EXPECT_EQ(read.layers[1].diff_id, std::nullopt);
  json::value broken = written;
  broken.at("layers").at(0).at("blob").as_object()["digest"] = "md5:1";
  expect_refused("staged image.layers.blob: descriptor.digest", [&] { staged_image_from(broken); });
}

TEST(PublishedImage, SurvivesJson) {
  PublishedImage image{Reference::parse("r.example/web").at(digest('1')), {}, {}};
  image.layers = {{blob('3', 7), LayerFate::mounted, "mounted from acme/base", 0, "RUN make"},
                  {blob('4', 8), LayerFate::sent, "new", 8, ""}};
  image.tags = {{"latest", TagOutcome::Fate::held_back, "commit b is newer"},
                {"1", TagOutcome::Fate::created, ""}};
  const json::value written = to_json(image);
  EXPECT_EQ(to_json(published_image_from(sent(written))), written);
  json::value broken = written;
  broken.at("layers").at(1).as_object()["fate"] = "lost";
  expect_refused("published image.layers.fate", [&] { published_image_from(broken); });
  broken = written;
  broken.at("tags").at(0).as_object()["fate"] = "lost";
  expect_refused("published image.tags.fate", [&] { published_image_from(broken); });
}

TEST(Run, ShowsTimesAndNothingAsNull) {
  lighterman::Run run;
  run.id = 42;
  run.event = event();
  run.state = RunState::running;
  run.started = Instant{std::chrono::milliseconds(1)};
  const json::value shown = to_json(run);
  EXPECT_EQ(shown.at("id").as_int64(), 42);
  EXPECT_EQ(shown.at("state").as_string(), "running");
  EXPECT_EQ(shown.at("started").as_string(), "1970-01-01T00:00:00.001Z");
  EXPECT_TRUE(shown.at("ended").is_null());
  EXPECT_TRUE(shown.at("retry_of").is_null());
  EXPECT_EQ(shown.at("event").at("source").as_string(), "shop");
}

TEST(Run, NamesEveryStateAndKnowsWhichAreFinal) {
  int final_states = 0;
  for (const RunState state :
       {RunState::queued, RunState::running, RunState::succeeded, RunState::failed,
        RunState::denied, RunState::cancelled, RunState::superseded, RunState::skipped}) {
    EXPECT_EQ(parse_run_state(render(state)), state);
    final_states += is_final(state) ? 1 : 0;
  }
  EXPECT_EQ(final_states, 6);
  EXPECT_FALSE(is_final(RunState::queued));
  EXPECT_FALSE(is_final(RunState::running));
  for (const StageState state : {StageState::running, StageState::done, StageState::failed})
    EXPECT_EQ(parse_stage_state(render(state)), state);
  expect_refused("choices: queued, running", [] { parse_run_state("asleep"); });
}

TEST(Manifest, ComposesWhatItCanParse) {
  const Manifest composed = Manifest::compose(blob('1', 2), {blob('3', 4), blob('5', 6)});
  const Manifest parsed = Manifest::parse(composed.bytes());
  EXPECT_EQ(parsed.bytes(), composed.bytes());
  EXPECT_EQ(parsed.media_type(), media::oci_manifest);
  EXPECT_EQ(parsed.config(), blob('1', 2));
  EXPECT_EQ(parsed.layers(), composed.layers());
  EXPECT_TRUE(composed.bytes().starts_with(
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{)"))
      << composed.bytes();
}

TEST(Manifest, KeepsItsBytesAsTheyWere) {
  const std::string bytes =
      R"( {"config": {"size": 2, "digest": ")" + digest('1').text() +
      R"(", "mediaType": "x"}, "layers": [], "schemaVersion": 2, "more": 1} )";
  EXPECT_EQ(Manifest::parse(bytes).bytes(), bytes);
  EXPECT_EQ(Manifest::parse(bytes).media_type(), media::oci_manifest);
}

TEST(Manifest, RefusesIndexesAndBrokenParts) {
  expect_refused("index", [] { Manifest::parse(R"({"schemaVersion":2,"manifests":[]})"); });
  expect_refused("schemaVersion", [] { Manifest::parse(R"({"schemaVersion":1})"); });
  expect_refused("manifest.config", [] { Manifest::parse(R"({"schemaVersion":2})"); });
  expect_refused("mediaType",
                 [] { Manifest::parse(R"({"schemaVersion":2,"mediaType":"text/plain"})"); });
  std::string negative = Manifest::compose(blob('1', 2), {}).bytes();
  negative.replace(negative.find("\"size\":2"), 8, "\"size\":-2");
  expect_refused("descriptor.size", [&] { Manifest::parse(negative); });
}

TEST(ImageConfig, NamesTheInstructionOfEachLayer) {
  const std::string bytes = json::serialize(json::object{
      {"os", "linux"},
      {"architecture", "amd64"},
      {"config", {{"Labels", {{"a", "b"}}}}},
      {"rootfs",
       {{"type", "layers"},
        {"diff_ids", {digest('1').text(), digest('2').text(), digest('3').text()}}}},
      {"history",
       {json::object{{"created_by", "/bin/sh -c #(nop) ADD file:1 in / "}},
        json::object{{"created_by", "/bin/sh -c #(nop)  CMD [\"sh\"]"}, {"empty_layer", true}},
        json::object{{"created_by", "RUN /bin/sh -c make # buildkit"}},
        json::object{{"created_by", "/bin/sh -c make install"}}}}});
  const ImageConfig config = ImageConfig::parse(bytes);
  EXPECT_EQ(config.instruction_of(0), "ADD file:1 in /");
  EXPECT_EQ(config.instruction_of(1), "RUN make");
  EXPECT_EQ(config.instruction_of(2), "RUN make install");
  EXPECT_EQ(config.instruction_of(3), "");
  EXPECT_EQ(config.labels.at("a"), "b");
  EXPECT_EQ(config.diff_ids[1].digest(), digest('2'));
}

TEST(ImageConfig, NamesNoInstructionWhenTheHistoryDoesNotFit) {
  const ImageConfig config = ImageConfig::parse(
      R"({"os":"linux","architecture":"amd64","config":{"Labels":null},"rootfs":{"diff_ids":[")" +
      digest('1').text() + R"("]}})");
  EXPECT_EQ(config.instruction_of(0), "");
  EXPECT_TRUE(config.labels.empty());
  expect_refused("image configuration.rootfs",
                 [] { ImageConfig::parse(R"({"os":"linux","architecture":"amd64"})"); });
}

}  // namespace
}  // namespace lighterman
