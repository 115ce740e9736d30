#include "os/file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <thread>

#include "os/hash.hpp"
#include "support/failure.hpp"

namespace lighterman::os {
namespace {

namespace fs = std::filesystem;

TEST(File, ReadsAndWritesAtOffsetsAndKeepsWhatIsThere) {
  const ScratchFolder folder;
  const fs::path path = folder.path() / "blob";
  {
    File file = File::create(path);
    file.write_at(0, "hello");
    file.write_at(10, "world");
    file.sync();
  }
  File file = File::open_to_extend(path);
  file.write_at(15, "!");
  EXPECT_EQ(file.size(), 16U);
  char buffer[64];
  EXPECT_EQ(std::string(buffer, file.read_at(0, buffer, sizeof buffer)),
            std::string("hello\0\0\0\0\0world!", 16));
  EXPECT_EQ(file.read_at(16, buffer, sizeof buffer), 0U);
  EXPECT_EQ(File::create(path).size(), 0U);
}

TEST(File, SaysWhichFileIsMissing) {
  const ScratchFolder folder;
  const std::string failure = failure_of([&] { File::open_to_read(folder.path() / "gone"); });
  EXPECT_TRUE(failure.starts_with("not_found: opening ")) << failure;
  EXPECT_NE(failure.find("/gone: No such file or directory"), std::string::npos) << failure;
}

TEST(File, RefusesToReadMoreThanItsLimit) {
  const ScratchFolder folder;
  replace_file(folder.path() / "f", std::string(100, 'x'));
  EXPECT_EQ(read_file(folder.path() / "f", 100).size(), 100U);
  expect_refused("larger than", [&] { read_file(folder.path() / "f", 99); });
  EXPECT_FALSE(read_file("/proc/self/status").empty());
}

TEST(File, ReplacesWithoutAMixtureEverShowing) {
  const ScratchFolder folder;
  const fs::path path = folder.path() / "f";
  const std::string a(50000, 'a'), b(70000, 'b');
  replace_file(path, a, 0600);
  std::jthread writer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      replace_file(path, b);
      replace_file(path, a);
    }
  });
  for (int i = 0; i < 200; ++i) {
    const std::string seen = read_file(path);
    ASSERT_TRUE(seen == a || seen == b);
  }
  writer.request_stop();
  writer.join();
  // Nothing else is left in the folder.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(File, GivesTheModeThatWasAsked) {
  const ScratchFolder folder;
  replace_file(folder.path() / "f", "x", 0640);
  struct stat status {};
  ASSERT_EQ(::stat((folder.path() / "f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U);
  File::create(folder.path() / "g");
  ASSERT_EQ(::stat((folder.path() / "g").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

TEST(File, LeavesTheOldFileWhenReplacingFails) {
  const ScratchFolder folder;
  fs::create_directory(folder.path() / "taken");
  EXPECT_NE(failure_of([&] { replace_file(folder.path() / "taken", "x"); }), "nothing");
  EXPECT_NE(failure_of([&] { replace_file(folder.path() / "no" / "f", "x"); }), "nothing");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(File, StreamsFromAnOffset) {
  const ScratchFolder folder;
  replace_file(folder.path() / "f", "0123456789");
  const Pull pull = reader(folder.path() / "f", 4);
  char buffer[4];
  std::string all;
  while (const std::size_t got = pull(buffer, sizeof buffer)) all.append(buffer, got);
  EXPECT_EQ(all, "456789");
}

TEST(Secret, ComesFromAFileOrTheEnvironmentAndIsNeverShown) {
  const ScratchFolder folder;
  const std::string path = (folder.path() / "s").native();
  replace_file(path, "hunter2\r\n\n");
  EXPECT_EQ(read_secret("file:" + path).reveal(), "hunter2\r\n");
  replace_file(path, "hunter2\n");
  EXPECT_EQ(read_secret("file:" + path).reveal(), "hunter2");
  ::setenv("LIGHTERMAN_TEST_SECRET", "from env", 1);
  EXPECT_EQ(read_secret("env:LIGHTERMAN_TEST_SECRET").reveal(), "from env");
  replace_file(path, "\n");
  expect_refused("is empty", [&] { read_secret("file:" + path); });
  expect_refused("/gone", [] { read_secret("file:/gone"); });
  expect_refused("not set", [] { read_secret("env:LIGHTERMAN_TEST_NO_SUCH"); });
  EXPECT_EQ(failure_of([] { read_secret("hunter2"); }).find("hunter2"), std::string::npos);
}

TEST(ScratchFolder, TakesEverythingWithItEvenWhatIsWriteProtected) {
  fs::path path;
  {
    const ScratchFolder folder;
    path = folder.path();
    fs::create_directories(path / "a" / "b");
    replace_file(path / "a" / "b" / "f", "x");
    fs::permissions(path / "a" / "b", fs::perms::none);
    fs::create_symlink("/etc", path / "link");
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists("/etc/passwd"));
}

TEST(Hash, AgreesWithPublishedVectors) {
  EXPECT_EQ(sha256("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 parts;
  parts.update("a");
  parts.update("bc");
  EXPECT_EQ(parts.finish(), sha256("abc"));
  // RFC 4231, test case 2.
  EXPECT_EQ(render_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(render_hex(hmac_sha256({}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Hash, ComparesWholeTexts) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abcd"));
  EXPECT_TRUE(equal_in_constant_time("", {}));
}

TEST(Hash, GivesAnotherIdEachTime) {
  EXPECT_EQ(random_id().size(), 32U);
  EXPECT_NE(random_id(), random_id());
  EXPECT_EQ(random_bytes(0), "");
}

}  // namespace
}  // namespace lighterman::os
