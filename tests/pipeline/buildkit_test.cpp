// What BuildKit is given and what it need not do, on a real Docker Engine and a real registry.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "os/program.hpp"
#include "pipeline/house.hpp"
#include "pipeline/image_index.hpp"
#include "support/token_server.hpp"

namespace lighterman::pipeline {
namespace {

boost::json::object engine_stage(House& house, RunId run, const std::string& image = "web") {
  const auto stage = house.store->find_stage(run, image, "engine");
  return stage && stage->result.is_object() ? stage->result.as_object() : boost::json::object();
}

bool says(const House& house, RunId run, const std::string& text) {
  return house.log(run).find(text) != std::string::npos;
}

TEST(Context, OneChangedFileOfManyIsAllThatGoesToTheEngine) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nCOPY . /all\n");
  for (int i = 0; i < 300; ++i)
    house.git.write(concat("folder", i % 7, "/file", i), concat("content ", i));
  house.git.commit("One");
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  house.git.write("folder3/file3", "other");
  house.git.commit("Two");
  // Neither the clone nor the daemon has to be the same.
  house.stop();
  std::filesystem::remove_all(house.config.data / "mirrors");
  house.start();

  const lighterman::Run run = house.push();

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(house.content("main", "/all/folder3/file3"), "other");
  // The engine asks for the Dockerfile and its ignore file each time.
  const boost::json::object sent = engine_stage(house, run.id).at("context").as_object();
  EXPECT_GE(sent.at("entries").to_number<int>(), 308) << boost::json::serialize(sent);
  EXPECT_LE(sent.at("files").to_number<int>(), 2) << boost::json::serialize(sent);
}

TEST(Context, AFileOfTheSameSizeThatChangedGivesANewImage) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nCOPY file /file\nRUN cp /file /copy\n");
  house.git.write("file", "AAAA");
  house.git.commit("One");
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  house.git.write("file", "BBBB");
  house.git.commit("Two");
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(house.content("main", "/copy"), "BBBB");
}

TEST(Context, GivesTheFilesThatTheDockerCliGivesBuildKit) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nCOPY . /tree\n");
  house.git.write(".dockerignore", "**/*.log\n!keep/*.log\nsecret\nDockerfile\n");
  house.git.write("a.b", "dot");
  house.git.write("a/deep/file", "deep");
  house.git.write("keep/one.log", "kept");
  house.git.write("drop/one.log", "dropped");
  house.git.write("secret/key", "secret");
  house.git.write_program("run", "#!/bin/sh\n");
  house.git.link("to/link", "../a/deep");
  house.git.write("naïve/船 with space.txt", "x");
  house.git.write(concat(std::string(120, 'n'), '/', std::string(120, 'm')), "long");
  house.git.commit("One");
  house.start();

  const lighterman::Run run = house.push();

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const std::string ours = house.reference().with_tag("main").text();
  support::RealEngine& engine = the_engine();
  engine.docker({"pull", "-q", ours});
  build_by_cli({"-t", "theirs", house.git.path().native()});
  const auto files = [&](const std::string& image) {
    return engine.docker({"run", "--rm", "--network", "none", image, "sh", "-c",
                          "cd /tree && find . ! -path './.git*' | sort | while read -r f; do"
                          " stat -c '%N %A %u %g' \"$f\"; [ ! -f \"$f\" ] || md5sum \"$f\"; done"});
  };
  std::string here = files(ours), there = files("theirs");
  EXPECT_EQ(here, there);
  EXPECT_NE(here.find("keep/one.log"), std::string::npos) << here;
  EXPECT_EQ(here.find("secret/key"), std::string::npos) << here;
  engine.docker({"rmi", ours, "theirs"});
}

