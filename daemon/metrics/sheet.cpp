#include "metrics/sheet.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <vector>

#include "metrics/counted.hpp"

namespace lighterman::metrics {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Sheet::Inside {
  std::vector<MetricFamily> families = counted();

  ClientMetric& add(std::string_view name, std::string_view meaning, MetricType type,
                    Labels labels) {
    auto family = std::ranges::find(families, name, &MetricFamily::name);
    if (family == families.end())
      family =
          families.insert(family, MetricFamily{std::string(name), std::string(meaning), type, {}});
    ClientMetric& metric = family->metric.emplace_back();
    for (const auto& label : labels)
      metric.label.push_back({std::string(label.first), std::string(label.second)});
    return metric;
  }
};

Sheet::Sheet() : inside_(std::make_unique<Inside>()) {}
Sheet::~Sheet() = default;

void Sheet::gauge(std::string_view name, std::string_view meaning, double value, Labels labels) {
  inside_->add(name, meaning, MetricType::Gauge, labels).gauge.value = value;
}

void Sheet::counter(std::string_view name, std::string_view meaning, double value, Labels labels) {
  inside_->add(name, meaning, MetricType::Counter, labels).counter.value = value;
}

std::string Sheet::text() const {
  return prometheus::TextSerializer().Serialize(inside_->families);
}

}  // namespace lighterman::metrics
