#include "cli/live_log.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <sstream>

#include "core/text.hpp"

namespace lighterman::cli {
namespace {

boost::json::value line(const std::string& kind, const std::string& text) {
  return {{"when", "2026-11-24T08:09:10.000Z"},
          {"image", "web"},
          {"stage", "publish"},
          {"kind", kind},
          {"text", text}};
}
boost::json::value progress(int current, int total) {
  return line("progress", boost::json::serialize(boost::json::object{{"layer", "0123456789ab"},
                                                                     {"doing", "sending"},
                                                                     {"current", current},
                                                                     {"total", total}}));
}
std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
  return count;
}

TEST(LiveLog, DrawsABarPerLayerAndTakesItAwayWhenTheLayerIsThere) {
  std::ostringstream out;
  {
    LiveLog log(out, {.live = true, .color = false, .width = 100});
    log.add(progress(0, 0));  // it waits
    EXPECT_EQ(out.str(), "");
    log.add(progress(500, 1000));
    EXPECT_NE(out.str().find("[==========          ] 500 B of 1.0 kB  web publish sending"),
              std::string::npos)
        << out.str();
    log.add(line("out", "meanwhile"));
    log.add(progress(1000, 1000));
  }
  EXPECT_EQ(count_of(out.str(), "\x1b[1A"), 2u) << "as many rows taken back as drawn";
  EXPECT_EQ(count_of(out.str(), "08:09:10 web publish | meanwhile\n"), 1u);
}

TEST(LiveLog, IsPlainLinesInAPipe) {
  std::ostringstream out;
  LiveLog log(out, {});
  log.add(progress(500, 1000));
  log.add(line("error", "it \x1b[31mbroke\x1b[0m"));
  EXPECT_EQ(out.str(), "08:09:10 web publish | it broke\n");
}

TEST(LiveLog, NeverLetsABuildTakeOverTheTerminal) {
  EXPECT_EQ(harmless("a\x1b]0;title\x07"
                     "b\rc\x1b[2Jd",
                     true),
            "a ]0;title b c [2Jd");
  EXPECT_EQ(harmless("\xc2\x9b"
                     "2J",
                     true),
            " 2J");
  EXPECT_EQ(harmless("\x1b[1;32mgreen\x1b[0m", true), "\x1b[1;32mgreen\x1b[0m");
  EXPECT_EQ(harmless("\x1b[1;32mgrün\x1b[0m", false), "grün");
}

}  // namespace
}  // namespace lighterman::cli
