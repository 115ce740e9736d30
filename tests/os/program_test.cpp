#include "os/program.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "os/file.hpp"
#include "support/background.hpp"
#include "support/failure.hpp"

namespace lighterman::os {
namespace {

using namespace std::chrono_literals;

Program shell(const std::string& script) { return {.name = "sh", .arguments = {"-c", script}}; }

/// Whether a process still lives (a zombie does not).
bool lives(const std::string& pid) {
  std::ifstream status("/proc/" + pid + "/stat");
  std::string number, name, state;
  return status >> number >> name >> state && state != "Z";
}

TEST(Program, ReturnsOutputErrorsAndExitCode) {
  const Outcome outcome = perform(shell("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(outcome.output, "out\n");
  EXPECT_EQ(outcome.errors, "err\n");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(perform(shell("kill -TERM $$")).exit_code, 128 + SIGTERM);
}

TEST(Program, PassesArgumentsWithoutAShellLookingAtThem) {
  const Outcome outcome =
      perform({.name = "printf", .arguments = {"%s|", "a b", "$(id)", "*", "", "ü\n"}});
  EXPECT_EQ(outcome.output, "a b|$(id)|*||ü\n|");
}

TEST(Program, GetsOnlyTheEnvironmentItWasGiven) {
  ::setenv("LIGHTERMAN_TEST_LEAK", "1", 1);
  const Outcome outcome = perform({.name = "env", .environment = {{"GIVEN", "a=b"}}});
  EXPECT_NE(outcome.output.find("GIVEN=a=b\n"), std::string::npos);
  EXPECT_NE(outcome.output.find("PATH="), std::string::npos);
  EXPECT_EQ(outcome.output.find("LEAK"), std::string::npos) << outcome.output;
}

TEST(Program, ReadsItsInputOrNoneOfIt) {
  Program program{.name = "wc", .arguments = {"-c"}};
  program.input = std::string(3 << 20, 'x');
  EXPECT_EQ(perform(program).output, "3145728\n");
  program.name = "true";
  program.arguments.clear();
  EXPECT_EQ(perform(program).exit_code, 0);
  EXPECT_EQ(perform({.name = "cat"}).output, "");
}

TEST(Program, RunsInItsFolder) {
  const ScratchFolder folder;
  EXPECT_EQ(perform({.name = "pwd", .folder = folder.path()}).output,
            std::filesystem::canonical(folder.path()).native() + "\n");
  expect_refused("does not exist", [&] { perform({.name = "pwd", .folder = "/no/such"}); });
}

TEST(Program, NamesTheProgramThatIsMissing) {
  EXPECT_EQ(failure_of([] { perform({.name = "no-such-program", .arguments = {"secret"}}); }),
            "not_found: running no-such-program: there is no such program in PATH");
  EXPECT_EQ(failure_of([] { perform({.name = "/etc/passwd"}); }),
            "not_found: running /etc/passwd: there is no such program");
  EXPECT_EQ(find_program("no-such-program"), "");
  EXPECT_TRUE(find_program("sh").is_absolute());
}

TEST(Program, IsKilledWithItsWholeGroupWhenItsTimeIsUp) {
  const ScratchFolder folder;
  Program program = shell("trap '' TERM; sleep 600 & echo $! > pid; wait");
  program.folder = folder.path();
  program.timeout = 300ms;
  const std::string failure = failure_of([&] { perform(program); });
  EXPECT_EQ(failure, "unavailable: running sh: killed after 300ms");
  const std::string pid(trim(read_file(folder.path() / "pid")));
  EXPECT_TRUE(support::eventually([&] { return !lives(pid); }));
}

TEST(Program, StopsAtOnceWhenAsked) {
  const ScratchFolder folder;
  Program program = shell("echo > started; sleep 600");
  program.folder = folder.path();
  std::stop_source stop;
  std::jthread asker([&] {
    support::eventually([&] { return std::filesystem::exists(folder.path() / "started"); });
    stop.request_stop();
  });
  EXPECT_EQ(failure_of([&] { perform(program, stop.get_token()); }),
            "cancelled: running sh: stopped");
}

TEST(Program, IsKilledWhenItTalksTooMuch) {
  Program program = shell("yes");
  program.output_limit = 100000;
  expect_refused("running sh: killed: more than 100.0 kB on its standard output",
                 [&] { perform(program); });
  program = shell("yes >&2");
  program.output_limit = 100000;
  expect_refused("standard error", [&] { perform(program); });
}

TEST(Program, StreamsWithoutALimitAndStopsWhenTheReceiverFails) {
  std::uint64_t seen = 0;
  const Outcome outcome =
      perform({.name = "head", .arguments = {"-c", "20000000", "/dev/zero"}, .output_limit = 10},
              [&](std::string_view bytes) { seen += bytes.size(); });
  EXPECT_EQ(seen, 20000000U);
  EXPECT_EQ(outcome.exit_code, 0);
  const std::string failure = failure_of([] {
    perform(shell("yes"), [](std::string_view) { throw Error(ErrorKind::denied, "enough"); });
  });
  EXPECT_EQ(failure, "denied: enough");
}

TEST(Program, DoesNotWaitForWhatItLeftBehind) {
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = perform(shell("sleep 600 & echo $!; echo done"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
  EXPECT_TRUE(outcome.output.ends_with("done\n"));
  EXPECT_TRUE(support::eventually([&] { return !lives(split(outcome.output, '\n')[0]); }));
}

TEST(Program, LosesNoOutputWhenManyRunAtOnce) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([i] {
      for (int j = 0; j < 15; ++j) {
        const std::string text = concat("run ", i, " ", j, "\n");
        Program program{.name = "cat"};
        program.input = text;
        const Outcome outcome = perform(program);
        EXPECT_EQ(outcome.output, text);
      }
    });
}

TEST(Program, StartsWithNoSignalBlockedOrIgnored) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  const Outcome outcome = perform({.name = "grep", .arguments = {"SigBlk", "/proc/self/status"}});
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(outcome.output, "SigBlk:\t0000000000000000\n");
}

}  // namespace
}  // namespace lighterman::os
