// What images are built on, and who vouches for it: a real engine takes bases from a real registry.
#include "pipeline/bases.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/error.hpp"
#include "os/file.hpp"
#include "pipeline/base_watch.hpp"
#include "pipeline/house.hpp"
#include "pipeline/signing.hpp"
#include "support/peers.hpp"
#include "trust/keyring.hpp"

namespace lighterman::pipeline {
namespace {

const std::stop_token never;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A shop that builds on images of its own registry, and knows the keys "ours" and "vendor".
class Bases : public ::testing::Test {
 protected:
  Bases() {
    for (const std::string name : {"ours", "vendor", "stranger"}) {
      keys.emplace(name, trust::Key::make());
      os::replace_file(folder.path() / concat(name, ".pub"), keys.at(name).public_key().pem());
    }
    base = concat(house.reference().name(), "/base:1");
    house.git.write("Dockerfile", concat("FROM ", base, "\nCOPY file.txt /file.txt\n"));
    house.git.write("file.txt", "one\n");
    house.git.commit("Build on our base");
    config::Bases& wanted = house.config.bases.emplace();
    wanted.keys["ours"] = (folder.path() / "ours.pub").string();
    wanted.keys["vendor"] = (folder.path() / "vendor.pub").string();
    wanted.signed_by = {"ours"};
  }

  /// Puts an image under the name into the registry; the engine keeps it as well.
  Digest publish(const std::string& name, const std::string& content) {
    const auto context = folder.path() / "context";
    std::filesystem::create_directories(context);
    os::replace_file(context / "content", content);
    os::replace_file(context / "Dockerfile", "FROM busybox\nCOPY content /content\n");
    the_engine().docker({"build", "-q", "-t", name, context.string()});
    the_engine().docker({"push", "-q", name});
    return house.tag(*Reference::parse(name).tag(), name).value();
  }
  void forget(const std::string& name) { the_engine().docker({"rmi", name}); }
  void sign(const std::string& name, const std::string& key) {
    registry::Client& client = house.yard->registry(the_registry().host());
    attach(get_subject(client, Reference::parse(name), never), {keys.at(key)},
           {Assertion::signature()}, SignatureForms::both, system_now(), never);
  }
  /// The first base, as plugins were told of it.
  Base fact(const lighterman::Run& run) {
    const auto asked = house.store->find_hook(run.id, "web", "on_staged");
    if (!asked) throw Error(ErrorKind::not_found, concat(run.why, house.log(run.id)));
    return bases_from(asked->facts.at("bases")).at(0);
  }
  void with_gate(boost::json::object settings) {
    config::PluginSeat& seat = house.config.plugins["gate-bases"];
    seat.name = "gate-bases";
    seat.settings = std::move(settings);
  }

  os::ScratchFolder folder;
  House house;
  std::map<std::string, trust::Key> keys;
  std::string base;
};

TEST_F(Bases, OneThatIsSignedPassesWhetherTheEngineOrItsRegistryHadIt) {
  with_gate({{"signed_by", {"ours"}}, {"max_age", "1d"}});
  house.config.bases->max_age = std::chrono::hours(24);
  house.start();
  const Digest digest = publish(base, "signed");
  sign(base, "ours");
  for (const bool at_hand : {true, false}) {
    if (!at_hand) forget(base);
    house.git.write("file.txt", at_hand ? "two\n" : "three\n");
    house.git.commit("Build anew");
    const lighterman::Run run = house.push();
    ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
    const Base known = fact(run);
    EXPECT_EQ(known.digest, digest) << at_hand;
    EXPECT_EQ(known.signed_by, std::vector<std::string>{"ours"});
    ASSERT_TRUE(known.created);
    EXPECT_LT(system_now() - *known.created, std::chrono::hours(1));
    EXPECT_EQ(known.unknown, "");
  }
}

TEST_F(Bases, OneThatNobodySignedDeniesTheImageAndTheReasonNamesIt) {
  house.start();
  const Digest digest = publish(base, "unsigned");
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::denied) << run.why << house.log(run.id);
  EXPECT_TRUE(has(run.why, concat("base ", base, " (", digest, ") is not signed by ours: ")))
      << run.why;
  EXPECT_FALSE(house.tag("main"));
  EXPECT_EQ(fact(run).signed_by, std::vector<std::string>());
}

TEST_F(Bases, OneThatAnotherKeySignedDeniesTheImage) {
  house.start();
  publish(base, "by others");
  sign(base, "vendor");
  sign(base, "stranger");
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::denied);
  EXPECT_TRUE(has(run.why, "is not signed by ours, only by vendor: ")) << run.why;
  house.config.bases->signed_by = {"ours", "vendor"};
  house.start();
  EXPECT_EQ(house.push().state, RunState::succeeded);
}

TEST_F(Bases, OneThatMovedIsBuiltUponWithoutAPush) {
  house.config.bases->signed_by.clear();
  house.start();
  publish(base, "old");
  ASSERT_EQ(house.push().state, RunState::succeeded);
  EXPECT_TRUE(watch_bases(*house.yard, *house.store, system_now(), never).empty());
  // The engine still has the old one.
  const std::string engines = "old-base:1";
  the_engine().docker({"tag", base, engines});
  publish(base, "new");
  the_engine().docker({"tag", engines, base});
  const std::vector<RunId> added = watch_bases(*house.yard, *house.store, system_now(), never);
  ASSERT_EQ(added.size(), 1u);
  EXPECT_TRUE(watch_bases(*house.yard, *house.store, system_now(), never).empty()) << "told once";
  const lighterman::Run run = house.wait(added.front());
  ASSERT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
  EXPECT_EQ(run.event.reason, concat("base ", base, " moved"));
  EXPECT_EQ(house.content("main", "/content"), "new");
  forget(engines);
}

