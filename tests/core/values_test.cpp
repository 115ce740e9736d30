#include <gtest/gtest.h>

#include <sstream>

#include "core/digest.hpp"
#include "core/json.hpp"
#include "core/reference.hpp"
#include "core/secret.hpp"
#include "core/time.hpp"
#include "support/failure.hpp"

namespace lighterman {
namespace {

using namespace std::chrono_literals;

TEST(Error, SaysWhatWasDoneWhenItHappenedAndKeepsItsKind) {
  const std::string failure = failure_of([] {
    during("pushing", [] { during("layer 1", [] { throw Error(ErrorKind::denied, "403"); }); });
  });
  EXPECT_EQ(failure, "denied: pushing: layer 1: 403");
  EXPECT_EQ(during("counting", [] { return 3; }), 3);
}

TEST(Error, NamesEveryKindAndReadsItBack) {
  for (const ErrorKind kind :
       {ErrorKind::invalid, ErrorKind::denied, ErrorKind::not_found, ErrorKind::conflict,
        ErrorKind::unavailable, ErrorKind::cancelled, ErrorKind::internal})
    EXPECT_EQ(parse_error_kind(render(kind)), kind);
  expect_refused("choices: invalid, denied", [] { parse_error_kind("odd"); });
}

TEST(Secret, PrintsAsStars) {
  const Secret secret("hunter2");
  std::ostringstream out;
  out << secret;
  EXPECT_EQ(out.str(), "***");
  EXPECT_EQ(concat("password ", secret), "password ***");
  EXPECT_EQ(secret.reveal(), "hunter2");
}

TEST(Secret, LeavesNothingWhereItMovedAwayFrom) {
  for (const std::string& value : {std::string("short"), std::string(100, 'x')}) {
    Secret from{std::string(value)};
    const Secret to = std::move(from);
    EXPECT_EQ(to.reveal(), value);
    EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that is the promise
    EXPECT_EQ(from.reveal().data()[0], '\0');
  }
}

TEST(Digest, AcceptsOnlyLowerCaseSha256) {
  const std::string good = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(Digest::parse(good).text(), good);
  EXPECT_EQ(Digest::parse(good).brief(), "aaaaaaaaaaaa");
  for (const std::string& bad :
       {std::string(), std::string("sha256:"), good + "a", "sha256:" + std::string(64, 'A'),
        "sha512:" + std::string(64, 'a'), good.substr(0, 70) + "/"})
    expect_refused("is not a digest", [&] { Digest::parse(bad); });
}

TEST(Time, ReadsBackWhatItWrites) {
  for (const Instant when : {Instant{}, Instant{1717171717171ms}, Instant{-1ms}}) {
    EXPECT_EQ(parse_time(render_time(when)), when) << render_time(when);
  }
  EXPECT_EQ(render_time(Instant{1709210096007ms}), "2024-02-29T12:34:56.007Z");
  EXPECT_EQ(parse_time("2024-02-29T14:34:56.0079+02:00"), Instant{1709210096007ms});
  EXPECT_EQ(parse_time("2024-02-29t11:04:56z"), parse_time("2024-02-29T10:04:56-01:00"));
}

TEST(Time, RefusesDatesThatDoNotExist) {
  for (const char* text :
       {"", "2024-02-30T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01", "2024-01-01T00:00:00",
        "2024-01-01T00:00:00.Z", "2024-1-1T00:00:00Z", "2024-01-01T00:00:00Z "})
    expect_refused("is not a time", [&] { parse_time(text); });
}

TEST(Duration, ReadsPartsWithUnits) {
  EXPECT_EQ(parse_duration("90s"), 90s);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("2d"), 48h);
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("0"), 0s);
  for (const char* text :
       {"", "5", "s", "-1s", "1x", "1h 30m", "1.5s", "999999999999999999d", "4000000d"})
    expect_refused("is not a duration", [&] { parse_duration(text); });
}

TEST(Duration, ShowsPeopleItsTwoLargestUnits) {
  EXPECT_EQ(render_duration(90s), "1m30s");
  EXPECT_EQ(render_duration(1h), "1h");
  EXPECT_EQ(render_duration(12345ms), "12s");
  EXPECT_EQ(render_duration(350ms), "350ms");
  EXPECT_EQ(render_duration(0ms), "0s");
  for (const std::chrono::milliseconds length : {1ms, 999ms, 1000ms, 61000ms, 90000000ms})
    EXPECT_EQ(parse_duration(render_duration(length)), length) << render_duration(length);
}

