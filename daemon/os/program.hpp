#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "core/bytes.hpp"

namespace lighterman::os {

/// A program to run, without a shell (Boost.Process).
struct Program {
  std::string name;  ///< looked up in PATH when it holds no '/'
  std::vector<std::string> arguments = {};
  std::map<std::string, std::string> environment =
      {};                             ///< all of it: nothing is inherited but PATH and HOME
  std::filesystem::path folder = {};  ///< empty: ours
  std::string input = {};             ///< for its standard input
  std::chrono::milliseconds timeout{std::chrono::seconds(60)};
  std::uint64_t output_limit = 1 << 20;  ///< bytes of each stream that are kept; more: killed
};

struct Outcome {
  int exit_code = 0;  ///< 128 + signal when it was killed
  std::string output, errors;
};

/// Runs it to its end. Its whole process group is killed on timeout (Error(unavailable)), stop
/// (Error(cancelled)) or too much output (Error(invalid)). Error(not_found): no such program.
Outcome perform(const Program& program, const std::stop_token& stop = {});
/// The same, its standard output going to `output` as it comes.
Outcome perform(const Program& program, const Push& output, const std::stop_token& stop = {});
/// Our own environment, for a program that is set up by it as we are.
std::map<std::string, std::string> own_environment();
/// Full path of a program in PATH; empty: not installed.
std::filesystem::path find_program(const std::string& name);

}  // namespace lighterman::os
