#include "os/compress.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "os/file.hpp"
#include "os/hash.hpp"
#include "os/program.hpp"
#include "support/failure.hpp"

namespace lighterman::os {
namespace {

constexpr Compression both[] = {Compression::gzip, Compression::zstd};

/// Text that compresses about as source code does; the same each time.
std::string text_like(std::size_t size) {
  std::mt19937 random(7);
  std::vector<std::string> words;
  for (int i = 0; i < 2000; ++i) {
    std::string word;
    for (unsigned j = 0, length = 2 + random() % 9; j < length; ++j)
      word += static_cast<char>('a' + random() % 26);
    words.push_back(word);
  }
  std::string text;
  while (text.size() < size) text += words[random() % 50 * (random() % 40)] + ' ';
  text.resize(size);
  return text;
}

std::string noise(std::size_t size) {
  std::mt19937_64 random(11);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::string compress(Compression how, std::string_view bytes, unsigned threads,
                     std::size_t step = 1000003) {
  std::string out;
  Compressor compressor(
      how, [&](std::string_view part) { out += part; }, threads);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size())))
    compressor.write(bytes.substr(0, step));
  compressor.finish();
  return out;
}

Pull pull_of(std::string_view text, std::size_t step) {
  return [text, step](char* into, std::size_t room) mutable {
    const std::size_t part = std::min({room, step, text.size()});
    text.copy(into, part);
    text.remove_prefix(part);
    return part;
  };
}

std::string decompress(std::string_view bytes, std::size_t step = 1 << 16,
                       std::size_t room = 1 << 16) {
  const Pull pull = decompressed(pull_of(bytes, step));
  std::string out, buffer(room, '\0');
  while (const std::size_t got = pull(buffer.data(), room)) out.append(buffer, 0, got);
  return out;
}

TEST(Compressor, GivesTheSameBytesForAnyNumberOfThreadsAndAnyPieces) {
  const std::string text = text_like(7'500'000) + noise(1'500'000);
  for (const Compression how : both) {
    const std::string first = compress(how, text, 1);
    const auto expect_same = [&](unsigned threads, std::size_t step) {
      const std::string other = compress(how, text, threads, step);
      const auto differs = std::ranges::mismatch(other, first).in1 - other.begin();
      EXPECT_TRUE(other == first) << Compressor::form(how) << " with " << threads
                                  << " threads differs at byte " << differs << ": " << other.size()
                                  << " bytes instead of " << first.size();
    };
    for (unsigned threads = 2; threads <= 8; ++threads) expect_same(threads, 100000 * threads + 7);
    expect_same(0, 1000003);
  }
}

TEST(Compressor, IsReadByTheGzipAndZstdPrograms) {
  const ScratchFolder folder;
  for (const std::string& text : {std::string(), std::string("x"), text_like(1 << 20),
                                  text_like(5'000'000), noise(3 << 20)}) {
    for (const Compression how : both) {
      replace_file(folder.path() / "f", compress(how, text, 3));
      const std::string program = how == Compression::gzip ? "gzip" : "zstd";
      Sha256 hash;
      const Outcome outcome =
          perform({.name = program, .arguments = {"-dc", "f"}, .folder = folder.path()},
                  [&](std::string_view part) { hash.update(part); });
      EXPECT_EQ(outcome.exit_code, 0) << program << ": " << outcome.errors;
      EXPECT_EQ(hash.finish(), sha256(text)) << program << " of " << text.size();
    }
  }
}

TEST(Compressor, ShrinksTextAndHardlyGrowsNoise) {
  const std::string text = text_like(8 << 20), random = noise(8 << 20);
  for (const Compression how : both) {
    EXPECT_LT(compress(how, text, 2).size(), text.size() * 45 / 100);
    EXPECT_LT(compress(how, random, 2).size(), random.size() * 1001 / 1000 + 1000);
    EXPECT_LT(compress(how, std::string(8 << 20, '\0'), 2).size(), 200000U);
  }
}