TEST(Reference, CompletesShortNamesAsDockerDoes) {
  EXPECT_EQ(Reference::parse("busybox").text(), "docker.io/library/busybox");
  EXPECT_EQ(Reference::parse("acme/shop:1").text(), "docker.io/acme/shop:1");
  EXPECT_EQ(Reference::parse("index.docker.io/busybox").text(), "docker.io/library/busybox");
  EXPECT_EQ(Reference::parse("localhost/shop").host(), "localhost");
  EXPECT_EQ(Reference::parse("localhost:5000/a/b/c").repository(), "a/b/c");
  EXPECT_EQ(Reference::parse("[::1]:5000/shop:v1").host(), "[::1]:5000");
}

TEST(Reference, HoldsTagAndDigestApart) {
  const std::string digest = "sha256:" + std::string(64, 'b');
  const Reference both = Reference::parse("r.example:5000/a/b_c__d-e.f:v1@" + digest);
  EXPECT_EQ(both.tag(), "v1");
  EXPECT_EQ(both.digest(), Digest::parse(digest));
  EXPECT_EQ(Reference::parse(both.text()), both);
  EXPECT_EQ(both.bare().text(), "r.example:5000/a/b_c__d-e.f");
  EXPECT_EQ(both.with_tag("v2").text(), "r.example:5000/a/b_c__d-e.f:v2");
  EXPECT_EQ(both.at(*both.digest()).text(), "r.example:5000/a/b_c__d-e.f@" + digest);
  expect_refused("its tag", [&] { both.with_tag("no/slash"); });
}

TEST(Reference, RefusesWhatRegistriesWouldAndSaysWhy) {
  expect_refused("lower case", [] { Reference::parse("r.example/Acme/shop"); });
  expect_refused("scheme", [] { Reference::parse("https://r.example/shop"); });
  expect_refused("its tag", [] { Reference::parse("r.example/shop:-x"); });
  expect_refused("is not a digest", [] { Reference::parse("r.example/shop@sha256:12"); });
  expect_refused("is empty", [] { Reference::parse("r.example/a//b"); });
  expect_refused("its host", [] { Reference::parse("r.example:port/a"); });
  expect_refused("longer than 255", [] { Reference::parse("r.example/" + std::string(250, 'a')); });
  expect_refused("image id", [] { Reference::parse(std::string(64, 'a')); });
  EXPECT_EQ(Reference::parse("R.Example/a").host(), "r.example");
  for (const char* text : {"", "a___b", "a..b", "-a", "a-", "a/", "r.example/ü", "a b"})
    expect_refused("is not an image reference", [&] { Reference::parse(text); });
}

TEST(Reference, MakesATagOfAnything) {
  EXPECT_EQ(slug_tag("feature/Ümlaut"), "feature-mlaut");
  EXPECT_EQ(slug_tag("v1.2"), "v1.2");
  EXPECT_EQ(slug_tag("/.//"), "unnamed");
  EXPECT_EQ(slug_tag(""), "unnamed");
  for (const std::string& text : {std::string(300, 'x'), "a/" + std::string(300, '-'),
                                  std::string("..x"), std::string("\xFF\xFF")})
    EXPECT_TRUE(is_tag(slug_tag(text))) << slug_tag(text);
}

TEST(Json, SaysWhereTextStopsBeingJson) {
  expect_refused("the file: not JSON", [] { parse_json("{\"a\": nope}", "the file"); });
  expect_refused("more text after the end", [] { parse_json("{} {}", "it"); });
  expect_refused("ends in the middle", [] { parse_json("{\"a\": ", "it"); });
  expect_refused("not JSON", [] { parse_json(std::string(100000, '['), "it"); });
}

TEST(Json, NamesTheFieldThatIsWrong) {
  const boost::json::value given = parse_json(
      R"({"text": 1, "flag": "yes", "count": -1, "list": {}, "map": {"k": 2}, "when": "now"})",
      "it");
  const Fields fields(given, "it");
  expect_refused("it.text: a text is expected", [&] { fields.text("text"); });
  expect_refused("it.flag: true or false", [&] { fields.flag_or("flag", false); });
  expect_refused("it.count: a whole number from 0", [&] { fields.natural("count"); });
  expect_refused("it.list: a list", [&] { fields.list("list"); });
  expect_refused("it.map.k: a text", [&] { fields.text_map("map"); });
  expect_refused("it.when: \"now\" is not a time", [&] { fields.time_or("when", {}); });
  expect_refused("it.gone: missing", [&] { fields.text("gone"); });
  expect_refused("it: an object", [] { Fields(boost::json::value(1), "it"); });
}

}  // namespace
}  // namespace lighterman
