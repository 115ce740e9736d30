#include "core/text.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "support/failure.hpp"

namespace lighterman {
namespace {

using Texts = std::vector<std::string>;

TEST(Text, SplitsAndJoinsWithoutLosingEmptyParts) {
  EXPECT_EQ(split("a,,b,", ','), (Texts{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), Texts{""});
  EXPECT_EQ(join(Texts{"a", "", "b"}, ", "), "a, , b");
  EXPECT_EQ(join(Texts{}, ", "), "");
}

TEST(Text, TrimsAndLowersAsciiOnly) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(lower("ÄBC-1"), "Äbc-1");
}

TEST(Text, ReadsBackEveryByteFromHexAndBase64) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  for (std::size_t length : {0U, 1U, 2U, 3U, 255U, 256U}) {
    const std::string part = bytes.substr(256 - length);
    EXPECT_EQ(parse_hex(render_hex(part)), part);
    EXPECT_EQ(parse_base64(render_base64(part)), part);
    EXPECT_EQ(parse_base64(render_base64url(part)), part);
  }
  EXPECT_EQ(render_base64("fo"), "Zm8=");
  EXPECT_EQ(render_base64url("\xFB\xFF"), "-_8=");
  EXPECT_EQ(parse_base64("Zm8"), "fo");
}

TEST(Text, RefusesWhatIsNeitherHexNorBase64) {
  for (const char* text : {"0", "0g", "zz", "0 "}) EXPECT_EQ(parse_hex(text), std::nullopt) << text;
  for (const char* text : {"A", "Zm8==", "Zm9=", "Z m8", "Zm8=Zm8=", "===="})
    EXPECT_EQ(parse_base64(text), std::nullopt) << text;
}

TEST(Text, EncodesAllButUnreservedCharactersForUrls) {
  EXPECT_EQ(render_url_part("a-Z0._~/ ü"), "a-Z0._~%2F%20%C3%BC");
}

TEST(Text, SuggestsWhatWasMeantAndNothingFarFetched) {
  const Texts keys{"registries", "retries", "listen"};
  EXPECT_EQ(closest("retires", keys), "retries");
  EXPECT_EQ(closest("Listen", keys), "listen");
  EXPECT_EQ(closest("engine", keys), std::nullopt);
  EXPECT_EQ(closest("x", Texts{"y"}), std::nullopt);
  EXPECT_EQ(did_you_mean("retires", keys), " (did you mean \"retries\"?)");
  EXPECT_EQ(did_you_mean("engine", keys), "");
}

TEST(Text, ReadsSizesInDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_size("512"), 512U);
  EXPECT_EQ(parse_size("64KiB"), 65536U);
  EXPECT_EQ(parse_size("10 MB"), 10'000'000U);
  EXPECT_EQ(parse_size("1.5GB"), 1'500'000'000U);
  EXPECT_EQ(parse_size("2gib"), std::uint64_t{2} << 30);
  EXPECT_EQ(parse_size("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
}

TEST(Text, RefusesSizesThatAreNoneOrTooLarge) {
  for (const char* text :
       {"", "MB", "-1", "1.", "1.5", "10XB", "18446744073709551616", "99999999TB"})
    expect_refused("is not a size", [&] { parse_size(text); });
}

TEST(Text, ShowsSizesToPeople) {
  EXPECT_EQ(render_size(999), "999 B");
  EXPECT_EQ(render_size(1'340'000), "1.3 MB");
  EXPECT_EQ(render_size(999'999), "1.0 MB");
}

TEST(Glob, StopsStarsAtFoldersButNotDoubleStars) {
  EXPECT_TRUE(matches_glob("release/*", "release/1.2"));
  EXPECT_FALSE(matches_glob("release/*", "release/1/2"));
  EXPECT_TRUE(matches_glob("release/**", "release/1/2"));
  EXPECT_FALSE(matches_glob("release/**", "release"));
  EXPECT_TRUE(matches_glob("**/*.go", "main.go"));
  EXPECT_TRUE(matches_glob("**/*.go", "a/b/main.go"));
  EXPECT_TRUE(matches_glob("a/**/b", "a/b"));
  EXPECT_TRUE(matches_glob("a/**/b", "a/x/y/b"));
  EXPECT_FALSE(matches_glob("a/**/b", "a/xb"));
  EXPECT_TRUE(matches_glob("*", ""));
  EXPECT_FALSE(matches_glob("", "a"));
}

TEST(Glob, KnowsClassesEscapesAndWholeCharacters) {
  EXPECT_TRUE(matches_glob("v[0-9].[!a-z]", "v1.2"));
  EXPECT_FALSE(matches_glob("v[0-9]", "vx"));
  EXPECT_FALSE(matches_glob("a[!b]c", "a/c"));
  EXPECT_TRUE(matches_glob("\\*", "*"));
  EXPECT_FALSE(matches_glob("\\*", "x"));
  EXPECT_TRUE(matches_glob("?.txt", "ü.txt"));
  EXPECT_TRUE(matches_glob("[ä-ü]", "ö"));
  EXPECT_TRUE(matches_glob("[", "["));
  EXPECT_TRUE(matches_glob("?", "\xFF"));
}

TEST(Glob, AnswersAHostilePatternAtOnce) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a**/";
  EXPECT_FALSE(matches_glob(pattern, std::string(20000, 'a')));
}

TEST(Text, CutsOnlyBetweenCharacters) {
  EXPECT_EQ(shortened("abc", 5), "abc");
  EXPECT_EQ(shortened("aüb", 2), "a");
  EXPECT_EQ(shortened("aüb", 3), "aü");
  EXPECT_EQ(shortened("a\xF0\x9F\x9A\xA2", 4), "a");
  EXPECT_EQ(shortened("\x80\x80\x80\x80\x80\x80", 4).size(), 4U);
}

TEST(Text, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(valid_utf8("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
  EXPECT_EQ(valid_utf8("a\xFF"
                       "b\xC3"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  // Overlong, surrogate, beyond U+10FFFF.
  for (const char* bytes : {"\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80"})
    EXPECT_EQ(valid_utf8(bytes).find(bytes), std::string::npos);
}

}  // namespace
}  // namespace lighterman
