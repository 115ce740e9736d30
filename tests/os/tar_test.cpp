#include "os/tar.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <clocale>

#include "os/file.hpp"
#include "os/program.hpp"
#include "support/failure.hpp"

namespace lighterman::os {
namespace {

using Type = TarEntry::Type;

Pull pull_of(std::string text, std::size_t step = 1 << 16) {
  return [text = std::move(text), step, at = std::size_t{0}](char* into, std::size_t room) mutable {
    const std::size_t part = std::min({room, step, text.size() - at});
    text.copy(into, part, at);
    at += part;
    return part;
  };
}

std::string tar_of(const std::vector<std::pair<TarEntry, std::string>>& entries) {
  std::string bytes;
  TarWriter tar([&](std::string_view part) { bytes += part; });
  for (const auto& [entry, content] : entries) tar.add(entry, content);
  tar.finish();
  return bytes;
}

std::string content_of(TarReader& tar) {
  std::string content;
  char buffer[1000];
  while (const std::size_t got = tar.read(buffer, sizeof buffer)) content.append(buffer, got);
  return content;
}

std::vector<std::pair<TarEntry, std::string>> sample() {
  return {{{.path = "folder", .type = Type::folder, .mode = 01755, .seconds = 5}, ""},
          {{.path = "folder/file", .mode = 0755, .size = 5, .seconds = 7, .nanoseconds = 123456789},
           "hello"},
          {{.path = "naïve/üñí/船.txt", .size = 1}, "x"},
          {{.path = "raw\xFF\xFEname", .size = 2}, "yz"},
          {{.path = std::string(150, 'd') + "/" + std::string(200, 'f'), .size = 0}, ""},
          {{.path = "soft",
            .type = Type::symlink,
            .mode = 0777,
            .link = "../ü/" + std::string(150, 't')},
           ""},
          {{.path = "hard", .type = Type::hardlink, .link = "folder/file"}, ""}};
}

TEST(Tar, ReadsBackWhatItWrote) {
  for (const std::size_t step : {std::size_t{1} << 16, std::size_t{100}}) {
    TarReader tar(pull_of(tar_of(sample()), step));
    TarEntry entry;
    for (const auto& [wanted, content] : sample()) {
      ASSERT_TRUE(tar.next(entry));
      EXPECT_EQ(entry.path, wanted.path + (wanted.type == Type::folder ? "/" : ""));
      EXPECT_EQ(entry.type, wanted.type) << entry.path;
      EXPECT_EQ(entry.mode, wanted.mode) << entry.path;
      EXPECT_EQ(entry.size, wanted.size);
      EXPECT_EQ(entry.seconds, wanted.seconds);
      EXPECT_EQ(entry.nanoseconds, wanted.nanoseconds) << entry.path;
      EXPECT_EQ(entry.link, wanted.link);
      EXPECT_EQ(content_of(tar), content);
    }
    EXPECT_FALSE(tar.next(entry));
  }
}

TEST(Tar, GivesTheSameBytesWhateverTheLocale) {
  const std::string before = tar_of(sample());
  ASSERT_NE(std::setlocale(LC_ALL, "C.UTF-8"), nullptr);
  const std::string after = tar_of(sample());
  std::setlocale(LC_ALL, "C");
  EXPECT_EQ(before, after);
}

TEST(Tar, IsReadByTheTarProgramWithOwnerRoot) {
  const ScratchFolder folder;
  replace_file(folder.path() / "t.tar", tar_of(sample()));
  const Outcome outcome =
      perform({.name = "tar",
               .arguments = {"--numeric-owner", "--quoting-style=literal", "-tvf", "t.tar"},
               .environment = {{"LC_ALL", "C.UTF-8"}},
               .folder = folder.path()});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  const std::vector<std::string> lines = split(trim(outcome.output), '\n');
  ASSERT_EQ(lines.size(), sample().size()) << outcome.output;
  for (const std::string& line : lines) EXPECT_NE(line.find(" 0/0 "), std::string::npos) << line;
  EXPECT_NE(outcome.output.find("naïve/üñí/船.txt"), std::string::npos) << outcome.output;
}

TEST(Tar, HoldsFilesLargerThanEightGigabytesWithoutHoldingThem) {
  // The old format's 11 octal digits end at 8 GiB.
  constexpr std::uint64_t size = (std::uint64_t{8} << 30) + 12345;
  std::string head;
  std::uint64_t total = 0;
  TarWriter tar([&](std::string_view part) {
    if (head.size() < 1 << 20) head += part;
    total += part.size();
  });
  std::uint64_t left = size;
  tar.add({.path = "big", .size = size}, [&](char*, std::size_t room) {
    const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(room, left));
    left -= part;
    return part;
  });
  tar.finish();
  EXPECT_GT(total, size);
  TarReader read(pull_of(head));
  TarEntry entry;
  ASSERT_TRUE(read.next(entry));
  EXPECT_EQ(entry.size, size);
}

TEST(Tar, RefusesContentOfAnotherSizeThanAnnounced) {
  const auto add = [](std::uint64_t size, const std::string& content) {
    TarWriter tar([](std::string_view) {});
    tar.add({.path = "f", .size = size}, pull_of(content));
  };
  expect_refused("its content has 3 bytes where 5 were announced", [&] { add(5, "abc"); });
  expect_refused("where 2 were announced", [&] { add(2, "abc"); });
  expect_refused("where 2 were announced", [&] { tar_of({{{.path = "f", .size = 2}, "abc"}}); });
  expect_refused("where 0 were announced", [&] {
    tar_of({{{.path = "f", .type = Type::folder}, "abc"}});
  });
  expect_refused("needs a path", [&] { tar_of({{{.path = ""}, ""}}); });
  expect_refused("needs a target", [&] { tar_of({{{.path = "l", .type = Type::symlink}, ""}}); });
  expect_refused("zero byte", [&] { tar_of({{{.path = std::string("a\0b", 3)}, ""}}); });
}

TEST(Tar, PassesOnWhatItsStreamsThrow) {
  const auto broken = [] { throw Error(ErrorKind::unavailable, "cut"); };
  EXPECT_EQ(failure_of([&] {
              TarWriter tar([&](std::string_view) { broken(); });
              tar.add({.path = "f", .size = 1 << 20}, std::string(1 << 20, 'x'));
              tar.finish();
            }),
            "unavailable: cut");
  EXPECT_EQ(failure_of([&] {
              TarReader tar([&](char*, std::size_t) -> std::size_t { return broken(), 0; });
              TarEntry entry;
              tar.next(entry);
            }),
            "unavailable: cut");
}

TEST(Tar, WritesNoEndWhenItWasNotFinished) {
  std::string bytes;
  {
    TarWriter tar([&](std::string_view part) { bytes += part; });
    tar.add({.path = "f", .size = 100000}, std::string(100000, 'x'));
  }
  expect_refused("reading tar", [&] {
    TarReader tar(pull_of(bytes));
    TarEntry entry;
    tar.next(entry);
    content_of(tar);
  });
}

TEST(Tar, RefusesDamagedAndCutStreams) {
  const auto read_all = [](const std::string& bytes) {
    TarReader tar(pull_of(bytes));
    TarEntry entry;
    while (tar.next(entry)) content_of(tar);
  };
  expect_refused("reading tar", [&] { read_all(std::string(5000, 'x')); });
  const std::string good = tar_of({{{.path = "f", .size = 5000}, std::string(5000, 'x')}});
  expect_refused("reading tar", [&] { read_all(good.substr(0, 3000)); });
  expect_refused("reading tar", [&] { read_all(good.substr(0, 300)); });
  EXPECT_EQ(failure_of([&] { read_all(""); }), "nothing");
}

TEST(Tar, SkipsContentNobodyRead) {
  TarReader tar(pull_of(tar_of({{{.path = "a", .size = 100000}, std::string(100000, 'a')},
                                {{.path = "b", .size = 1}, "b"}})));
  TarEntry entry;
  ASSERT_TRUE(tar.next(entry));
  ASSERT_TRUE(tar.next(entry));
  EXPECT_EQ(entry.path, "b");
  EXPECT_EQ(content_of(tar), "b");
}

}  // namespace
}  // namespace lighterman::os
