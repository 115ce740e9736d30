#pragma once

#include <boost/json/value.hpp>
#include <ostream>
#include <span>

namespace lighterman::cli {

/// Runs as the API shows them, as a table.
void show_runs(std::ostream& out, std::span<const boost::json::value> runs);
/// One run with its stages: what was built, what travelled, which tags moved.
void show_run(std::ostream& out, const boost::json::value& run);
/// Why each step of its images was built or cached, and why each layer was sent.
void show_explanation(std::ostream& out, const boost::json::value& run);
void show_images(std::ostream& out, std::span<const boost::json::value> images);
/// What made an image.
void show_why(std::ostream& out, const boost::json::value& why);
/// "run 7 succeeded in 12s", with the reason where there is one.
void show_end(std::ostream& out, const boost::json::value& run);

}  // namespace lighterman::cli
