#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "cli/daemon.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/program.hpp"
#include "support/peers.hpp"

namespace lighterman::cli {
namespace {

/// The command line without any daemon: a folder of keys, and an image in a registry.
struct Yard {
  os::ScratchFolder folder;
  support::Peers peers{folder.path()};
  std::string image;

  Yard() {
    os::replace_file(folder.path() / "hello", folder.path().native());
    os::perform(
        {.name = "tar", .arguments = {"-cf", "layer.tar", "hello"}, .folder = folder.path()});
    image =
        concat(the_registry().host(), "/signed/", lower(folder.path().filename().native()), ":1");
    peers.must("crane", {"append", "--insecure", "-f", "layer.tar", "-t", image});
  }
  Said say(std::vector<std::string> words) const {
    const os::Outcome outcome = os::perform(
        {.name = LIGHTERMAN_PROGRAM,
         .arguments = std::move(words),
         .environment = {{"HOME", folder.path().native()}, {"COSIGN_PASSWORD", peers.password}},
         .folder = folder.path()});
    return {outcome.exit_code, outcome.output, outcome.errors};
  }
  boost::json::value json(std::vector<std::string> words) const {
    words.push_back("--json");
    const Said said = say(words);
    EXPECT_EQ(said.code, 0) << said.err;
    return boost::json::parse(said.out);
  }
};

TEST(TrustVerbs, SignWithAKeyThatTheyMadeAndVerifyWhatCosignVerifies) {
  const Yard yard;
  EXPECT_EQ(yard.say({"verify", yard.image, "--key", "keys/release.pub"}).code, 3)
      << "a key that is not there is not found";
  EXPECT_EQ(yard.say({"key", "new", "release", "--folder", "keys"}).code, 0);
  EXPECT_EQ(yard.say({"verify", yard.image, "--key", "keys/release.pub"}).code, 4);
  os::replace_file(yard.folder.path() / "sbom.json",
                   R"({"bomFormat":"CycloneDX","specVersion":"1.5","version":1})");
  const auto done = yard.json(
      {"sign", yard.image, "--key", "keys/release.key", "-a", "build=42", "--attest", "sbom.json"});
  EXPECT_EQ(done.at("signatures").as_array().size(), 4U);
  const auto seen =
      yard.json({"verify", yard.image, "--key", "keys/release.pub", "-a", "build=42"});
  EXPECT_EQ(seen.at("proofs").as_array().size(), 2U);
  const auto bill =
      yard.json({"verify", yard.image, "--key", "keys/release.pub", "--attestation", "cyclonedx"});
  EXPECT_EQ(bill.at("proofs").at(0).at("predicate").at("bomFormat"), "CycloneDX");
  for (const std::string cosign : {"cosign2", "cosign3"})
    yard.peers.must(cosign, {"verify", "--key", "keys/release.pub", "--insecure-ignore-tlog", "-a",
                             "build=42", yard.image});

  const Said other = yard.say(
      {"verify", yard.image, "--key", "keys/release.pub", "--repository", "example.com/x"});
  EXPECT_EQ(other.code, 4);
  EXPECT_NE(other.err.find("it was made for"), std::string::npos) << other.err;
  EXPECT_EQ(yard.say({"verify", yard.image + "9", "--key", "keys/release.pub"}).code, 3);
}

TEST(TrustVerbs, RotateAKeyAndShowWhatIsToBeDone) {
  const Yard yard;
  EXPECT_EQ(yard.say({"key", "new", "release", "--folder", "keys"}).code, 0);
  EXPECT_EQ(yard.say({"key", "new", "release", "--folder", "keys"}).code, 1) << "it is there";
  const auto rotated = yard.json({"key", "rotate", "release", "--folder", "keys"});
  ASSERT_EQ(rotated.at("keys").as_array().size(), 2U);
  EXPECT_EQ(rotated.at("keys").at(0).at("state"), "fresh");
  EXPECT_EQ(rotated.at("keys").at(1).at("state"), "retiring");
  const auto finished = yard.json({"key", "rotate", "release", "--finish", "--folder", "keys"});
  EXPECT_EQ(finished.at("keys").at(1).at("state"), "retired");
  EXPECT_FALSE(std::filesystem::exists(yard.folder.path() / "keys/release.key"));
  const auto listed = yard.json({"key", "list", "--folder", "keys"});
  EXPECT_EQ(listed.at("keys").as_array().size(), 2U);
  const Said shown = yard.say({"key", "show", "release", "--folder", "keys"});
  EXPECT_NE(shown.out.find(os::read_file(yard.folder.path() / "keys/release.2.pub")),
            std::string::npos);
  EXPECT_EQ(yard.say({"key", "show", "other", "--folder", "keys"}).code, 3);
  const Said locked =
      yard.say({"sign", yard.image, "--key", "keys/release.2.key", "--password", "env:NOT_THERE"});
  EXPECT_EQ(locked.code, 2);
}

}  // namespace
}  // namespace lighterman::cli
