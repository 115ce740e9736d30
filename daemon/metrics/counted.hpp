#pragma once

#include <prometheus/metric_family.h>

#include <vector>

namespace lighterman::metrics {

/// All that the meters hold now.
std::vector<prometheus::MetricFamily> counted();

}  // namespace lighterman::metrics