TEST(BuildKit, MountsCachesFoldersAndMemoryAndSetsModes) {
  House house;
  house.git.write(
      "Dockerfile",
      "FROM busybox AS build\n"
      "RUN --mount=type=cache,target=/cache echo kept >/cache/file && echo made >/made\n"
      "FROM busybox\n"
      "RUN --mount=type=bind,from=build,source=/made,target=/mnt/made"
      " cp /mnt/made /from-bind\n"
      "RUN --mount=type=cache,target=/cache cp /cache/file /from-cache\n"
      "RUN --mount=type=tmpfs,target=/scratch touch /scratch/x\n"
      "COPY --chmod=0710 file /file\n"
      "RUN stat -c %a /file >/mode && ls /scratch | wc -l >/left\n");
  house.git.write("file", "x");
  house.git.commit("One");
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(house.content("main", "/from-cache"), "kept");
  EXPECT_EQ(house.content("main", "/from-bind"), "made");
  EXPECT_EQ(house.content("main", "/mode"), "710");
  EXPECT_EQ(house.content("main", "/left"), "0");
}

/// The program and the libraries it loads, below tools/ of the repository.
void add_program(support::GitRepository& git, const std::string& program) {
  const auto add = [&](const std::string& file) {
    const auto real = std::filesystem::canonical(file);
    git.write_program(concat("tools", file), os::read_file(real, 64 << 20));
  };
  add(program);
  const os::Outcome libraries = os::perform({.name = "ldd", .arguments = {program}});
  for (const std::string& line : split(libraries.output, '\n')) {
    const std::size_t slash = line.find('/');
    if (slash != std::string::npos) add(line.substr(slash, line.find(' ', slash) - slash));
  }
}

/// Whether a file of this folder, at any depth, holds the text.
bool holds(const std::filesystem::path& folder, const std::string& text) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.is_symlink()) continue;
    if (os::read_file(entry.path(), std::uint64_t{1} << 30).find(text) != std::string::npos)
      return true;
  }
  return false;
}

TEST(BuildKit, ASecretIsThereDuringItsStepAndNowhereAfterwards) {
  House house;
  house.git.write("Dockerfile",
                  "FROM busybox\n"
                  "RUN --mount=type=secret,id=npm md5sum </run/secrets/npm >/sum\n"
                  "RUN ls /run/secrets 2>&1 | wc -c >/after\n");
  house.git.commit("One");
  const os::ScratchFolder folder;
  const std::string secret = os::random_id();
  os::replace_file(folder.path() / "npm", secret, 0600);
  house.image().secrets = {{"npm", "file:" + (folder.path() / "npm").native()}};
  house.start();

  const lighterman::Run run = house.push();

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const os::Outcome sum = os::perform({.name = "md5sum", .input = secret});
  EXPECT_EQ(house.content("main", "/sum"), trim(sum.output));
  const std::string image = house.reference().with_tag("main").text();
  the_engine().docker({"pull", "-q", image});
  const std::filesystem::path saved = folder.path() / "saved";
  std::filesystem::create_directory(saved);
  // Its layers are plain tars.
  the_engine().docker({"save", "-o", (saved / "image.tar").native(), image});
  EXPECT_FALSE(holds(saved, secret));
  EXPECT_EQ(the_engine().docker({"history", "--no-trunc", image}).find(secret), std::string::npos);
  EXPECT_EQ(house.log(run.id).find(secret), std::string::npos);
  house.stop();
  EXPECT_FALSE(holds(house.config.data, secret)) << "staging, database";
  the_engine().docker({"rmi", image});
}

TEST(BuildKit, ASecretThatTheConfigurationDoesNotGrantIsNotGiven) {
  House house;
  house.git.write(
      "Dockerfile",
      "FROM busybox\nRUN --mount=type=secret,id=other,required cat /run/secrets/other\n");
  house.git.commit("One");
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("other"), std::string::npos) << run.why;
}

TEST(BuildKit, ACommitBuiltTwiceGivesTheSameDigest) {
  House house;
  write_shop(house.git);
  house.git.commit("One");
  house.image().reuse = Reuse::never;
  house.start();
  const lighterman::Run first = house.push();
  ASSERT_EQ(first.state, RunState::succeeded) << first.why;
  const lighterman::Run second = house.push();
  ASSERT_EQ(second.state, RunState::succeeded) << second.why;
  EXPECT_GT(engine_stage(house, second.id).at("steps").to_number<int>(), 0);
  EXPECT_EQ(house.published(first.id).reference, house.published(second.id).reference);
}

