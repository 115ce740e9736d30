#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "policy/plugin.hpp"

namespace lighterman::policy {

/// What became of one `it`, or of a file that could not be run.
struct SpecResult {
  std::filesystem::path file;
  std::vector<std::string> suites;  ///< the `describe`s around it, outermost first
  std::string test;
  std::string message;  ///< empty: it passed; else what failed, with file and line
  std::chrono::microseconds took{};

  bool passed() const noexcept { return message.empty(); }
};

/// Runs NAME_spec.lua files: all of a folder, one of them, or the one beside the plugin NAME.lua.
/// Whatever is wrong inside is a result. Error(not_found) where there is no spec file.
std::vector<SpecResult> run_specs(const std::filesystem::path& place);

/// Facts as a hook gets them, complete and plausible: what specs and `plugin try` start from.
const boost::json::object& sample_facts(Hook hook);
/// The facts with `given` laid over them: records merge, everything else replaces, and what is
/// {"$none": true} goes. Fields that follow from given ones follow: short from commit, title from
/// message, ref from tag or branch, counts from findings.
boost::json::object facts_with(boost::json::object facts, const boost::json::object& given);
/// Facts made for on_staged as another hook about images gets them; what was `given` stays.
boost::json::object image_for(Hook hook, boost::json::object facts,
                              const boost::json::object& given);

/// Where two values differ, a line for each place, sorted and cut; empty: nowhere.
std::string differences(const boost::json::value& expected, const boost::json::value& actual);
bool same(const boost::json::value& a, const boost::json::value& b);

}  // namespace lighterman::policy