TEST_F(Bases, ATagThatMovedToAnotherImageIsJudgedByWhatTheBuildTook) {
  house.image().pull = true;
  house.start();
  const Digest good = publish(base, "good");
  sign(base, "ours");
  ASSERT_EQ(house.push().state, RunState::succeeded);
  const Digest evil = publish(base, "evil");
  ASSERT_NE(good, evil);
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::denied);
  EXPECT_TRUE(has(run.why, evil.text())) << run.why;

  // Pinned, it is the good one again.
  house.git.write("Dockerfile", concat("FROM ", base, "@", good, "\nCOPY file.txt /file.txt\n"));
  house.git.commit("Pin the base");
  const lighterman::Run pinned = house.push();
  EXPECT_EQ(pinned.state, RunState::succeeded) << pinned.why;
  EXPECT_EQ(fact(pinned).digest, good);
}

TEST_F(Bases, AnEarlierStageAndACopiedImageCountAsWell) {
  house.start();
  publish(base, "signed");
  sign(base, "ours");
  const std::string tools = concat(house.reference().name(), "/tools:1");
  const Digest digest = publish(tools, "tools");
  forget(tools);
  for (const std::string& bring :
       {concat("FROM ", tools, " AS build\nRUN true\nFROM ", base,
               "\nCOPY --from=build /content /tool\n"),
        concat("FROM ", base, "\nCOPY --from=", tools, "@", digest, " /content /tool\n")}) {
    house.git.write("Dockerfile", bring);
    house.git.commit("Bring a tool");
    const lighterman::Run run = house.push();
    EXPECT_EQ(run.state, RunState::denied) << bring << run.why << house.log(run.id);
    EXPECT_TRUE(has(run.why, concat("base ", tools, " (", digest, ") is not signed")))
        << run.why << house.log(run.id);
    EXPECT_FALSE(has(run.why, concat("base ", base))) << run.why;
  }
  // Which digest a tag was at the time is not told of an image that is only copied from.
  house.git.write("Dockerfile",
                  concat("FROM ", base, "\nCOPY --from=", tools, " /content /tool\n"));
  house.git.commit("Bring a tool by its tag");
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::denied) << run.why;
  EXPECT_TRUE(has(run.why, "name it by digest, or take it as a stage")) << run.why;
}

TEST_F(Bases, OneThatWasMadeInTheEngineIsUnknownAndMayBeExcepted) {
  house.git.write("Dockerfile", "FROM busybox\nCOPY file.txt /file.txt\n");
  house.git.commit("Build on nothing known");
  house.start();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::denied);
  EXPECT_TRUE(has(run.why,
                  "it is not known whether ours signed it (the engine's image of that "
                  "name did not come from its registry"))
      << run.why;
  house.config.bases->except = {"docker.io/library/busybox"};
  house.start();
  EXPECT_EQ(house.push().state, RunState::succeeded);
}

TEST_F(Bases, ARegistryThatDoesNotAnswerDeniesOnlyWhereItIsAsked) {
  support::RealRegistry other;
  base = concat(other.host(), "/base:1");
  house.config.registries[other.host()].host = other.host();
  house.config.registries[other.host()].retry.attempts = 1;
  house.git.write("Dockerfile", concat("FROM ", base, "\nCOPY file.txt /file.txt\n"));
  house.git.commit("Build on another registry's base");
  house.start();
  publish(base, "far");
  other.stop();
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::denied);
  EXPECT_TRUE(has(run.why, "its signature is not known: ")) << run.why;
  EXPECT_TRUE(has(run.why, other.host())) << run.why;
  house.config.bases->signed_by = {};
  house.start();
  const lighterman::Run careless = house.push();
  EXPECT_EQ(careless.state, RunState::succeeded) << careless.why;
  EXPECT_TRUE(has(fact(careless).unknown, "its signature is not known"));
}

TEST_F(Bases, OneThatIsTooOldDeniesTheImage) {
  house.config.bases->signed_by = {};
  house.config.bases->max_age = std::chrono::milliseconds(1);
  house.start();
  publish(base, "old");
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::denied);
  EXPECT_TRUE(has(run.why, " old, the limit is 1ms: take a newer one")) << run.why;
}

TEST_F(Bases, ASignatureOfTheRealCosignCounts) {
  support::Peers peers(folder.path());
  peers.must("cosign2", {"generate-key-pair", "--output-key-prefix", "theirs"});
  house.config.bases->keys["ours"] = (folder.path() / "theirs.pub").string();
  house.start();
  const Digest digest = publish(base, "theirs");
  peers.must("cosign2", {"sign", "--key", "theirs.key", "--tlog-upload=false", "--yes",
                         Reference::parse(base).at(digest).text()});
  const lighterman::Run run = house.push();
  EXPECT_EQ(run.state, RunState::succeeded) << run.why << house.log(run.id);
}

TEST_F(Bases, NobodyAsksRegistriesWhenNoPolicyDoes) {
  house.config.bases.reset();
  house.start();
  const Digest digest = publish(base, "plain");
  the_registry().clear_access_log();
  const lighterman::Run run = house.push();
  ASSERT_EQ(run.state, RunState::succeeded) << run.why;
  EXPECT_EQ(the_registry().count_requests("GET", "/base/"), 0U) << the_registry().access_log();
  EXPECT_FALSE(house.store->find_stage(run.id, "web", "bases"));
  EXPECT_EQ(fact(run).digest, digest) << "what the engine knows costs nothing";
}

}  // namespace
}  // namespace lighterman::pipeline