TEST(BuildKit, StepsSayWhyTheyWereBuilt) {
  House house;
  house.git.write("Dockerfile",
                  "FROM busybox AS build\nCOPY src /src\nRUN cat /src/* >/all\n"
                  "FROM busybox\nCOPY page /page\nCOPY --from=build /all /all\n");
  house.git.write("src/a", "a");
  house.git.write("src/b", "b");
  house.git.write("page", "page");
  house.git.commit("One");
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  house.git.write("src/b", "c");
  house.git.commit("Two");
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why;
  const boost::json::object built = engine_stage(house, run.id);
  std::map<std::string, std::string> whys;
  for (const boost::json::value& step : built.at("explained").as_array())
    whys[std::string(step.at("step").as_string())] = step.at("why").as_string();
  EXPECT_EQ(whys["[build 2/3] COPY src /src"], "src/b changed");
  EXPECT_EQ(whys["[build 3/3] RUN cat /src/* >/all"], "after [build 2/3] COPY src /src");
  EXPECT_EQ(whys["[stage-1 2/3] COPY page /page"], "cached");
  EXPECT_EQ(whys["[stage-1 3/3] COPY --from=build /all /all"],
            "stage build changed: [build 2/3] COPY src /src")
      << boost::json::serialize(built);
}

TEST(BuildKit, AnSshKeyOfTheConfigurationSignsInDuringTheBuildAndIsNowhereAfterwards) {
  House house;
  add_program(house.git, "/usr/bin/ssh-add");
  house.git.write("Dockerfile",
                  "FROM busybox\n"
                  "COPY tools /\n"
                  "RUN --mount=type=ssh /usr/bin/ssh-add -D; /usr/bin/ssh-add -L >/keys\n"
                  "RUN env >/environment\n");
  house.git.commit("One");
  const os::ScratchFolder folder;
  const std::string key = (folder.path() / "id").native();
  ASSERT_EQ(os::perform({.name = "ssh-keygen",
                         .arguments = {"-q", "-t", "ed25519", "-N", "", "-C", "robot", "-f", key}})
                .exit_code,
            0);
  house.image().ssh = {{"default", "file:" + key}};
  house.start();

  const lighterman::Run run = house.push();

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(house.content("main", "/keys"), trim(os::read_file(key + ".pub", 1 << 16)))
      << "and a build cannot take it away";
  EXPECT_EQ(house.content("main", "/environment").find("SSH"), std::string::npos);
  const std::string secret = split(os::read_file(key, 1 << 16), '\n').at(2);
  EXPECT_EQ(house.log(run.id).find(secret), std::string::npos);
}

TEST(BuildKit, AnImageWithoutThatSshKeyIsToldSo) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nRUN --mount=type=ssh,id=deploy,required true\n");
  house.git.commit("One");
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("no ssh key \"deploy\""), std::string::npos) << run.why;
}

TEST(Reuse, ACommitThatTouchesNothingTheBuildAskedForIsTaggedWithoutABuild) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nCOPY src /src\n");
  house.git.write("src/main.c", "int main;");
  house.git.commit("One");
  house.start();
  const lighterman::Run first = house.push();
  ASSERT_EQ(first.state, RunState::succeeded) << first.why << house.log(first.id);
  EXPECT_TRUE(says(house, first.id, "it was not built before")) << house.log(first.id);
  house.git.write("docs/manual.md", "words");
  const std::string commit = house.git.commit("Only words");

  const lighterman::Run second = house.push();

  ASSERT_EQ(second.state, RunState::succeeded) << second.why << house.log(second.id);
  EXPECT_TRUE(says(house, second.id, concat("as run ", first.id))) << house.log(second.id);
  EXPECT_EQ(engine_stage(house, second.id).at("reused").at("run").as_int64(), first.id);
  const auto digest = house.tag("sha-" + commit.substr(0, 12));
  EXPECT_TRUE(digest);
  EXPECT_EQ(digest, *house.published(first.id).reference.digest());

  house.git.write("src/main.c", "int Main;");
  house.git.commit("The source");
  const lighterman::Run third = house.push();
  ASSERT_EQ(third.state, RunState::succeeded) << third.why;
  EXPECT_TRUE(says(house, third.id, concat("changed since run ", first.id, ": src/main.c")))
      << house.log(third.id);
  EXPECT_EQ(house.content("main", "/src/main.c"), "int Main;");
}

