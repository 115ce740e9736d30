#pragma once

namespace lighterman::cli {

/// The whole program: reads the command line, does what it says, tells what went wrong on standard
/// error. Exit codes: 0 done, 1 the run (or the daemon) failed, 2 wrong usage, 3 not found,
/// 4 denied, 5 the daemon cannot be reached, 6 the configuration is wrong, 130 interrupted.
int main_of(int count, char** words);

}  // namespace lighterman::cli
