#pragma once

#include <string>
#include <vector>

#include "core/findings.hpp"

namespace lighterman::scan {

struct BlockOptions {
  std::vector<Severity> block = {Severity::critical};  ///< more would stop most images of today
  bool ignore_unfixed = false;  ///< lets pass what nobody can fix yet; off: it blocks as well
};

bool blocks(const Finding& finding, const BlockOptions& options);
/// Why the image must not be published, one reason a finding, worst first; empty: it may.
std::vector<std::string> reasons_to_block(const Findings& findings, const BlockOptions& options);

}  // namespace lighterman::scan