TEST(Reuse, AnotherWayOfBuildingIsBuiltAndSaysWhatIsOther) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nARG LEVEL\nRUN echo $LEVEL >/level\n");
  house.git.commit("One");
  house.image().args = {{"LEVEL", "1"}};
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  house.image().args = {{"LEVEL", "2"}};
  house.start();
  const lighterman::Run args = house.push();
  EXPECT_TRUE(says(house, args.id, "it has to be built: args changed")) << house.log(args.id);
  EXPECT_EQ(house.content("main", "/level"), "2");
  house.image().reuse = Reuse::never;
  house.start();
  const lighterman::Run never = house.push();
  EXPECT_FALSE(engine_stage(house, never.id).contains("reused")) << house.log(never.id);
}

TEST(Reuse, ABaseThatMovedIsBuiltUpon) {
  House house;
  the_engine().docker({"tag", "busybox:latest", "moving-base:1"});
  house.git.write("Dockerfile", "FROM moving-base:1\nCOPY file /file\n");
  house.git.write("file", "x");
  house.git.commit("One");
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  const lighterman::Run same = house.push();
  EXPECT_TRUE(engine_stage(house, same.id).contains("reused")) << house.log(same.id);
  const os::ScratchFolder folder;
  os::replace_file(folder.path() / "Dockerfile", "FROM busybox\nRUN echo new >/new\n");
  the_engine().docker(
      {"build", "-q", "--network", "none", "-t", "moving-base:1", folder.path().native()});

  const lighterman::Run moved = house.push();

  ASSERT_EQ(moved.state, RunState::succeeded) << moved.why << house.log(moved.id);
  EXPECT_TRUE(says(house, moved.id, "base moving-base:1 moved")) << house.log(moved.id);
  EXPECT_EQ(house.content("main", "/new"), "new");
  the_engine().docker({"rmi", "moving-base:1"});
}

TEST(Reuse, AnImageThatSomebodyDeletedIsBuiltAgain) {
  House house;
  write_shop(house.git);
  house.git.commit("One");
  house.start();
  const lighterman::Run first = house.push();
  ASSERT_EQ(first.state, RunState::succeeded) << first.why;
  // Another registry's copy of nothing: what staging held is gone as well.
  house.stop();
  std::filesystem::remove_all(house.config.data / "staging");
  std::filesystem::remove(house.config.data / "lighterman.db-blobs");
  house.repository += "-other";
  house.image().targets = {house.reference()};
  house.start();

  const lighterman::Run again = house.push();

  ASSERT_EQ(again.state, RunState::succeeded) << again.why << house.log(again.id);
  EXPECT_TRUE(says(house, again.id, concat("the image of run ", first.id, " is gone")))
      << house.log(again.id);
  EXPECT_EQ(house.content("main", "/built.txt"), "ONE");
}

TEST(Platforms, AreBuiltEachAndPublishedAsOneIndex) {
  have_two_platforms();
  House house;
  house.git.write("Dockerfile",
                  "FROM busybox-$TARGETARCH\nARG TARGETARCH\nCOPY file-$TARGETARCH /file\n");
  house.git.write("file-amd64", "for amd64");
  house.git.write("file-arm64", "for arm64");
  house.git.commit("One");
  house.image().platforms = {"linux/amd64", "linux/arm64"};
  house.start();

  const lighterman::Run run = house.push();

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  registry::Client& client = house.yard->registry(the_registry().host());
  const auto fetched = client.find_manifest(house.reference().with_tag("main"), {});
  ASSERT_TRUE(fetched);
  const boost::json::value index = boost::json::parse(fetched->bytes);
  const boost::json::array& parts = index.at("manifests").as_array();
  ASSERT_EQ(parts.size(), 2u) << fetched->bytes;
  EXPECT_EQ(parts[0].at("platform").at("architecture"), "amd64");
  EXPECT_EQ(parts[1].at("platform").at("architecture"), "arm64");
  EXPECT_EQ(house.content("main", "/file"), "for amd64");
  EXPECT_EQ(house.published(run.id).layers.size(), 4u);
  const lighterman::Run again = house.push();
  ASSERT_EQ(again.state, RunState::succeeded) << again.why << house.log(again.id);
  EXPECT_EQ(house.published(again.id).reference, house.published(run.id).reference);
  EXPECT_TRUE(engine_stage(house, again.id, "web@linux/arm64").contains("reused"));
}

