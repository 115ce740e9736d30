#pragma once

#include <boost/json/object.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "policy/catalogue.hpp"
#include "policy/decision.hpp"
#include "policy/spec.hpp"

namespace lighterman::cli {

// How `lighterman plugin ...` says things: for people, and as JSON for programs.

/// The lines of a configuration that put the plugin to work, ready to be pasted.
std::string example(const policy::Plugin& plugin);
boost::json::object to_json(const policy::Plugin& plugin);

/// A long line in several, each with the indent of the first.
std::string wrapped(const std::string& line, std::size_t width);
/// One line for each thing that was decided, and of what else there is to say.
std::vector<std::string> told(const policy::Decision& decision,
                              const std::vector<policy::Said<std::string>>& more);

enum class Color { no, yes };
/// A tree of suites and tests, then how many passed and failed.
void tell(std::ostream& out, const std::vector<policy::SpecResult>& results, Color color);
boost::json::object to_json(const std::vector<policy::SpecResult>& results);

}  // namespace lighterman::cli
