#include "policy/catalogue.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "os/file.hpp"
#include "support/failure.hpp"

namespace lighterman::policy {
namespace {

/// Two folders, the first of which is looked through first.
class CatalogueTest : public ::testing::Test {
 protected:
  CatalogueTest() {
    std::filesystem::create_directory(first);
    std::filesystem::create_directory(second);
  }

  static void write(const std::filesystem::path& folder, const std::string& name,
                    const std::string& about = "says nothing") {
    os::replace_file(folder / (name + ".lua"), concat("-- ", name, ".lua: ", about,
                                                      "\nreturn { on_push = function() end }\n"));
  }

  os::ScratchFolder scratch;
  std::filesystem::path first = scratch.path() / "first", second = scratch.path() / "second";
  Catalogue catalogue{{first, second}};
};

TEST_F(CatalogueTest, TakesTheFirstFolderThatHasIt) {
  write(first, "mine", "the first");
  write(second, "mine", "the second");
  write(second, "yours");
  EXPECT_EQ(catalogue.get("mine").about, "the first");
  EXPECT_EQ(catalogue.get("yours").file, second / "yours.lua");
}

TEST_F(CatalogueTest, FallsBackOnWhatShipsAndLetsAFolderStandInForIt) {
  ASSERT_FALSE(shipped_plugins().empty());
  const std::string name(shipped_plugins().front().name);
  const Plugin shipped = catalogue.get(name);
  EXPECT_FALSE(shipped.about.empty());
  write(first, name, "my own");
  EXPECT_EQ(catalogue.get(name).about, "my own");
}

TEST_F(CatalogueTest, ShipsEachFileOfTheTreeByteForByte) {
  std::vector<std::string> in_tree, inside;
  for (const auto& file : files_ending(std::string(LIGHTERMAN_TREE) + "/plugins", plugin_end)) {
    if (!file.string().ends_with(spec_end)) in_tree.push_back(file.stem().string());
  }
  for (const Shipped& shipped : shipped_plugins()) {
    inside.emplace_back(shipped.name);
    EXPECT_EQ(shipped.text,
              os::read_file(concat(LIGHTERMAN_TREE, "/plugins/", shipped.name, plugin_end)));
  }
  EXPECT_EQ(inside, in_tree);
}

TEST_F(CatalogueTest, ListsPluginsOnceAndNoSpecs) {
  write(first, "mine");
  write(second, "mine");
  write(first, "mine_spec");
  os::replace_file(first / "notes.txt", "");
  const auto names = catalogue.names();
  EXPECT_EQ(std::ranges::count(names, "mine"), 1);
  EXPECT_EQ(std::ranges::count(names, "mine_spec"), 0);
  EXPECT_EQ(names.size(), shipped_plugins().size() + 1);
  const auto entries = catalogue.entries();
  const auto mine = std::ranges::find(entries, "mine", &Catalogue::Entry::name);
  EXPECT_EQ(mine->file, first / "mine.lua");
}

TEST_F(CatalogueTest, SaysWhereItLookedAndWhatWasMeant) {
  write(first, "announce");
  const std::string failure = failure_of([&] { catalogue.get("anounce"); });
  EXPECT_TRUE(failure.starts_with("not_found: no plugin \"anounce\" (did you mean \"announce\"?)"))
      << failure;
  EXPECT_NE(failure.find(second.string()), std::string::npos) << failure;
}

TEST_F(CatalogueTest, LetsNoNameLeaveAFolder) {
  os::replace_file(scratch.path() / "outside.lua", "return {}\n");
  for (const char* name :
       {"../outside", "/etc/passwd", "", ".", "..", "a/b", "a.lua", "a\nb", "mine_spec"}) {
    expect_refused("is no plugin's name", [&] { catalogue.get(name); });
  }
}

TEST_F(CatalogueTest, FindsTheSpecBesideAPluginOfAFolder) {
  write(first, "mine");
  EXPECT_EQ(catalogue.find_spec("mine"), std::nullopt);
  os::replace_file(first / "mine_spec.lua", "");
  EXPECT_EQ(catalogue.find_spec("mine"), first / "mine_spec.lua");
  EXPECT_EQ(catalogue.find_spec("tag-semver"), std::nullopt);
}

TEST_F(CatalogueTest, NoticesWhatChangesInFolders) {
  const std::string empty = catalogue.fingerprint();
  write(first, "mine");
  const std::string one = catalogue.fingerprint();
  EXPECT_NE(one, empty);
  write(first, "mine", "another text");
  const std::string edited = catalogue.fingerprint();
  EXPECT_NE(edited, one);
  os::replace_file(first / "mine_spec.lua", "");
  EXPECT_NE(catalogue.fingerprint(), edited);
  std::filesystem::remove(first / "mine_spec.lua");
  os::replace_file(first / "notes.txt", "");
  EXPECT_EQ(catalogue.fingerprint(), edited);
  std::filesystem::remove(first / "mine.lua");
  EXPECT_EQ(catalogue.fingerprint(), empty);
  std::filesystem::remove_all(second);
  EXPECT_EQ(catalogue.fingerprint(), empty);
}

TEST_F(CatalogueTest, NamesAFolderThatIsNotThere) {
  std::filesystem::remove_all(second);
  EXPECT_EQ(failure_of([&] { catalogue.names(); }),
            concat("not_found: folder ", second.string(), ": No such file or directory"));
}

}  // namespace
}  // namespace lighterman::policy