TEST(Platforms, AFailureOfOneKeepsTheTagsWhereTheyAre) {
  have_two_platforms();
  House house;
  house.git.write("Dockerfile", "FROM busybox-$TARGETARCH\nCOPY file /file\n");
  house.git.write("file", "good");
  house.git.commit("One");
  house.image().platforms = {"linux/amd64", "linux/arm64"};
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  const auto before = house.tag("main");
  house.git.write("Dockerfile",
                  "FROM busybox-$TARGETARCH\nARG TARGETARCH\nCOPY file /file\n"
                  "COPY only-$TARGETARCH /only\n");
  house.git.write("only-amd64", "x");
  house.git.commit("Two");

  const lighterman::Run run = house.push();

  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_NE(run.why.find("linux/arm64"), std::string::npos) << run.why;
  EXPECT_EQ(house.tag("main"), before);
}

TEST(Platforms, AnOlderCommitLeavesTheMovingTagsOfAnIndexThoughTheStoreIsLost) {
  have_two_platforms();
  House house;
  house.git.write("Dockerfile", "FROM busybox-$TARGETARCH\nCOPY file /file\n");
  house.git.write("file", "older");
  const std::string older = house.git.commit("One");
  house.git.write("file", "newer");
  house.git.commit("Two");
  house.image().platforms = {"linux/amd64", "linux/arm64"};
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);
  const auto newer = house.tag("main");
  house.stop();
  std::filesystem::remove_all(house.config.data);
  std::filesystem::create_directories(house.config.data);
  house.start();

  const lighterman::Run run = house.push("refs/heads/main", older);

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(house.tag("main"), newer) << house.log(run.id);
  EXPECT_TRUE(house.tag("sha-" + older.substr(0, 12)));
}

TEST(Platforms, AnIndexIsTheSameBytesForTheSameParts) {
  const Digest one = Digest::parse(concat("sha256:", std::string(64, '1')));
  const std::vector<IndexEntry> entries{
      {{std::string(media::oci_manifest), one, 7}, "linux/arm64/v8"},
      {{std::string(media::docker_manifest), one, 9}, "linux/amd64"}};
  const Index index = compose_index(entries);
  EXPECT_EQ(index.media_type, media::oci_index);
  EXPECT_EQ(
      index.bytes,
      concat("{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\","
             "\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
             "\"digest\":\"",
             one,
             "\",\"size\":7,\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\","
             "\"variant\":\"v8\"}},{\"mediaType\":"
             "\"application/vnd.docker.distribution.manifest.v2+json\",\"digest\":\"",
             one, "\",\"size\":9,\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}}]}"));
}

TEST(Engines, ADeadOneLeavesItsBuildsToAnother) {
  House house;
  write_shop(house.git);
  house.git.commit("One");
  engine::Options dead;
  dead.name = "dead";
  dead.host = concat("unix://", (house.config.data / "nobody.sock").native());
  house.config.engines.insert(house.config.engines.begin(), dead);
  house.start();

  const lighterman::Run run = house.push();

  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_TRUE(says(house, run.id, "another engine takes it")) << house.log(run.id);
  EXPECT_EQ(engine_stage(house, run.id).at("engine"), "real");
}

TEST(Engines, ThatAreAllDeadFailTheRunInTheEnd) {
  House house;
  write_shop(house.git);
  house.git.commit("One");
  house.config.engines.clear();
  for (const std::string name : {"one", "two"}) {
    engine::Options dead;
    dead.name = name;
    dead.host = concat("unix://", (house.config.data / name).native());
    house.config.engines.push_back(dead);
  }
  house.options.retry.attempts = 4;
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::failed) << house.log(run.id);
  EXPECT_NE(run.why.find("after 4 attempts"), std::string::npos) << run.why;
}

