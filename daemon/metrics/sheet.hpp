#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace lighterman::metrics {

/// A label's values must be few and known beforehand: names from the configuration, states, kinds.
/// Never commits, tags, URLs, or what a stranger sent.
using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// What one scrape is answered. Begins with all that the meters (meters.hpp) have counted; the rest
/// is looked up and added. Each family has its meaning where it is added first. One thread.
class Sheet {
 public:
  Sheet();
  ~Sheet();
  Sheet(const Sheet&) = delete;
  Sheet& operator=(const Sheet&) = delete;

  void gauge(std::string_view name, std::string_view meaning, double value, Labels labels = {});
  /// Counted elsewhere: a sum that only grows.
  void counter(std::string_view name, std::string_view meaning, double value, Labels labels = {});
  /// In Prometheus' text format 0.0.4.
  std::string text() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

constexpr const char* text_type = "text/plain; version=0.0.4; charset=utf-8";

/// Resident memory, processor time, open files, start time of this process, by the names that
/// Prometheus' libraries use.
void add_process(Sheet& sheet);

}  // namespace lighterman::metrics
