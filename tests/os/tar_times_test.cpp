#include "os/tar_times.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/program.hpp"
#include "os/tar.hpp"

namespace lighterman::os {
namespace {

constexpr std::int64_t latest = 1'700'000'000;

Pull from(const std::string& bytes, std::size_t step) {
  return [&bytes, step, at = std::size_t{0}](char* into, std::size_t room) mutable {
    const std::size_t part = std::min({room, step, bytes.size() - at});
    bytes.copy(into, part, at);
    at += part;
    return part;
  };
}

std::string limited(const std::string& tar, std::size_t step = 1 << 16, std::size_t room = 4096) {
  const Pull out = limit_tar_times(from(tar, step), latest);
  std::string result, part(room, '\0');
  while (const std::size_t got = out(part.data(), room)) result.append(part, 0, got);
  return result;
}

/// What the tar program makes of a tree in this format.
class TarTimes : public testing::TestWithParam<const char*> {
 protected:
  TarTimes() {
    const auto tree = scratch.path() / "tree";
    // Plain ustar has no room for longer names.
    const std::string folder(GetParam() == std::string("ustar") ? 20 : 120, 'd');
    std::filesystem::create_directories(tree / folder);
    replace_file(tree / "old", "old");
    replace_file(tree / "new", std::string(5000, 'n'));
    replace_file(tree / folder / "深い", "deep");
    std::filesystem::create_symlink("new", tree / "link");
    std::filesystem::create_hard_link(tree / "new", tree / "twin");
    touch(tree / "old", 1'600'000'000);
    touch(tree / "new", 1'800'000'000);
    tar = must({"tar", "--format", GetParam(), "--sort=name", "--owner=0", "--group=0", "-C",
                tree.native(), "-c", "."});
  }

  void touch(const std::filesystem::path& file, std::int64_t seconds) {
    const timespec times[2] = {{seconds, 987'654'321}, {seconds, 987'654'321}};
    ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  }
  std::string must(std::vector<std::string> command, const std::string& input = {}) {
    Program program{.name = command.front(), .input = input, .output_limit = 1 << 20};
    program.arguments.assign(command.begin() + 1, command.end());
    const Outcome outcome = perform(program);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    return outcome.output;
  }

  ScratchFolder scratch;
  std::string tar;
};

TEST_P(TarTimes, AreLimitedAndNothingElseIsTouched) {
  const std::string after = limited(tar);
  ASSERT_EQ(after.size(), tar.size());
  TarReader before_reader(from(tar, 1 << 16)), after_reader(from(after, 1 << 16));
  TarEntry before, now;
  int entries = 0;
  for (; before_reader.next(before); ++entries) {
    ASSERT_TRUE(after_reader.next(now));
    EXPECT_EQ(now.path, before.path);
    EXPECT_EQ(now.link, before.link);
    EXPECT_EQ(now.mode, before.mode);
    EXPECT_EQ(now.size, before.size);
    EXPECT_EQ(now.seconds, std::min(before.seconds, latest)) << now.path;
    if (before.seconds >= latest) {
      EXPECT_EQ(now.nanoseconds, 0) << now.path;
    }
    std::string one(8192, '\0'), other(8192, '\0');
    EXPECT_EQ(before_reader.read(one.data(), one.size()),
              after_reader.read(other.data(), other.size()));
    EXPECT_EQ(one, other);
  }
  EXPECT_EQ(entries, 7);
  // The tar program checks the sums of headers.
  EXPECT_NE(must({"tar", "--quoting-style=literal", "-tvf", "-"}, after).find("深い"),
            std::string::npos);
}

TEST_P(TarTimes, ComeOutAlikeHoweverTheBytesCome) {
  const std::string whole = limited(tar);
  for (const std::size_t step : {1U, 511U, 513U, 100'000U})
    EXPECT_EQ(limited(tar, step, 700), whole);
  EXPECT_EQ(limited(whole), whole);
}

INSTANTIATE_TEST_SUITE_P(Format, TarTimes, testing::Values("posix", "gnu", "ustar"),
                         [](const auto& format) { return std::string(format.param); });

TEST(TarTimesLimit, PassesAFileWhoseSizeIsInItsPaxHeaderAlone) {
  // As Go writes files of 8 GiB and more: 0 in the header. What they hold may look like a header.
  const std::string inner = [] {
    std::string tar;
    TarWriter writer([&](std::string_view bytes) { tar += bytes; });
    writer.add({.path = "inner", .size = 3, .seconds = latest + 7}, "abc");
    writer.finish();
    return tar;
  }();
  std::string tar;
  TarWriter writer([&](std::string_view bytes) { tar += bytes; });
  writer.add({.path = std::string(150, 'p'), .size = inner.size(), .seconds = latest + 7}, inner);
  writer.finish();
  // The size moves from the header to a record of the pax header before it.
  const std::string record = concat(" size=", inner.size(), '\n');
  const std::size_t path = tar.find(" path=");
  ASSERT_NE(path, std::string::npos);
  const std::string pax = concat(record.size() + 2, record);
  ASSERT_EQ(pax.size(), record.size() + 2);
  std::string header = tar.substr(0, 512);
  const std::size_t records = std::stoul(header.substr(124, 11), nullptr, 8);
  tar.replace(512 + records, pax.size(), pax);
  const auto put_number = [&tar](std::size_t at, std::size_t header_at, std::size_t value) {
    char digits[13];
    std::snprintf(digits, sizeof digits, "%011zo", value);
    tar.replace(header_at + at, 11, digits, 11);
    tar.replace(header_at + 148, 8, 8, ' ');
    unsigned sum = 0;
    for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(tar[header_at + i]);
    std::snprintf(digits, sizeof digits, "%06o", sum);
    tar.replace(header_at + 148, 7, digits, 7);
  };
  put_number(124, 0, records + pax.size());
  put_number(124, 1024, 0);

  const std::string after = limited(tar);
  EXPECT_EQ(after.substr(1536, inner.size()), inner);
  EXPECT_NE(after.substr(1024, 512), tar.substr(1024, 512)) << "its own time is limited";
}

TEST(TarTimesLimit, OfAHeaderThatIsNoneAreRefused) {
  std::string broken(1024, 'x');
  EXPECT_THROW(limited(broken), Error);
}

}  // namespace
}  // namespace lighterman::os
