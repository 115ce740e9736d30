#include "engine/lines.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace lighterman::engine {
namespace {

std::vector<std::string> lines_of(const std::vector<std::string>& pieces) {
  std::vector<std::string> lines;
  OutputLines output([&](std::string line) { lines.push_back(std::move(line)); });
  for (const std::string& piece : pieces) output.write(piece);
  output.finish();
  return lines;
}

TEST(OutputLines, KeepColoursAndNothingElseThatATerminalWouldObey) {
  EXPECT_EQ(lines_of({"\x1b[32mok\x1b[0m\x1b[2J\x07 \x1b[?25lgo", "ne\x1b[", "1m!\n"}),
            (std::vector<std::string>{"\x1b[32mok\x1b[0m gone\x1b[1m!"}));
}

TEST(OutputLines, ShowTheLastStateOfALineThatWasWrittenAgain) {
  EXPECT_EQ(lines_of({"10%\r50%\r100%\r\ndone"}), (std::vector<std::string>{"100%", "done"}));
}

TEST(OutputLines, AreNotWhatErrorsAreMadeOf) {
  EXPECT_EQ(one_line("\x1b[91mcannot\nfind\x1b[0m"), "cannot find");
}

}  // namespace
}  // namespace lighterman::engine
