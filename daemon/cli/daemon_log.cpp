#include "cli/daemon_log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/json.hpp>

#include "core/text.hpp"
#include "core/time.hpp"

namespace lighterman::cli {
namespace {

std::string_view name_of(DaemonLog::Level level) {
  switch (level) {
    case DaemonLog::Level::info:
      return "info";
    case DaemonLog::Level::warning:
      return "warning";
    case DaemonLog::Level::error:
      return "error";
  }
  return "info";
}

/// A value with white space or quotes is quoted, as logfmt readers expect.
std::string quoted(const std::string& value) {
  if (!value.empty() && value.find_first_of(" \t\n\"=") == std::string::npos) return value;
  return boost::json::serialize(boost::json::value(valid_utf8(value)));
}

}  // namespace

DaemonLog::DaemonLog(const std::string& format) : json_(format == "json") {
  auto logger = spdlog::get("daemon");
  if (!logger) logger = spdlog::stderr_logger_mt("daemon");
  logger->set_pattern("%v");
}

void DaemonLog::write(Level level, std::string_view event, Fields fields) const {
  std::string line;
  if (json_) {
    boost::json::object object{{"time", render_time(system_now())},
                               {"level", std::string(name_of(level))},
                               {"event", std::string(event)}};
    for (const auto& [key, value] : fields) object[key] = valid_utf8(value);
    line = boost::json::serialize(object);
  } else {
    line = concat(render_time(system_now()), ' ', name_of(level), ' ', event);
    for (const auto& [key, value] : fields) line += concat(' ', key, '=', quoted(value));
  }
  const auto logger = spdlog::get("daemon");
  logger->info(line);
  logger->flush();
}

}  // namespace lighterman::cli