TEST(Compressor, PassesOnWhatItsReceiverThrowsAndEndsCleanly) {
  for (const Compression how : both) {
    const std::string failure = failure_of([&] {
      Compressor compressor(
          how, [](std::string_view) { throw Error(ErrorKind::unavailable, "disk full"); }, 4);
      const std::string text = text_like(1 << 20);
      for (int i = 0; i < 100; ++i) compressor.write(text);
    });
    EXPECT_EQ(failure, "unavailable: disk full");
  }
}

TEST(Compressor, MayBeDroppedInTheMiddle) {
  const std::string text = text_like(6 << 20);
  for (const Compression how : both) {
    std::string out;
    {
      Compressor compressor(
          how, [&](std::string_view part) { out += part; }, 3);
      compressor.write(text);
    }
    if (how == Compression::gzip)
      expect_refused("ends in the middle", [&] { decompress(out); });
    else
      EXPECT_LT(decompress(out).size(), text.size());
  }
  EXPECT_EQ(Compressor::form(Compression::gzip), "gzip-1");
  EXPECT_EQ(Compressor::form(Compression::zstd), "zstd-3");
}

TEST(Decompressed, TellsGzipZstdAndPlainApart) {
  const std::string text = text_like(3'000'000);
  EXPECT_EQ(decompress(compress(Compression::gzip, text, 2)), text);
  EXPECT_EQ(decompress(compress(Compression::zstd, text, 2)), text);
  EXPECT_EQ(decompress(text), text);
  for (const std::string plain : {"", "\x1f", "(", "abc"}) EXPECT_EQ(decompress(plain), plain);
}

TEST(Decompressed, ReadsSeveralMembersCutAtAnyPlace) {
  const std::string a = text_like(5000), b = noise(300);
  for (const Compression how : both) {
    const std::string joined = compress(how, a, 1) + compress(how, "", 1) + compress(how, b, 1);
    for (std::size_t step = 1; step < 40; ++step) {
      EXPECT_EQ(decompress(joined, step, 97), a + b) << step;
      EXPECT_EQ(decompress(joined, step, 1 << 20), a + b) << step;
    }
  }
  // gzip(1) pads tapes with zeros.
  EXPECT_EQ(decompress(compress(Compression::gzip, a, 1) + std::string(5000, '\0'), 3), a);
}

TEST(Decompressed, ReadsWhatTheGzipProgramWrites) {
  const ScratchFolder folder;
  const std::string text = text_like(4'000'000) + noise(200000);
  replace_file(folder.path() / "a name", text);
  for (const char* level : {"-1", "-9"}) {
    const Outcome outcome = perform({.name = "gzip",
                                     .arguments = {level, "-c", "a name"},
                                     .folder = folder.path(),
                                     .output_limit = 64 << 20});
    EXPECT_EQ(decompress(outcome.output, 1000), text);
    EXPECT_EQ(decompress(outcome.output + outcome.output, 77777), text + text);
  }
}

TEST(Decompressed, RefusesWhatIsCutOrDamaged) {
  const std::string text = text_like(400'000);
  for (const Compression how : both) {
    const std::string good = compress(how, text, 1);
    for (const std::size_t length :
         {std::size_t{5}, good.size() / 2, good.size() - 9, good.size() - 4, good.size() - 1})
      expect_refused("ends in the middle", [&] { decompress(good.substr(0, length)); });
    std::string damaged = good;
    damaged[good.size() / 2] = static_cast<char>(damaged[good.size() / 2] ^ 0x55);
    expect_refused("reading ", [&] { decompress(damaged); });
  }
  expect_refused("other bytes follow",
                 [&] { decompress(compress(Compression::gzip, text, 1) + "garbage"); });
  std::string wrong_sum = compress(Compression::gzip, text, 1);
  wrong_sum[wrong_sum.size() - 6] ^= 1;
  expect_refused("wrong checksum", [&] { decompress(wrong_sum); });
}

TEST(Decompressed, PassesOnWhatItsSourceThrows) {
  const Pull pull = decompressed(
      [](char*, std::size_t) -> std::size_t { throw Error(ErrorKind::unavailable, "cut"); });
  char byte;
  EXPECT_EQ(failure_of([&] { pull(&byte, 1); }), "unavailable: cut");
}

}  // namespace
}  // namespace lighterman::os
