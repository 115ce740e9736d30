#pragma once

#include <string>

#include "core/findings.hpp"
#include "core/run.hpp"

namespace lighterman::scan {

// A run's findings in the store's facts: packed, because they are mostly the same words.
inline constexpr const char* kept_scope = "findings";
std::string kept_name(RunId run, const std::string& image);
/// Of very many findings only the worst, and a warning that says so.
std::string pack(Findings findings);
Findings unpack(const std::string& packed);  ///< Error(invalid) for what pack() did not make

}  // namespace lighterman::scan
