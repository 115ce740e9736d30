#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace lighterman::cli {

/// The daemon's own log, on standard error: one line per event, "key=value" pairs or JSON objects.
/// Any thread.
class DaemonLog {
 public:
  using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;
  enum class Level { info, warning, error };

  explicit DaemonLog(const std::string& format);  ///< "text" or "json"
  void write(Level level, std::string_view event, Fields fields = {}) const;
  void info(std::string_view event, Fields fields = {}) const { write(Level::info, event, fields); }
  void warn(std::string_view event, Fields fields = {}) const {
    write(Level::warning, event, fields);
  }
  void error(std::string_view event, Fields fields = {}) const {
    write(Level::error, event, fields);
  }

 private:
  bool json_;
};

}  // namespace lighterman::cli