TEST(Engines, AreTakenByLabelAndPlatformAndNotWhileTheyDrain) {
  House house;
  engine::Options small = house.config.engines.front(), big = small, drained = small;
  small.name = "small";
  big.name = "big";
  big.labels = {"fast"};
  big.platforms = {"linux/amd64", "linux/arm64"};
  drained.name = "drained";
  drained.labels = {"fast"};
  drained.drain = true;
  drained.slots = 100;
  house.config.engines = {small, big, drained};
  house.start();
  const auto taken = [&](const BerthWish& wish) {
    return house.yard->take_berth(wish, [](const std::string&) {}, {}).engine().options().name;
  };
  EXPECT_EQ(taken({.engine = "fast"}), "big");
  EXPECT_EQ(taken({.platform = "linux/arm64"}), "big");
  EXPECT_EQ(taken({.engine = "small"}), "small");
  EXPECT_EQ(taken({.rather = "big"}), "big");
  EXPECT_EQ(taken({.rather = "drained"}), "small");
  house.yard->shun("small");
  EXPECT_EQ(taken({}), "big");
  EXPECT_EQ(taken({.engine = "small"}), "small") << "there is no other of that name";
  EXPECT_THROW(taken({.engine = "none"}), Error);
}

TEST(Images, OfOneRunAreBuiltSideBySide) {
  House house;
  house.git.write("Dockerfile", "FROM busybox\nARG NAME\nRUN sleep 3; echo $NAME >/name\n");
  house.git.commit("One");
  config::Image other = house.image();
  other.name = "tool";
  other.targets = {Reference::parse(house.reference().text() + "-tool")};
  other.args = {{"NAME", "tool"}};
  house.config.sources.at("shop").images["tool"] = other;
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  const auto web = house.store->find_stage(run.id, "web", "engine");
  const auto tool = house.store->find_stage(run.id, "tool", "engine");
  ASSERT_TRUE(web && tool);
  EXPECT_LT(web->started, *tool->ended);
  EXPECT_LT(tool->started, *web->ended);
}

class PrivateBase : public testing::TestWithParam<bool> {};

TEST_P(PrivateBase, IsPulledWithATokenAndTheEngineNeverGetsThePassword) {
  const support::TokenServer tokens("ann", "s3cret");
  support::RealRegistry::Options wanted;
  wanted.tokens = tokens.for_registry();
  const support::RealRegistry registry(wanted);
  House house(GetParam() ? newer_engine(true) : the_engine());
  os::replace_file(house.config.data / "password", "s3cret", 0600);
  registry::Options& options = house.config.registries[registry.host()];
  options.host = registry.host();
  options.use_docker_config = false;
  options.username = "ann";
  options.password_place = concat("file:", (house.config.data / "password").native());
  const std::string base = concat(registry.host(), "/acme/base");
  house.git.write("Dockerfile", concat("FROM ", local_base(), "\nRUN echo secret >/based\n"));
  house.git.commit("Base");
  house.image().targets = {Reference::parse(base)};
  house.start();
  ASSERT_EQ(house.push().state, RunState::succeeded);

  house.git.write("Dockerfile", concat("FROM ", base, ":main\nRUN cat /based >/taken\n"));
  house.git.commit("Built on it");
  house.image().targets = {house.reference()};
  house.start();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(house.content("main", "/taken"), "secret");
  const std::vector<std::string> scopes = tokens.scopes();
  EXPECT_NE(std::ranges::find(scopes, "repository:acme/base:pull"), scopes.end());
  for (const std::string& caller : tokens.callers())
    EXPECT_TRUE(caller.starts_with("lighterman/")) << caller << " logged in by itself";
}

INSTANTIATE_TEST_SUITE_P(Engine, PrivateBase, testing::Bool(),
                         [](const auto& newer) { return newer.param ? "Newer" : "OfDebian"; });

}  // namespace
}  // namespace lighterman::pipeline
