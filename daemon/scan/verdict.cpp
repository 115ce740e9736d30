#include "scan/verdict.hpp"

#include <algorithm>

#include "core/text.hpp"
#include "scan/writers.hpp"

namespace lighterman::scan {

bool blocks(const Finding& finding, const BlockOptions& options) {
  if (finding.waived || finding.status == FindingStatus::not_affected) return false;
  if (options.ignore_unfixed && finding.fixed.empty()) return false;
  return std::find(options.block.begin(), options.block.end(), finding.severity) !=
         options.block.end();
}

std::vector<std::string> reasons_to_block(const Findings& findings, const BlockOptions& options) {
  std::vector<const Finding*> blocking;
  for (const Finding& finding : findings.list)
    if (blocks(finding, options)) blocking.push_back(&finding);
  std::stable_sort(blocking.begin(), blocking.end(),
                   [](const Finding* a, const Finding* b) { return a->severity > b->severity; });
  std::vector<std::string> reasons;
  reasons.reserve(blocking.size());
  for (const Finding* finding : blocking)
    reasons.push_back(
        concat(render(finding->severity), ' ', finding->id, ": ", advice_of(*finding)));
  return reasons;
}

}  // namespace lighterman::scan
